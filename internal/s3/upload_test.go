package s3

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// begin starts an upload to a store that takes parts of any size.
func (f *fixture) begin(key, algorithm, kind string) Upload {
	f.t.Helper()
	f.minPart = 1
	u, err := f.CreateUpload(f.t.Context(), bucket, key, Headers{ContentType: "text/x", Metadata: map[string]string{"a": "b"}}, algorithm, kind)
	f.must(err)
	return u
}

func (f *fixture) part(u Upload, number int, content string) Completed {
	f.t.Helper()
	p, _, err := f.UploadPart(f.t.Context(), bucket, u.Key, u.ID, number, strings.NewReader(content), PutOptions{})
	f.must(err)
	return Completed{Number: number, ETag: p.ETag}
}

func (f *fixture) complete(u Upload, list ...Completed) Object {
	f.t.Helper()
	o, err := f.CompleteUpload(f.t.Context(), bucket, u.Key, u.ID, list, PutOptions{})
	f.must(err)
	return o
}

func TestUpload(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		var events []ObjectCreated
		f.OnCreated(func(_ context.Context, tx *db.Tx, ev ObjectCreated) error {
			tx.OnCommit(func() { events = append(events, ev) })
			return nil
		})
		f.versioned()
		f.put("k", "before")
		u := f.begin("k", "", "")
		third := f.part(u, 30, "ccc")
		f.part(u, 1, "wrong")
		first := f.part(u, 1, "a") // in place of it
		f.part(u, 7, "left out")
		second := f.part(u, 10, "bb")
		f.wantContent("k", "", "before")
		o := f.complete(u, first, second, third)
		sum := func(text string) []byte { s := md5.Sum([]byte(text)); return s[:] }
		all := md5.Sum([]byte(string(sum("a")) + string(sum("bb")) + string(sum("ccc"))))
		if want := fmt.Sprintf("%x-3", all); o.ETag != want || o.parts() != 3 || o.Size != 6 || o.Headers.Metadata["a"] != "b" || o.Headers.ContentType != "text/x" {
			f.t.Errorf("object %+v, want ETag %s", o, want)
		}
		f.wantContent("k", "", "abbccc")
		f.wantContent("k", o.VersionID, "abbccc")
		f.wantBlobs(4) // three parts and the version before
		if len(events) != 2 || events[1].Reason != "CompleteMultipartUpload" || events[1].Object.VersionID != o.VersionID {
			f.t.Errorf("events %+v", events)
		}
		again := f.complete(u, first, second, third)
		if diff := cmp.Diff(o.VersionID, again.VersionID); diff != "" || len(events) != 2 {
			f.t.Errorf("completing again: %s, %d events", diff, len(events))
		}
		f.wants(f.AbortUpload(f.t.Context(), bucket, "k", u.ID), ErrNoSuchUpload)
		_, _, err := f.UploadPart(f.t.Context(), bucket, "k", u.ID, 1, strings.NewReader("late"), PutOptions{})
		f.wants(err, ErrNoSuchUpload)
		f.wantContent("k", "", "abbccc")
		f.delete("k", o.VersionID)
		_, err = f.CompleteUpload(f.t.Context(), bucket, "k", u.ID, []Completed{first}, PutOptions{})
		f.wants(err, ErrNoSuchUpload)
		f.wantContent("k", "", "before")
	})
}

