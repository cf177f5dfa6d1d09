package dbtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Restartable is the PostgreSQL server of one test, which the test may kill and start again. It waits
// for its disk.
type Restartable struct {
	t   testing.TB
	bin string
	c   *cluster
	// watch is the watchdog of the server that runs.
	watch *exec.Cmd
}

// StartRestartable starts the server; it is stopped at the end of the test.
func StartRestartable(t testing.TB) *Restartable {
	t.Helper()
	bin, err := findPostgres()
	if errors.Is(err, errNoPostgres) && os.Getenv("PENSTOCK_REQUIRE_POSTGRES") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir, err := makeCluster(bin, true)
	if err != nil {
		t.Fatal(err)
	}
	r := &Restartable{t: t, bin: bin, c: &cluster{dir: dir}}
	t.Cleanup(func() {
		r.end()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	r.Start()
	return r
}

// URL returns the address of a new empty database.
func (r *Restartable) URL() string {
	r.t.Helper()
	name, err := r.c.createDatabase(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return r.c.url(name) + "&pool_max_conns=8"
}

// keeper runs the server and stops it when its standard input ends, which it does
// when the test binary ends, however it ends.
const keeper = `
"$0" -D "$1/data" -k "$1" >>"$1/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -QUIT $server 2>/dev/null
wait $server
`

// Start starts the server after a Kill and waits until it takes connections. What
// the killed one left may still be in the way for a moment.
func (r *Restartable) Start() {
	r.t.Helper()
	_, credential, err := ownerOf(r.c.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; {
		read, write, err := os.Pipe()
		if err != nil {
			r.t.Fatal(err)
		}
		r.watch = exec.Command("/bin/sh", "-c", keeper, filepath.Join(r.bin, "postgres"), r.c.dir)
		r.watch.Dir, r.watch.Stdin = r.c.dir, read
		r.watch.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Setsid: true}
		if err := r.watch.Start(); err != nil {
			r.t.Fatal(err)
		}
		_ = read.Close()
		r.c.stdin = write
		if err = r.c.waitFor(2 * time.Second); err == nil {
			return
		}
		r.end()
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(r.c.dir, "log"))
			r.t.Fatalf("starting PostgreSQL again: %v\n%s", err, log)
		}
	}
}

// Kill is kill -9 of the server; its children see that and end.
func (r *Restartable) Kill() {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.c.dir, "data", "postmaster.pid"))
	if err != nil {
		r.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		r.t.Error(err)
	}
	r.end()
}

// end lets the watchdog stop what runs, and waits for it.
func (r *Restartable) end() {
	if r.c.stdin == nil {
		return
	}
	_ = r.c.stdin.Close()
	_ = r.watch.Wait()
	r.c.stdin = nil
}
