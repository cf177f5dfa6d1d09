package blob

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// TestMain turns the test binary into the child process of the tests below.
func TestMain(m *testing.M) {
	switch os.Getenv("BLOB_TEST_CHILD") {
	case "put":
		childPuts(os.Getenv("BLOB_TEST_DIR"), os.Getenv("BLOB_TEST_ROUND"))
	case "disk":
		childDisk(os.Getenv("BLOB_TEST_DIR"))
	default:
		os.Exit(m.Run())
	}
}

func child(t *testing.T, kind, dir string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BLOB_TEST_CHILD="+kind, "BLOB_TEST_DIR="+dir)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// childContent is what the child writes under a key: it says itself how long it
// must be, so that a partial blob is recognized.
func childContent(key string, size int) []byte {
	return fmt.Appendf(nil, "%s %d\n%s", key, size, bytes.Repeat([]byte{'x'}, size))
}

// childPuts puts from four goroutines, naming each key once Put has returned,
// until it is killed.
func childPuts(dir, round string) {
	d, err := OpenDir(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var g errgroup.Group
	for w := range 4 {
		g.Go(func() error {
			for n := 0; ; n++ {
				key := fmt.Sprintf("w%d/r%s.%d", w, round, n)
				content := childContent(key, rand.IntN(400_000))
				if _, err := d.Put(context.Background(), key, bytes.NewReader(content)); err != nil {
					return err
				}
				if _, err := fmt.Println(key); err != nil {
					return err
				}
			}
		})
	}
	fmt.Fprintln(os.Stderr, g.Wait())
	os.Exit(1)
}

// TestKill kills a writing process again and again: what it acknowledged is
// whole, what it did not is whole or absent, and its temporary files go.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for round := range 12 {
		cmd := child(t, "put", dir, "BLOB_TEST_ROUND="+strconv.Itoa(round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 5+3*round && lines.Scan(); n++ {
			acknowledged[lines.Text()] = true
		}
		_ = cmd.Process.Kill()
		for lines.Scan() { // what was acknowledged before the kill took effect
			acknowledged[lines.Text()] = true
		}
		_ = cmd.Wait()
	}
	d := open(t, dir)
	if n := staged(t, dir); n != 0 {
		t.Errorf("%d temporary files survive opening", n)
	}
	for key := range keys(t, d) {
		delete(acknowledged, key)
		header, _, _ := strings.Cut(get(t, d, key), "\n")
		name, length, _ := strings.Cut(header, " ")
		size, err := strconv.Atoi(length)
		if err != nil || name != key || get(t, d, key) != string(childContent(key, size)) {
			t.Errorf("blob %s is not whole: header %q", key, header)
		}
	}
	if len(acknowledged) != 0 {
		t.Errorf("acknowledged and lost: %v", acknowledged)
	}
}

// TestKillIsSeen proves that TestKill could fail: a kill really interrupts.
func TestKillIsSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := open(t, dir)
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := d.Put(t.Context(), "half", r)
		done <- err
	}()
	if _, err := w.Write([]byte("the first half")); err != nil {
		t.Fatal(err)
	}
	if staged(t, dir) != 1 || len(keys(t, d)) != 0 {
		t.Errorf("in the middle of a put: %d temporary files, blobs %v", staged(t, dir), keys(t, d))
	}
	_ = w.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if staged(t, dir) != 0 || len(keys(t, d)) != 1 {
		t.Errorf("after a put: %d temporary files, blobs %v", staged(t, dir), keys(t, d))
	}
}
