//go:build unix && !linux

package git

import "syscall"

// attributes puts git into a process group of its own, which a cancelled
// context kills as a whole.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
