//go:build !linux

package blob

// childDisk belongs to a test that only Linux has.
func childDisk(string) {}
