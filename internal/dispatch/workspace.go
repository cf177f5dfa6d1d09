package dispatch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// RemoveWorkspaces removes a folder of workspaces, or one of them. Builds leave
// folders behind that may not be written, such as a Go module cache: they are
// opened first.
func RemoveWorkspaces(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	walkErr := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			// Before it is read, so that it can be.
			if err := os.Chmod(path, 0o700); err != nil {
				return err
			}
		}
		if errors.Is(err, fs.ErrPermission) {
			return nil // opened now; RemoveAll reads it
		}
		return err
	})
	return errors.Join(os.RemoveAll(dir), walkErr)
}

// clean removes the workspace of an attempt that is over. What cannot be removed
// is in nobody's way: every attempt has a folder of its own.
func (d *Dispatcher) clean(workspace string) {
	if err := RemoveWorkspaces(workspace); err != nil {
		d.Logger.Warn("removing a workspace", "workspace", workspace, "error", err)
	}
}