func TestUploadRefuses(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		f.put("there", "x")
		u := f.begin("there", "CRC32", "")
		one, two := f.part(u, 1, "a"), f.part(u, 2, "bb")
		tests := map[string]struct {
			list []Completed
			opts PutOptions
			want error
		}{
			"no part":        {nil, PutOptions{}, ErrInvalidPart},
			"part 0":         {[]Completed{{Number: 0, ETag: one.ETag}}, PutOptions{}, ErrInvalidPartOrder},
			"too many":       {[]Completed{{Number: MaxParts + 1, ETag: one.ETag}}, PutOptions{}, ErrInvalidPart},
			"order":          {[]Completed{two, one}, PutOptions{}, ErrInvalidPartOrder},
			"twice":          {[]Completed{one, one}, PutOptions{}, ErrInvalidPartOrder},
			"not uploaded":   {[]Completed{one, {Number: 3, ETag: one.ETag}}, PutOptions{}, ErrInvalidPart},
			"another ETag":   {[]Completed{{Number: 1, ETag: two.ETag}}, PutOptions{}, ErrInvalidPart},
			"another sum":    {[]Completed{{Number: 1, ETag: one.ETag, Checksum: Checksum{"CRC32", "AAAAAA=="}}}, PutOptions{}, ErrInvalidPart},
			"exists":         {[]Completed{one}, PutOptions{IfNoneMatch: true}, ErrPreconditionFailed},
			"is another":     {[]Completed{one}, PutOptions{IfMatch: one.ETag}, ErrPreconditionFailed},
			"another size":   {[]Completed{one}, PutOptions{Size: new(int64(2))}, ErrSize},
			"object's sum":   {[]Completed{one}, PutOptions{Checksum: Checksum{"CRC32", "AAAAAA==-1"}}, ErrBadDigest},
			"sum of another": {[]Completed{one}, PutOptions{Checksum: Checksum{"SHA1", "AAAAAA=="}}, ErrBadDigest},
		}
		for name, tc := range tests {
			if _, err := f.CompleteUpload(ctx, bucket, u.Key, u.ID, tc.list, tc.opts); !errors.Is(err, tc.want) {
				f.t.Errorf("%s: error %v, want %v", name, err, tc.want)
			}
		}
		f.minPart = 2
		_, err := f.CompleteUpload(ctx, bucket, u.Key, u.ID, []Completed{one, two}, PutOptions{})
		f.wants(err, ErrPartTooSmall)
		f.wantContent("there", "", "x")
		for _, id := range []string{"", "x", strings.Repeat("0", 44), u.ID + "0"} {
			_, _, err := f.UploadPart(ctx, bucket, u.Key, id, 1, strings.NewReader(""), PutOptions{})
			f.wants(err, ErrNoSuchUpload)
			_, _, err = f.ListParts(ctx, bucket, u.Key, id, 0, 10)
			f.wants(err, ErrNoSuchUpload)
		}
		_, _, err = f.UploadPart(ctx, bucket, "another", u.ID, 1, strings.NewReader(""), PutOptions{})
		f.wants(err, ErrNoSuchUpload)
		_, _, err = f.UploadPart(ctx, bucket, u.Key, u.ID, 1, strings.NewReader(""), PutOptions{Checksum: Checksum{Algorithm: "SHA1"}})
		f.wants(err, ErrChecksumKind)
		_, _, err = f.UploadPart(ctx, bucket, u.Key, u.ID, 1, strings.NewReader("x"), PutOptions{Checksum: Checksum{"CRC32", "AAAAAA=="}})
		f.wants(err, ErrBadDigest)
		for _, sum := range []Checksum{{"CRC31", ""}, {"SHA1", fullObject}, {"CRC64NVME", composite}, {"", composite}} {
			_, err := f.CreateUpload(ctx, bucket, "k", Headers{}, sum.Algorithm, sum.Value)
			f.wants(err, ErrUnsupportedChecksum)
		}
		_, err = f.CreateUpload(ctx, "missing", "k", Headers{}, "", "")
		f.wants(err, ErrNoSuchBucket)
		_, err = f.CreateUpload(ctx, bucket, "", Headers{}, "", "")
		f.wants(err, ErrInvalidKey)
		f.wantBlobs(3)
		f.must(f.AbortUpload(ctx, bucket, u.Key, u.ID))
		f.wants(f.AbortUpload(ctx, bucket, u.Key, u.ID), ErrNoSuchUpload)
		f.wantBlobs(1)
	})
}

// TestUploadChecksums compares the checksum of an object of parts with that of
// the same content in one.
func TestUploadChecksums(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		content := string(pattern(70_000))
		for _, algorithm := range []string{"CRC32", "CRC32C", "CRC64NVME"} {
			u := f.begin("parts", algorithm, fullObject)
			var list []Completed
			for n, cut := range [][2]int{{0, 1}, {1, 4097}, {4097, 4097}, {4097, 69_999}, {69_999, 70_000}} {
				list = append(list, f.part(u, n+1, content[cut[0]:cut[1]]))
			}
			f.minPart = 0
			o := f.complete(u, list...)
			whole, err := f.PutObject(f.t.Context(), bucket, "whole", strings.NewReader(content), PutOptions{Checksum: Checksum{Algorithm: algorithm}})
			f.must(err)
			if o.Checksum != whole.Checksum || o.Checksum.kind() != fullObject {
				f.t.Errorf("of parts %+v, of the whole %+v", o.Checksum, whole.Checksum)
			}
		}
		u := f.begin("composite", "SHA256", "")
		o := f.complete(u, f.part(u, 1, "a"), f.part(u, 2, "b"))
		a, b := sha256.Sum256([]byte("a")), sha256.Sum256([]byte("b"))
		both := sha256.Sum256(append(a[:], b[:]...))
		if want := base64.StdEncoding.EncodeToString(both[:]) + "-2"; o.Checksum.Value != want || o.Checksum.kind() != composite {
			f.t.Errorf("composite checksum %+v, want %s", o.Checksum, want)
		}
	})
}

