package db_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// itemSchema is a table as packages have them.
func itemSchema() db.Schema {
	return db.Schema{Name: "item", Files: fstest.MapFS{
		"00001_item.sql": {Data: []byte(`-- +goose Up
create table item (
	id text_key primary key,
	n bigint not null default 0,
	body text
);
create table part (
	id text_key primary key,
	item text_key not null references item (id)
);
`)},
	}}
}

func migrate(t testing.TB, d *db.DB) {
	t.Helper()
	if err := d.Migrate(t.Context(), itemSchema()); err != nil {
		t.Fatal(err)
	}
}

func insert(id string, n int) func(*db.Tx) error {
	return func(tx *db.Tx) error {
		_, err := tx.Exec("insert into item (id, n) values ($1, $2)", id, n)
		return err
	}
}

// ids reads the ids of all items in order.
func ids(t testing.TB, d *db.DB) []string {
	t.Helper()
	var got []string
	err := d.Read(context.Background(), func(tx *db.Tx) error {
		rows, err := tx.Query("select id from item order by id")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			got = append(got, id)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantIDs(t testing.TB, d *db.DB, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, ids(t, d)); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

func TestWriteAndRead(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		var changed int64
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			n, err := tx.Exec("insert into item (id, n, body) values ($1, $2, $3), ($4, $2, $5)",
				"a", 7, json.RawMessage(`{"x":1}`), "b", nil)
			changed = n
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if changed != 2 {
			t.Errorf("changed %d rows, want 2", changed)
		}
		type item struct {
			ID   string
			N    int64
			Body *string
			JSON json.RawMessage
		}
		var a, b item
		err = d.Read(t.Context(), func(tx *db.Tx) error {
			const query = "select id, n, body, body from item where id = $1"
			return errors.Join(
				tx.QueryRow(query, "a").Scan(&a.ID, &a.N, &a.Body, &a.JSON),
				tx.QueryRow(query, "b").Scan(&b.ID, &b.N, &b.Body, &b.JSON))
		})
		if err != nil {
			t.Fatal(err)
		}
		body := `{"x":1}`
		if diff := cmp.Diff([]item{{"a", 7, &body, json.RawMessage(body)}, {"b", 7, nil, nil}}, []item{a, b}); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
	})
}

// Statements that packages are told they may use on both databases.
func TestOneSQLText(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		type result struct {
			N    int64
			S    string
			Flag bool
		}
		tests := []struct {
			name, query string
			args        []any
			want        result
		}{
			{"placeholders out of order and repeated", "select cast($2 as bigint), cast($1 as text), cast($2 as bigint) = 5", []any{"x", 5}, result{5, "x", true}},
			{"insert returning", "insert into item (id, n) values ($1, $2) returning n, id, n > 1", []any{"r", 3}, result{3, "r", true}},
			{"upsert returning", "insert into item (id, n) values ($1, $2) on conflict (id) do update set n = item.n + excluded.n returning n, id, true", []any{"r", 4}, result{7, "r", true}},
			{"compare and set", "update item set n = n + 1 where id = $1 and n = $2 returning n, id, false", []any{"r", 7}, result{8, "r", false}},
			{"common table expression", "with x as (select id, n from item where n > $1) update item set n = 100 from x where x.id = item.id returning item.n, item.id, true", []any{1}, result{100, "r", true}},
			{"like minds case", "select count(*), 's', 'abc' like 'ABC' from item", nil, result{1, "s", false}},
			{"aggregates", "select coalesce(sum(n), 0), coalesce(max(id), ''), count(*) = 1 from item where id > $1", []any{""}, result{100, "r", true}},
			{"keyset page", "select n, id, true from item where (n, id) > ($1, $2) order by n, id limit $3", []any{1, "a", 1}, result{100, "r", true}},
			{"claim", "select n, id, true from item where id in (select id from item where n >= $1 order by id limit 1" + d.Dialect().ClaimSuffix + ")", []any{1}, result{100, "r", true}},
			{"lock", "select n, id, true from item where id = $1" + d.Dialect().LockSuffix, []any{"r"}, result{100, "r", true}},
		}
		for _, test := range tests { // in order: they build on each other
			var got result
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				return tx.QueryRow(test.query, test.args...).Scan(&got.N, &got.S, &got.Flag)
			})
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
				continue
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.name, diff)
			}
		}
	})
}

func TestErrorRollsBack(t *testing.T) {
	t.Parallel()
	errMine := errors.New("mine")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			tx.OnCommit(func() { t.Error("OnCommit after an error") })
			if err := insert("a", 1)(tx); err != nil {
				return err
			}
			return errMine
		})
		if err != errMine {
			t.Errorf("error %v, want the function's own", err)
		}
		wantIDs(t, d)
	})
}

