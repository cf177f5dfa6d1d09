package db_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// notifying inserts an item and wakes the topic.
func notifying(id, topic string) func(*db.Tx) error {
	return func(tx *db.Tx) error {
		tx.Notify(topic)
		return insert(id, 1)(tx)
	}
}

func awaitWake(t *testing.T, wake <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-wake:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: not woken", what)
	}
}

func woken(wake <-chan struct{}) bool {
	select {
	case <-wake:
		return true
	default:
		return false
	}
}

func TestListenOnThisNode(t *testing.T) {
	t.Parallel()
	errMine := errors.New("mine")
	dbtest.Faults(t, func(t *testing.T, d *db.DB, f *db.Faults) {
		migrate(t, d)
		// Before the listeners: PostgreSQL's connection wakes all when it is there.
		ready, stop := d.Listen("ready")
		if d.Dialect().Name == "postgres" {
			awaitWake(t, ready, "the first connection")
		}
		stop()

		a, cancelA := d.Listen("a")
		a2, cancelA2 := d.Listen("a")
		b, cancelB := d.Listen("b")
		defer cancelB()
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			tx.Notify("a")
			return errMine
		}); !errors.Is(err, errMine) {
			t.Fatal(err)
		}
		f.FailAfter(1)
		if err := d.Write(t.Context(), notifying("lost", "a")); !errors.Is(err, db.ErrUnknownOutcome) {
			t.Fatal(err)
		}
		if woken(a) {
			t.Error("woken without a commit")
		}
		for _, id := range []string{"one", "two"} {
			if err := d.Write(t.Context(), notifying(id, "a")); err != nil {
				t.Fatal(err)
			}
		}
		// On the committing node the wake-up is there when Write returns, once.
		if !woken(a) || !woken(a2) || woken(a) || woken(b) {
			t.Error("want both listeners of the topic woken once, and no other")
		}
		cancelA()
		cancelA()
		if err := d.Write(t.Context(), notifying("three", "a")); err != nil {
			t.Fatal(err)
		}
		if woken(a) || !woken(a2) {
			t.Error("want the listener that is left woken, and not the one that ended")
		}
		cancelA2()
	})
}

func TestListenOnAnotherNode(t *testing.T) {
	t.Parallel()
	url := dbtest.PostgresURL(t)
	here, there := dbtest.Open(t, url, nil), dbtest.Open(t, url, nil)
	migrate(t, here)
	a, cancelA := there.Listen("a")
	defer cancelA()
	b, cancelB := there.Listen("topic b")
	defer cancelB()
	awaitWake(t, a, "the first connection")
	awaitWake(t, b, "the first connection")
	if err := here.Write(t.Context(), notifying("one", "topic b")); err != nil {
		t.Fatal(err)
	}
	awaitWake(t, b, "a commit on the other node")
	wantIDs(t, there, "one") // visible when the wake-up arrives
	if woken(a) {
		t.Error("woken for another topic")
	}
}

// A listening connection that breaks is replaced, and what was missed meanwhile
// is made up for by waking everybody.
func TestListenReconnects(t *testing.T) {
	t.Parallel()
	url := dbtest.PostgresURL(t)
	here, there := dbtest.Open(t, url, nil), dbtest.Open(t, url, nil)
	migrate(t, here)
	wake, cancel := there.Listen("a")
	defer cancel()
	awaitWake(t, wake, "the first connection")
	if err := here.Write(t.Context(), notifying("one", "a")); err != nil {
		t.Fatal(err)
	}
	awaitWake(t, wake, "before the connections break")
	terminateOthers(t, url)
	awaitWake(t, wake, "after the connections broke")
	if err := here.Write(t.Context(), notifying("two", "a")); err != nil {
		t.Fatal(err)
	}
	awaitWake(t, wake, "on the new connections")
}

// terminateOthers breaks every connection to the database.
func terminateOthers(t *testing.T, url string) {
	t.Helper()
	conn := connect(t, url)
	_, err := conn.Exec(t.Context(), "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
	if err != nil {
		t.Fatal(err)
	}
}

// connect opens a connection without package db.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	delete(config.RuntimeParams, "pool_max_conns") // the pool's own
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Many commits make few notifications: at most one each 5 ms.
func TestNotifyIsCoalesced(t *testing.T) {
	t.Parallel()
	url := dbtest.PostgresURL(t)
	d := dbtest.Open(t, url, nil)
	migrate(t, d)
	conn := connect(t, url)
	if _, err := conn.Exec(t.Context(), "listen penstock"); err != nil {
		t.Fatal(err)
	}
	notify := func(topic string) {
		t.Helper()
		if err := d.Write(t.Context(), func(tx *db.Tx) error { tx.Notify(topic); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	await := func(topic string) (count int) {
		t.Helper()
		for {
			n, err := conn.WaitForNotification(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			count++
			if strings.HasSuffix(n.Payload, " "+topic) {
				return count
			}
		}
	}
	notify("begin")
	await("begin") // the sending connection is there
	begin := time.Now()
	for range 300 {
		notify("busy")
	}
	notify("end")
	count := await("end")
	if most := int(time.Since(begin)/(5*time.Millisecond)) + 3; count > most || count < 2 {
		t.Errorf("%d notifications in %v, want 2 to %d", count, time.Since(begin), most)
	}
}