// TestUploadSurvives has a new store, as after a restart, go on with an upload.
func TestUploadSurvives(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		u := f.begin("k", "CRC32", "")
		one := f.part(u, 1, "first ")
		f.Store = New(f.db, f.blobs, slog.New(slog.DiscardHandler))
		f.minPart = 1
		list, parts, err := f.ListParts(f.t.Context(), bucket, "k", u.ID, 0, 10)
		f.must(err)
		if diff := cmp.Diff(u.Headers, list.Headers); diff != "" || len(parts) != 1 || parts[0].ETag != one.ETag || parts[0].Checksum.Algorithm != "CRC32" {
			f.t.Errorf("after the restart %+v %+v %s", list, parts, diff)
		}
		f.complete(u, one, f.part(u, 2, "second"))
		f.wantContent("k", "", "first second")
	})
}

// TestJoined reads an object of parts in every way.
func TestJoined(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dbtest.SQLite(t))
	u := f.begin("k", "", "")
	f.minPart = 0
	want := "0123456789abcdef"
	f.complete(u, f.part(u, 1, "01234"), f.part(u, 2, "5"), f.part(u, 3, ""), f.part(u, 5, "6789abcde"), f.part(u, 6, "f"))
	_, r, err := f.GetObject(t.Context(), bucket, "k", "")
	f.must(err)
	defer r.Close()
	for start := range want {
		for end := start; end <= len(want); end++ {
			p := make([]byte, end-start)
			if n, err := r.ReadAt(p, int64(start)); err != nil || string(p[:n]) != want[start:end] {
				t.Errorf("ReadAt %d-%d: %q, %v", start, end, p[:n], err)
			}
			if _, err := r.Seek(int64(start), io.SeekStart); err != nil {
				t.Error(err)
			}
			if got, err := io.ReadAll(io.LimitReader(r, int64(end-start))); err != nil || string(got) != want[start:end] {
				t.Errorf("Read %d-%d: %q, %v", start, end, got, err)
			}
		}
	}
	p := make([]byte, 4)
	if n, err := r.ReadAt(p, 14); n != 2 || !errors.Is(err, io.EOF) {
		t.Errorf("ReadAt past the end: %d, %v", n, err)
	}
	if n, err := r.Seek(-3, io.SeekEnd); n != 13 || err != nil {
		t.Errorf("Seek: %d, %v", n, err)
	}
	if _, err := r.Seek(-30, io.SeekCurrent); err == nil {
		t.Error("a seek before the beginning")
	}
	// Replaced, the content stays for who reads it.
	f.put("k", "new")
	f.must2(f.Sweep(t.Context(), time.Hour))
	if got, err := io.ReadAll(r); err != nil || string(got) != "def" {
		t.Errorf("a reader of the replaced object: %q, %v", got, err)
	}
	f.must2(f.Sweep(t.Context(), -time.Hour))
	f.wantBlobs(1)
	f.wantContent("k", "", "new")
}

// must2 is must for a function that returns a count too.
func (f *fixture) must2(_ int, err error) {
	f.t.Helper()
	f.must(err)
}

// TestSweepUploads shows what a sweep takes, and what it leaves.
func TestSweepUploads(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		done := f.begin("done", "", "")
		f.complete(done, f.part(done, 1, "kept"))
		open := f.begin("open", "", "")
		one := f.part(open, 1, "under way")
		f.must2(f.Sweep(ctx, -time.Hour)) // nothing but parts of objects, and of an upload under way
		f.wantBlobs(2)
		f.must2(f.sweepUploads(ctx, time.Hour))
		f.wantBlobs(2)
		removed, err := f.sweepUploads(ctx, -time.Hour)
		f.must(err)
		if removed != 1 {
			f.t.Errorf("%d parts removed", removed)
		}
		f.wantBlobs(1)
		f.wantContent("done", "", "kept")
		_, err = f.CompleteUpload(ctx, bucket, "open", open.ID, []Completed{one}, PutOptions{})
		f.wants(err, ErrNoSuchUpload)
		f.delete("done", "")
		f.wantBlobs(1)
		f.must2(f.sweepGone(ctx, time.Hour))
		f.wantBlobs(1)
		f.must2(f.sweepGone(ctx, -time.Hour))
		f.wantBlobs(0)
	})
}

