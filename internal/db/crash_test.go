package db_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

const crashWriters = 16

// crashChild writes until it is killed. It prints the id of each unit after its
// Write has returned.
func crashChild() error {
	ctx := context.Background()
	d, err := db.Open(ctx, db.Config{URL: os.Getenv("PENSTOCK_TEST_URL")})
	if err != nil {
		return err
	}
	if err := d.Migrate(ctx, itemSchema()); err != nil {
		return err
	}
	failed := make(chan error)
	for w := range crashWriters {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%s-%d-%d", os.Getenv("PENSTOCK_TEST_ROUND"), w, n)
				if err := crashUnit(ctx, d, id, n%7 == 0); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

var errUndo = errors.New("undo")

// crashUnit writes an item and its part, or takes them back.
func crashUnit(ctx context.Context, d *db.DB, id string, undo bool) error {
	if undo {
		id = "undone-" + id
	}
	err := d.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec("insert into item (id) values ($1)", id); err != nil {
			return err
		}
		if _, err := tx.Exec("insert into part (id, item) values ($1, $1)", id); err != nil {
			return err
		}
		if undo {
			return errUndo
		}
		return nil
	})
	if undo && errors.Is(err, errUndo) {
		return nil
	}
	if err == nil {
		_, err = fmt.Println(id) // one write to the pipe, before the next unit
	}
	return err
}

// A process killed at any moment loses no unit that was acknowledged, keeps no
// half of one and none that was rolled back.
func TestCrash(t *testing.T) {
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		random := rand.New(rand.NewPCG(1, 2))
		acknowledged := make(map[string]bool)
		for round := range 6 {
			crashRound(t, url, round, random.IntN(2000), acknowledged)
			checkCrash(t, url, acknowledged)
		}
	})
}

// crashRound starts a child, kills it after some acknowledgements and notes all
// that it made.
func crashRound(t *testing.T, url string, round, after int, acknowledged map[string]bool) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), "PENSTOCK_TEST_CHILD=crash", "PENSTOCK_TEST_URL="+url, fmt.Sprintf("PENSTOCK_TEST_ROUND=%d", round))
	var stderr strings.Builder
	child.Stderr = &stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for n := 0; ; n++ {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break // a line without its end was never finished, but written
		}
		if err != nil {
			t.Fatal(err)
		}
		acknowledged[strings.TrimSuffix(line, "\n")] = true
		if n == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || stderr.Len() > 0 {
		t.Fatalf("the child was not killed: %v\n%s", err, &stderr)
	}
}

func checkCrash(t *testing.T, url string, acknowledged map[string]bool) {
	t.Helper()
	d := dbtest.Open(t, url, nil)
	defer d.Close()
	found := make(map[string]bool)
	for _, id := range ids(t, d) {
		found[id] = true
		if strings.HasPrefix(id, "undone") {
			t.Errorf("%s was rolled back but is there", id)
		}
	}
	for id := range acknowledged {
		if !found[id] {
			t.Errorf("%s was acknowledged but is lost", id)
		}
	}
	// Those not acknowledged: at most one of each writer and round.
	if extra := len(found) - len(acknowledged); extra > 6*crashWriters {
		t.Errorf("%d units are there that nobody acknowledged", extra)
	}
	var halves int64
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow("select count(*) from item where id not in (select item from part)").Scan(&halves)
	})
	if err != nil || halves != 0 {
		t.Errorf("%d halves of units, %v", halves, err)
	}
	if d.Dialect().Name == "sqlite" {
		var check string
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow("pragma integrity_check").Scan(&check)
		})
		if err != nil || check != "ok" {
			t.Errorf("integrity: %s, %v", check, err)
		}
	}
}
