package dbtest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// Each test gets a database of its own, and the order of PostgreSQL's text is
// not that of bytes, so that a forgotten text_key is noticed.
func TestEach(t *testing.T) {
	t.Parallel()
	for range 2 {
		dbtest.Each(t, func(t *testing.T, d *db.DB) {
			var less bool
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				if _, err := tx.Exec("create table plain (a text)"); err != nil {
					return err
				}
				if _, err := tx.Exec("insert into plain (a) values ('a')"); err != nil {
					return err
				}
				return tx.QueryRow("select a < 'B' from plain").Scan(&less)
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := d.Dialect().Name == "postgres"; less != want {
				t.Errorf("plain text: a < B is %t, want %t", less, want)
			}
		})
	}
}

func TestDurablePostgres(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{dbtest.DurablePostgresURL(t): "on", dbtest.PostgresURL(t): "off"} {
		var fsync string
		err := dbtest.Open(t, url, nil).Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow("show fsync").Scan(&fsync)
		})
		if err != nil || fsync != want {
			t.Errorf("fsync is %s, %v; want %s", fsync, err, want)
		}
	}
}

// TestHold is run by TestClusterEndsWithBinary in a process of its own: it tells
// where the cluster is and waits to be killed.
func TestHold(t *testing.T) {
	if os.Getenv("PENSTOCK_TEST_CHILD") != "hold" {
		return // work for the child of TestClusterEndsWithBinary only
	}
	d := dbtest.Postgres(t)
	var dir string
	if err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow("show data_directory").Scan(&dir)
	}); err != nil {
		t.Fatal(err)
	}
	fmt.Println("cluster", dir)
	select {}
}

// However the test binary ends, its cluster ends as well and leaves nothing.
func TestClusterEndsWithBinary(t *testing.T) {
	t.Parallel()
	dbtest.PostgresURL(t) // skips without PostgreSQL
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHold$", "-test.v")
	child.Env = append(os.Environ(), "PENSTOCK_TEST_CHILD=hold")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); {
		dir, _ = strings.CutPrefix(lines.Text(), "cluster ")
		if dir == lines.Text() {
			dir = ""
		}
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	parent := strings.TrimSuffix(dir, "/data")
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(parent); os.IsNotExist(err) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s is still there", parent)
		}
	}
}

// TestRestartable kills the server and finds what was written to it.
func TestRestartable(t *testing.T) {
	t.Parallel()
	r := dbtest.StartRestartable(t)
	url := r.URL()
	first := dbtest.Open(t, url, nil)
	write := func(d *db.DB, statement string) {
		t.Helper()
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(statement)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	write(first, "create table kept (id bigint not null primary key)")
	write(first, "insert into kept (id) values (7)")
	r.Kill()
	r.Start()
	var id int
	err := dbtest.Open(t, url, nil).Read(t.Context(), func(tx *db.Tx) error { return tx.QueryRow("select id from kept").Scan(&id) })
	if err != nil || id != 7 {
		t.Errorf("after the restart the row is %d, %v", id, err)
	}
}
