//go:build unix && !linux

package sandbox

import (
	"os"
	"syscall"
)

// ownProgram is the file of the running program.
func ownProgram() (string, error) { return os.Executable() }

// adoptOrphans does nothing: only Linux hands orphans to a chosen process.
func adoptOrphans() error { return nil }

// groupOfItsOwn puts the command into a process group.
func groupOfItsOwn() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// descendants names the command's process group, which is all that can be found
// here: a process that leaves the group outlives the command.
func descendants(pid int) []int { return []int{-pid} }

// killStrays kills what the command left in its group, for those processes are
// no children of this one.
func killStrays(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
