package blob

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestRealDisk fills a real small file system and then makes it read-only. It
// needs the right to mount, in a mount namespace of the child's own.
func TestRealDisk(t *testing.T) {
	t.Parallel()
	cmd := child(t, "disk", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	cmd.Stderr = nil
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case !errors.As(err, &exit), exit.ExitCode() == exitNoMount:
		t.Skipf("this machine lets the test mount nothing: %v %s", err, out)
	default:
		t.Errorf("%v\n%s", err, out)
	}
}

const exitNoMount = 77

func childDisk(dir string) {
	if err := mountSmall(dir); err != nil {
		fmt.Println(err)
		os.Exit(exitNoMount)
	}
	if err := useSmall(dir); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func mountSmall(dir string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m")
}

func useSmall(dir string) error {
	d, err := OpenDir(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if _, err := d.Put(ctx, "a/fits", strings.NewReader(strings.Repeat("x", 300_000))); err != nil {
		return err
	}
	for range 2 { // the second time shows that the first left nothing behind
		_, err = d.Put(ctx, "a/large", strings.NewReader(strings.Repeat("x", 2_000_000)))
		if !errors.Is(err, ErrFull) {
			return fmt.Errorf("put on a full disk: %v", err)
		}
		if _, err := d.Put(ctx, "a/also", strings.NewReader(strings.Repeat("x", 300_000))); err != nil {
			return fmt.Errorf("put of what fits: %v", err)
		}
	}
	// A file open for writing, such as the lock, would forbid the remount.
	if err := d.staging.lock.Close(); err != nil {
		return err
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return err
	}
	_, err = d.Put(ctx, "a/new", strings.NewReader("x"))
	if deleteErr := d.Delete(ctx, "a/fits"); !errors.Is(err, ErrReadOnly) || !errors.Is(deleteErr, ErrReadOnly) {
		return fmt.Errorf("on a read-only disk put: %v, delete: %v", err, deleteErr)
	}
	r, err := d.Open(ctx, "a/fits")
	if err != nil || r.Size() != 300_000 {
		return fmt.Errorf("read from a read-only disk: %v", err)
	}
	if _, err := OpenDir(dir); !errors.Is(err, ErrReadOnly) {
		return fmt.Errorf("open a read-only disk: %v", err)
	}
	return nil
}
