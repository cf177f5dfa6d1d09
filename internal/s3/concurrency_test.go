package s3

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// TestConcurrentWriters has many writers and deleters of one key: every version
// that was acknowledged is there, and exactly one is current.
func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		f.versioned()
		var wg sync.WaitGroup
		var mu sync.Mutex
		made := map[string]string{}
		for w := range 8 {
			wg.Go(func() {
				for n := range 6 {
					content := fmt.Sprint(w, n)
					o, err := f.PutObject(f.t.Context(), bucket, "k", strings.NewReader(content), PutOptions{})
					if err != nil {
						f.t.Error(err)
						continue
					}
					if n%3 == 2 { // remove it again, while others build on it
						if _, err := f.DeleteObject(f.t.Context(), bucket, "k", o.VersionID); err != nil {
							f.t.Error(err)
						}
						continue
					}
					mu.Lock()
					made[o.VersionID] = content
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		there, current := map[string]bool{}, 0
		sequences := map[int64]bool{}
		page, err := f.ListVersions(f.t.Context(), bucket, MarkerOptions{})
		f.must(err)
		for i, o := range page.Entries {
			if sequences[o.Sequence] {
				f.t.Errorf("sequence %d twice", o.Sequence)
			}
			if o.Latest {
				current++
			}
			if top, err := f.HeadObject(f.t.Context(), bucket, "k", ""); i == 0 && (err != nil || top.VersionID != o.VersionID || !o.Latest) {
				f.t.Errorf("the newest version is not the current one: %+v, %v", top, err)
			}
			sequences[o.Sequence], there[o.VersionID] = true, true
		}
		if len(there) != len(made) || current != 1 {
			f.t.Errorf("%d versions, want %d; %d of them current", len(there), len(made), current)
		}
		for id, content := range made {
			f.wantContent("k", id, content)
		}
		f.wantBlobs(len(made))
	})
}

// TestConcurrentReplace has readers of an object that is replaced all the time.
func TestConcurrentReplace(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		f.put("k", strings.Repeat("0", 5000))
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for n := range 10 {
					_, err := f.PutObject(f.t.Context(), bucket, "k", strings.NewReader(strings.Repeat(fmt.Sprint(w), 5000+n)), PutOptions{})
					if err != nil {
						f.t.Error(err)
					}
				}
			})
			wg.Go(func() {
				for range 30 {
					o, r, err := f.GetObject(f.t.Context(), bucket, "k", "")
					if err != nil {
						f.t.Error(err)
						continue
					}
					content, err := io.ReadAll(r)
					_ = r.Close()
					if err != nil || int64(len(content)) != o.Size || strings.Trim(string(content), string(content[:1])) != "" {
						f.t.Errorf("read %d of %d bytes: %v", len(content), o.Size, err)
					}
				}
			})
		}
		wg.Wait()
		f.wantBlobs(1)
	})
}

// TestConcurrentConditions has writers race under a condition that only one of
// them can meet.
func TestConcurrentConditions(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		for _, versioned := range []bool{false, true} {
			if versioned {
				f.versioned()
			}
			for round := range 6 {
				key := fmt.Sprint(versioned, round)
				opts := PutOptions{IfNoneMatch: true}
				if round%2 == 1 {
					opts = PutOptions{IfMatch: f.put(key, "start").ETag}
				}
				var wg sync.WaitGroup
				won := make(chan string, 8)
				for w := range cap(won) {
					wg.Go(func() {
						content := fmt.Sprint("writer ", w)
						_, err := f.PutObject(f.t.Context(), bucket, key, strings.NewReader(content), opts)
						if err == nil {
							won <- content
						} else if !errors.Is(err, ErrPreconditionFailed) {
							f.t.Error(err)
						}
					})
				}
				wg.Wait()
				if len(won) != 1 {
					f.t.Fatalf("%s: %d writers met the condition", key, len(won))
				}
				f.wantContent(key, "", <-won)
			}
		}
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault   db.Fault
		n       int
		want    error
		content string
		blobs   int
	}{
		"rolled back":               {db.FaultBefore, 1, db.ErrInjected, "old", 1},
		"conflict, then not":        {db.FaultConflict, 3, nil, "new", 1},
		"always conflict":           {db.FaultConflict, 1000, ErrBusy, "old", 1},
		"lost, outcome unknown":     {db.FaultLost, 1, db.ErrUnknownOutcome, "old", 2},
		"done, outcome unknown":     {db.FaultAfter, 1, db.ErrUnknownOutcome, "new", 2},
		"no fault, to compare with": {db.FaultNone, 0, nil, "new", 1},
	}
	dbtest.Faults(t, func(t *testing.T, d *db.DB, faults *db.Faults) {
		f := newFixture(t, d)
		for name, tc := range tests {
			f.put(name, "old")
			before := f.countBlobs() - 1
			faults.Arm(tc.fault, 0, tc.n)
			_, err := f.PutObject(t.Context(), bucket, name, strings.NewReader("new"), PutOptions{})
			faults.Arm(db.FaultNone, 0, 0)
			if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Errorf("%s: error %v, want %v", name, err, tc.want)
			}
			f.wantContent(name, "", tc.content)
			if n := f.countBlobs() - before; n != tc.blobs {
				t.Errorf("%s: %d blobs, want %d", name, n, tc.blobs)
			}
			// Whatever was left behind, a sweep finds it.
			if _, err := f.Sweep(t.Context(), -time.Hour); err != nil {
				t.Error(err)
			}
			f.wantContent(name, "", tc.content)
			if n := f.countBlobs() - before; n != 1 {
				t.Errorf("%s: %d blobs after the sweep", name, n)
			}
		}
	})
}

func TestSweep(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		f.put("used", "x")
		for _, key := range []string{"s3/aa/orphan", "s3/aa/orphan2", "logs/not-ours"} {
			_, err := f.blobs.Put(ctx, key, strings.NewReader(key))
			f.must(err)
		}
		n, err := f.Sweep(ctx, time.Hour)
		if err != nil || n != 0 {
			f.t.Errorf("swept %d, %v: all is younger than the grace time", n, err)
		}
		n, err = f.Sweep(ctx, -time.Hour)
		if err != nil || n != 2 {
			f.t.Errorf("swept %d, %v", n, err)
		}
		var left []string
		f.must(f.blobs.Walk(ctx, func(i blob.Info) error { left = append(left, i.Key); return nil }))
		if len(left) != 2 || !slices.Contains(left, "logs/not-ours") {
			f.t.Errorf("left: %v", left)
		}
		f.wantContent("used", "", "x")
	})
}