// stop has the server stand still for more than half an hour after the next
// content is complete.
func (f *fixture) stop() {
	f.now = func() time.Time {
		f.now = func() time.Time { return time.Now().Add(commitTime + time.Minute) }
		return time.Now()
	}
}

// TestTooLate has puts come to their commit long after their content was
// complete, when a sweep may have taken it: they are refused.
func TestTooLate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tc := range map[string]struct {
		ended time.Time
		want  error
	}{
		"now":                           {now, nil},
		"half an hour ago":              {now.Add(-commitTime - time.Second), ErrBusy},
		"before the machine was asleep": {now.Round(0).Add(-commitTime - time.Second), ErrBusy},
		"before the clock was set":      {now.Add(time.Hour), nil},
	} {
		if err := (kept{ended: tc.ended}).fresh(now); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	each(t, func(f *fixture) {
		f.put("k", "before")
		u := f.begin("k", "", "")
		for _, rows := range []int{-1, maxRow} {
			f.maxRow = rows
			f.stop()
			_, err := f.PutObject(f.t.Context(), bucket, "k", strings.NewReader("late"), PutOptions{})
			f.wants(err, ErrBusy)
		}
		f.stop()
		_, _, err := f.UploadPart(f.t.Context(), bucket, "k", u.ID, 1, strings.NewReader("late"), PutOptions{})
		f.wants(err, ErrBusy)
		f.wantContent("k", "", "before")
		f.wantBlobs(1)
	})
}

// TestUploadRaces has many clients at one upload: it ends once, whole or not at
// all, and nothing is left behind.
func TestUploadRaces(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		for round := range 6 {
			key := fmt.Sprint("k", round)
			u := f.begin(key, "", "")
			list := []Completed{f.part(u, 1, "a"), f.part(u, 2, "b")}
			var wg sync.WaitGroup
			var aborted error
			completed := make([]error, 3)
			for n := range completed {
				wg.Go(func() {
					_, completed[n] = f.CompleteUpload(f.t.Context(), bucket, key, u.ID, list, PutOptions{})
				})
			}
			wg.Go(func() { // the same content, so that it may come before or after
				_, _, err := f.UploadPart(f.t.Context(), bucket, key, u.ID, 2, strings.NewReader("b"), PutOptions{})
				if err != nil && !errors.Is(err, ErrNoSuchUpload) {
					f.t.Error(err)
				}
			})
			wg.Go(func() { aborted = f.AbortUpload(f.t.Context(), bucket, key, u.ID) })
			wg.Wait()
			for _, err := range completed {
				if (err == nil) == (aborted == nil) || err != nil && !errors.Is(err, ErrNoSuchUpload) {
					f.t.Errorf("completed: %v, aborted: %v", err, aborted)
				}
			}
			want := "ab"
			if aborted == nil {
				want = ErrNoSuchKey.Error()
			}
			f.wantContent(key, "", want)
			before := f.countBlobs()
			f.must2(f.Sweep(f.t.Context(), -time.Hour))
			f.wantBlobs(before)
		}
	})
}

// TestUploadFaults has commits of parts and of the end fail in every way.
func TestUploadFaults(t *testing.T) {
	t.Parallel()
	dbtest.Faults(t, func(t *testing.T, d *db.DB, faults *db.Faults) {
		f := newFixture(t, d)
		for name, tc := range map[string]struct {
			fault db.Fault
			n     int
			want  error
		}{
			"rolled back": {db.FaultBefore, 1, db.ErrInjected}, "conflict, then not": {db.FaultConflict, 3, nil},
			"lost": {db.FaultLost, 1, db.ErrUnknownOutcome}, "done, outcome unknown": {db.FaultAfter, 1, db.ErrUnknownOutcome},
		} {
			u := f.begin(name, "", "")
			faults.Arm(tc.fault, 0, tc.n)
			_, _, err := f.UploadPart(t.Context(), bucket, name, u.ID, 1, strings.NewReader("one "), PutOptions{})
			faults.Arm(db.FaultNone, 0, 0)
			f.wants(err, tc.want)
			one, two := f.part(u, 1, "one "), f.part(u, 2, "two") // the client tries again
			faults.Arm(tc.fault, 0, tc.n)
			_, err = f.CompleteUpload(t.Context(), bucket, name, u.ID, []Completed{one, two}, PutOptions{})
			faults.Arm(db.FaultNone, 0, 0)
			f.wants(err, tc.want)
			f.complete(u, one, two)
			f.wantContent(name, "", "one two")
			f.must2(f.Sweep(t.Context(), -time.Hour))
			f.wantContent(name, "", "one two")
		}
		f.wantBlobs(8)
	})
}
