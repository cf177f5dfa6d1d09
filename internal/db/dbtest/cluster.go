package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const clusterUser = "penstock"

// cluster is a private PostgreSQL server, reached by a socket in its directory.
type cluster struct {
	dir   string
	stdin *os.File // the watchdog stops the server when this closes

	mu    sync.Mutex
	count int // databases made so far
}

// The clusters of this test binary: made once, when first needed.
var (
	fastCluster    = sync.OnceValues(func() (*cluster, error) { return startCluster(false) })
	durableCluster = sync.OnceValues(func() (*cluster, error) { return startCluster(true) })
)

// errNoPostgres says that PostgreSQL is not installed.
var errNoPostgres = errors.New("no PostgreSQL on this machine: initdb and postgres are neither in /usr/lib/postgresql/*/bin nor in PATH")

// PostgresURL returns the URL of an empty PostgreSQL database, dropped at the
// end of the test. Its server does not wait for the disk (fsync is off).
func PostgresURL(t testing.TB) string {
	t.Helper()
	return postgresURL(t, fastCluster)
}

// DurablePostgresURL is PostgresURL on a second server that does wait for the
// disk, for benchmarks and crash tests.
func DurablePostgresURL(t testing.TB) string {
	t.Helper()
	return postgresURL(t, durableCluster)
}

func postgresURL(t testing.TB, start func() (*cluster, error)) string {
	t.Helper()
	c, err := start()
	if errors.Is(err, errNoPostgres) && os.Getenv("PENSTOCK_REQUIRE_POSTGRES") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	name, err := c.createDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.exec(context.Background(), "drop database "+name+" with (force)"); err != nil {
			t.Errorf("dropping the database: %v", err)
		}
	})
	return c.url(name) + "&pool_max_conns=8"
}

func (c *cluster) url(database string) string {
	query := url.Values{"host": {c.dir}, "user": {clusterUser}}
	return "postgres:///" + database + "?" + query.Encode()
}

// createDatabase makes an empty database. Its order of text is that of English
// where the server can do that, so that a key column that was not declared
// text_key is noticed.
func (c *cluster) createDatabase(ctx context.Context) (string, error) {
	c.mu.Lock()
	c.count++
	name := "test" + strconv.Itoa(c.count)
	c.mu.Unlock()
	err := c.exec(ctx, "create database "+name+" template template0 encoding 'UTF8' locale_provider icu icu_locale 'en' locale 'C'")
	if err != nil {
		err = c.exec(ctx, "create database "+name+" template template0 encoding 'UTF8' locale 'C'")
	}
	return name, err
}

func (c *cluster) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// watchdog runs the server and stops it and removes its directory when its
// standard input ends, which it does when the test binary ends, however it ends.
const watchdog = `
"$0" -D "$1/data" -k "$1" >"$1/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -QUIT $server
wait $server
rm -rf "$1"
`

func startCluster(fsync bool) (*cluster, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	dir, err := makeCluster(bin, fsync)
	if err != nil {
		return nil, err
	}
	_, credential, err := ownerOf(dir)
	if err != nil {
		return nil, err
	}
	// The write end stays open in this process and in no other.
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	server := exec.Command("/bin/sh", "-c", watchdog, filepath.Join(bin, "postgres"), dir)
	server.Dir = dir
	server.Stdin = read
	server.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Setsid: true} // a Ctrl-C is not for it
	if err := server.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	_ = read.Close()
	c := &cluster{dir: dir, stdin: write}
	if err := c.waitFor(time.Minute); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		_ = write.Close()
		return nil, fmt.Errorf("starting PostgreSQL: %w\n%s", err, log)
	}
	return c, nil
}

// makeCluster makes the directory of a server and all that is in it.
func makeCluster(bin string, fsync bool) (string, error) {
	dir, credential, err := clusterDir()
	if err != nil {
		return "", err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"),
		"-U", clusterUser, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), os.RemoveAll(dir))
	}
	if err := configure(dir, fsync); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// findPostgres returns the folder of the newest installed version.
func findPostgres() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.SortFunc(found, func(a, b string) int { return versionOf(b) - versionOf(a) })
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	for _, initdb := range found {
		bin := filepath.Dir(initdb)
		if _, err := os.Stat(filepath.Join(bin, "postgres")); err == nil {
			return bin, nil
		}
	}
	return "", errNoPostgres
}

// versionOf takes the number out of /usr/lib/postgresql/15/bin/initdb.
func versionOf(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// clusterDir makes the directory, short enough for the name of a socket, and
// says as whom to run: PostgreSQL refuses to be root.
func clusterDir() (dir string, credential *syscall.Credential, err error) {
	parent := os.TempDir()
	if len(parent) > 60 {
		parent = "/tmp"
	}
	if dir, err = os.MkdirTemp(parent, "penstock-pg-"); err != nil {
		return "", nil, err
	}
	return ownerOf(dir)
}

// ownerOf gives a directory to whom the server runs as.
func ownerOf(dir string) (string, *syscall.Credential, error) {
	if os.Getuid() != 0 {
		return dir, nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		credential := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return dir, credential, os.Chown(dir, uid, gid)
	}
	return "", nil, errors.New("PostgreSQL cannot run as root, and there is no user postgres or nobody")
}

// configure writes settings for a small server that is thrown away.
func configure(dir string, fsync bool) error {
	lines := []string{
		"listen_addresses = ''",
		"max_connections = 300",
		"shared_buffers = '16MB'",
		"jit = off",
		"logging_collector = off",
	}
	if !fsync {
		lines = append(lines, "fsync = off", "synchronous_commit = off", "full_page_writes = off")
	}
	f, err := os.OpenFile(filepath.Join(dir, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\n" + strings.Join(lines, "\n") + "\n")
	return errors.Join(err, f.Close())
}

// waitFor waits until the server takes connections.
func (c *cluster) waitFor(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.exec(ctx, "select 1")
		if err == nil {
			return nil
		}
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code != "57P03" { // cannot_connect_now
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