func TestPanicRollsBack(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := insert("a", 1)(tx); err != nil {
				return err
			}
			panic("oh")
		})
		p, ok := errors.AsType[*db.PanicError](err)
		if !ok || p.Value != "oh" || !strings.Contains(p.Error(), "db_test.go") {
			t.Errorf("error %v, want a PanicError that says where", err)
		}
		if err := d.Write(t.Context(), insert("b", 1)); err != nil {
			t.Fatal(err)
		}
		wantIDs(t, d, "b")
	})
}

// What testing's FailNow does inside a function must not hang everybody else.
func TestGoexitRollsBack(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = d.Write(context.Background(), func(tx *db.Tx) error {
				if err := insert("a", 1)(tx); err != nil {
					return err
				}
				goexit()
				return nil
			})
		}()
		<-done
		if err := d.Write(t.Context(), insert("b", 1)); err != nil {
			t.Fatal(err)
		}
		wantIDs(t, d, "b")
	})
}

func TestNoRows(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		var n int64
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := tx.QueryRow("select n from item where id = $1", "x").Scan(&n); !errors.Is(err, db.ErrNoRows) {
				t.Errorf("error %v, want ErrNoRows", err)
			}
			return insert("a", 1)(tx) // the transaction goes on
		})
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, d, "a")
	})
}

func TestUnique(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		if err := d.Write(t.Context(), insert("a", 1)); err != nil {
			t.Fatal(err)
		}
		err := d.Write(t.Context(), insert("a", 2))
		if !db.IsUnique(err) {
			t.Errorf("error %v, want a unique violation", err)
		}
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow("insert into item (id) values ($1) returning n", "a").Scan(new(int64))
		})
		if !db.IsUnique(err) {
			t.Errorf("error with returning %v, want a unique violation", err)
		}
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec("insert into part (id, item) values ($1, $2)", "p", "none")
			return err
		})
		if err == nil || db.IsUnique(err) {
			t.Errorf("error %v, want a foreign key violation", err)
		}
	})
}

// On PostgreSQL a failed statement ends the transaction; SQLite is made to agree.
func TestFailedStatementEndsTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := insert("a", 1)(tx); err != nil {
				return err
			}
			_ = insert("a", 2)(tx) // swallowed
			if err := insert("b", 1)(tx); !db.IsUnique(err) {
				t.Errorf("statement after a failed one: %v, want the first error", err)
			}
			return nil
		})
		if !db.IsUnique(err) {
			t.Errorf("error %v, want the statement's although the function returned nil", err)
		}
		wantIDs(t, d)
	})
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		var kept *db.Tx
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			kept = tx
			rows, err := tx.Query("select id from item")
			if err != nil {
				return err
			}
			if _, err := tx.Exec("delete from item"); err == nil || !strings.Contains(err.Error(), "still open") {
				t.Errorf("statement between rows: %v", err)
			}
			if err := rows.Close(); err != nil {
				return err
			}
			if _, err := tx.Exec("insert into item (id) values ($1)", "a\x00b"); err == nil || !strings.Contains(err.Error(), "$1: text holds a NUL") {
				t.Errorf("text with NUL: %v", err)
			}
			_, err = tx.Query("select id from item") // left open
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kept.Exec("delete from item"); err == nil {
			t.Error("a transaction could be used after its end")
		}
		if err := d.Write(t.Context(), insert("a", 1)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestReadIsReadOnly(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		if err := d.Read(t.Context(), insert("a", 1)); !errors.Is(err, db.ErrReadOnly) {
			t.Errorf("write in a read: %v, want ErrReadOnly", err)
		}
		wantIDs(t, d)
	})
}

func TestReadIsSnapshot(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		count := func(tx *db.Tx) (n int64) {
			if err := tx.QueryRow("select count(*) from item").Scan(&n); err != nil {
				t.Error(err)
			}
			return n
		}
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			before := count(tx)
			written := make(chan error)
			go func() { written <- d.Write(context.Background(), insert("a", 1)) }()
			if err := <-written; err != nil {
				return err
			}
			if after := count(tx); after != before {
				t.Errorf("the snapshot changed from %d to %d rows", before, after)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, d, "a")
	})
}

func TestNow(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var first, second int64
		err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
			if first, err = tx.Now(); err != nil {
				return err
			}
			second, err = tx.Now()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		const year2020, year2200 = 1577836800000, 7258118400000
		if first < year2020 || second < first || second > year2200 {
			t.Errorf("clock says %d and then %d", first, second)
		}
	})
}
