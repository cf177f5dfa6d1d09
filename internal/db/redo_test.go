package db_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/db"
)

// The units of a group have no savepoints until one fails: then what the units
// before it wrote is written again, whatever it was written by.
func TestGroupIsWrittenAgain(t *testing.T) {
	t.Parallel()
	errMine := errors.New("mine")
	failing := map[string]func(*db.Tx) error{
		"before it wrote": func(tx *db.Tx) error {
			var n int64
			return errors.Join(tx.QueryRow("select count(*) from item").Scan(&n), errMine)
		},
		"after it wrote": func(tx *db.Tx) error {
			_, err := tx.Exec("delete from item")
			return errors.Join(err, errMine)
		},
		"after it wrote and read": func(tx *db.Tx) error {
			var id string
			return errors.Join(tx.QueryRow("update item set n = 99 where id = 'a' returning id").Scan(&id), errMine)
		},
		"by a statement": func(tx *db.Tx) error {
			if _, err := tx.Exec("delete from item where id <> 'a'"); err != nil {
				return err
			}
			return insert("a", 0)(tx)
		},
		"by a panic": func(tx *db.Tx) error {
			_ = insert("x", 0)(tx)
			panic("oh")
		},
	}
	for name, fail := range failing {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, d *db.DB, _ *db.Faults) {
				var ran []string
				unit := func(id string, do func(*db.Tx) error) func(*db.Tx) error {
					return func(tx *db.Tx) error {
						ran = append(ran, id)
						return do(tx)
					}
				}
				args := []any{"b", 2}
				errs := group(t, d,
					unit("a", insert("a", 1)),
					unit("b", func(tx *db.Tx) error {
						_, err := tx.Exec("insert into item (id, n) values ($1, $2)", args...)
						args[0] = "used again"
						return err
					}),
					unit("returning", func(tx *db.Tx) error {
						var n int64
						return tx.QueryRow("update item set n = n + 10 where id = 'a' returning n").Scan(&n)
					}),
					unit("fails", fail),
					unit("c", insert("c", 3)),
					unit("fails again", fail),
					unit("d", insert("d", 4)),
				)
				for i, err := range errs {
					if fails := i == 3 || i == 5; fails != (err != nil) {
						t.Errorf("unit %d: %v", i, err)
					}
				}
				if !slices.Equal(ran, []string{"a", "b", "returning", "fails", "c", "fails again", "d"}) {
					t.Errorf("ran %v, want each once", ran)
				}
				wantIDs(t, d, "a", "b", "c", "d")
				var n int64
				err := d.Read(t.Context(), func(tx *db.Tx) error { return tx.QueryRow("select n from item where id = 'a'").Scan(&n) })
				if err != nil || n != 11 {
					t.Errorf("a is %d, %v; want 11", n, err)
				}
			})
		})
	}
}

// A transaction that a statement ended by itself takes nothing of the units
// before with it.
func TestGroupSurvivesEndedTransaction(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d *db.DB, _ *db.Faults) {
		errs := group(t, d, insert("a", 1), func(tx *db.Tx) error {
			_, err := tx.Exec("insert or rollback into item (id, n) values ('a', 0)")
			return err
		}, insert("b", 2))
		if errs[0] != nil || !db.IsUnique(errs[1]) || errs[2] != nil {
			t.Errorf("answered %v", errs)
		}
		wantIDs(t, d, "a", "b")
	})
}

// A group of random units ends as if each had been alone.
func TestGroupIsAsOneByOne(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d *db.DB, _ *db.Faults) {
		var units []func(*db.Tx) error
		for i := range 60 {
			id := string(rune('a' + i*7%26))
			units = append(units, func(tx *db.Tx) error {
				if _, err := tx.Exec("update item set n = n + 1 where id = $1", id); err != nil {
					return err
				}
				return insert(id, i)(tx) // fails for every letter but its first time
			})
		}
		failed := 0
		for _, err := range group(t, d, units...) {
			if err != nil {
				failed++
			}
		}
		if diff := cmp.Diff(60-26, failed); diff != "" {
			t.Errorf("failed units (-want +got):\n%s", diff)
		}
		if got := ids(t, d); len(got) != 26 {
			t.Errorf("items %v", got)
		}
	})
}
