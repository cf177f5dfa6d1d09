package dispatch_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// Two nodes that forget at once executions that share artifacts do not each leave them
// to the other: one records them, whichever is the last. On SQLite there is one writer.
func TestSharersPrunedAtOnce(t *testing.T) {
	t.Parallel()
	pairs := map[string]func(b *bed, target string) (first, second string){
		"a target and its rollback": func(b *bed, target string) (first, second string) {
			return target, b.rollBackTo(target)
		},
		"two rollbacks": func(b *bed, target string) (first, second string) {
			first, second = b.rollBackTo(target), b.rollBackTo(target)
			x, err := b.Execution(b.t.Context(), b.pipeline(), first)
			if err != nil {
				b.t.Fatal(err)
			}
			b.pruneAll(time.UnixMilli(x.StartTime))
			return first, second
		},
	}
	for name, share := range pairs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, dbtest.Postgres(t))
			b.Close()
			b.lease = time.Minute
			b.start()
			target := b.create(small())
			b.finish(target)
			keys := b.keysOf(target)
			b.succeed()
			first, second := share(b, target)
			if len(keys) != 2 || !slices.Equal(b.keysOf(first), keys) || !slices.Equal(b.keysOf(second), keys) {
				t.Fatalf("%s and %s do not share the artifacts %q", first, second, keys)
			}
			last := b.succeed()
			b.pruneTogether(b.other(), first)
			b.pruneAll(time.Now().Add(time.Hour))
			b.wantExecutions(1)
			var left []string
			for execution, expired := range b.expired() {
				if slices.ContainsFunc(expired, func(key string) bool { return slices.Contains(keys, key) }) {
					left = append(left, execution)
				}
			}
			if len(left) != 1 {
				t.Errorf("the artifacts of %s and %s are left by %q, want one; %s stays", first, second, left, last)
			}
		})
	}
}

// pruneTogether has a node forget an execution, and in the middle of that, when it
// knows what the execution leaves and has not committed, another one what came after.
func (b *bed) pruneTogether(other *bed, first string) {
	b.t.Helper()
	release := b.holdLeftovers(first)
	defer release()
	before := time.Now().Add(time.Hour).UnixMilli()
	prune := func(node *bed, from string) <-chan error {
		done := make(chan error, 1)
		go func() {
			_, err := node.Prune(b.t.Context(), from, before)
			done <- err
		}()
		return done
	}
	one := prune(b, "")
	b.awaitBlocked(1, one)
	two := prune(other, first)
	b.awaitBlocked(2, two) // or it is done
	release()
	for _, done := range []<-chan error{one, two} {
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	}
}

// holdLeftovers makes who records what an execution leaves wait until release is
// called, and then record it.
func (b *bed) holdLeftovers(execution string) (release func()) {
	b.t.Helper()
	nothing := errors.New("nothing is to be written")
	held, hold, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		over <- b.db.Write(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Exec("insert into leftovers (execution_id, artifacts, attempts, at) values ($1, '[]', '[]', 1)", execution)
			close(held)
			if err != nil {
				return err
			}
			<-hold
			return nothing
		})
	}()
	<-held
	released := false
	return func() {
		if released {
			return
		}
		released = true
		close(hold)
		if err := <-over; !errors.Is(err, nothing) {
			b.t.Error(err)
		}
	}
}

// awaitBlocked polls until as many transactions wait for others, or done holds the
// answer of one that does not.
func (b *bed) awaitBlocked(n int, done <-chan error) {
	b.t.Helper()
	for blocked := 0; blocked < n && len(done) == 0; {
		b.read(func(tx *db.Tx) error {
			return tx.QueryRow(`select count(*) from pg_stat_activity
				where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0`).Scan(&blocked)
		})
	}
}
