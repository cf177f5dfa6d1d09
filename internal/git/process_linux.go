package git

import "syscall"

// attributes puts git into a process group of its own, which a cancelled
// context kills as a whole, and has the kernel end git when the server dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
