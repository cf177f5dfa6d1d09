package s3

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// schemaUpTo is the schema as it was with the migrations up to a number.
func schemaUpTo(t *testing.T, last string) db.Schema {
	t.Helper()
	files := fstest.MapFS{}
	schema := Schema()
	names, err := fs.Glob(schema.Files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if number, _, _ := strings.Cut(name, "_"); number <= last {
			content, err := fs.ReadFile(schema.Files, name)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = &fstest.MapFile{Data: content}
		}
	}
	schema.Files = files
	return schema
}

// TestOldVersions has versions of releases whose ids told no sequence: they are
// found, listed, covered, tagged and deleted as before.
func TestOldVersions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if err := d.Migrate(t.Context(), schemaUpTo(t, "00003")); err != nil {
			t.Fatal(err)
		}
		// The sequence that the third id seems to tell is that of the second.
		odd := newVersionID(1_700_000_000_002)
		old := []struct {
			key, id  string
			sequence int64
			marker   int
			content  string
		}{
			{"k", nullVersion, 1_700_000_000_001, 0, "first"},
			{"k", "old.second......................", 1_700_000_000_002, 0, "second"},
			{"k", odd, 1_700_000_000_003, 0, "third"},
			{"gone", "old.gone........................", 1_700_000_000_001, 0, "gone"},
			{"gone", "old.marker......................", 1_700_000_000_002, 1, ""},
			{"last", "old.last........................", 1_700_000_000_001, 0, "last"},
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := insertBucket(tx, bucket, Owner{Account: account, Region: "us-east-1"}, 1); err != nil {
				return err
			}
			if err := updateVersioning(tx, bucket, VersioningEnabled); err != nil {
				return err
			}
			for i, v := range old {
				latest := i == 2 || i == 4 || i == 5
				_, err := tx.Exec(`
					insert into s3_versions (bucket, object_key, version_id, sequence, latest, delete_marker,
						blob_key, size, etag, content_type, cache_control, acl, sse, sse_kms_key_id, details, modified_ms, content)
					values ($1, $2, $3, $4, $5, $6, $7, $8, 'etag', 'text/plain', 'no-store', 'private', 'aws:kms', 'key', $9, $10, $11)`,
					bucket, v.key, v.id, v.sequence, flag(latest), v.marker, newRowKey(), len(v.content),
					`{"format":1,"metadata":{"of":"`+v.content+`"}}`, v.sequence, []byte(v.content))
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Migrate(t.Context(), Schema()); err != nil {
			t.Fatal(err)
		}
		f := openFixture(t, d, t.TempDir())
		for _, v := range old {
			if v.marker == 0 {
				f.wantContent(v.key, v.id, v.content)
			}
		}
		f.wantContent("k", "", "third")
		f.wantContent("gone", "", ErrNoSuchKey.Error())
		f.wantContent("k", "old.none........................", ErrNoSuchVersion.Error())
		o, err := f.HeadObject(t.Context(), bucket, "k", odd)
		f.must(err)
		want := Headers{
			ContentType: "text/plain", CacheControl: "no-store", ACL: "private",
			SSE: SSE{Algorithm: "aws:kms", KMSKeyID: "key"}, Metadata: map[string]string{"of": "third"},
		}
		if diff := cmp.Diff(want, o.Headers); diff != "" || o.ETag != "etag" || o.Modified.UnixMilli() != o.Sequence {
			t.Errorf("%+v: %s", o, diff)
		}
		page, err := f.ListVersions(t.Context(), bucket, MarkerOptions{})
		f.must(err)
		var listed []entry
		for _, o := range page.Entries {
			listed = append(listed, entry{o.Key, o.VersionID})
		}
		if diff := cmp.Diff([]entry{
			{"gone", old[4].id}, {"gone", old[3].id}, {"k", odd}, {"k", old[1].id}, {"k", nullVersion}, {"last", old[5].id},
		}, listed); diff != "" {
			t.Error(diff)
		}

		_, err = f.PutObjectTagging(t.Context(), bucket, "k", old[1].id, []Tag{{"a", "b"}})
		f.must(err)
		f.put("k", "fourth")
		f.wantContent("k", "", "fourth")
		f.wantContent("k", odd, "third")
		f.must(f.PutBucketVersioning(t.Context(), bucket, VersioningSuspended))
		f.put("k", "fifth") // takes the place of "first"
		f.wantContent("k", nullVersion, "fifth")
		f.delete("gone", old[4].id)
		f.wantContent("gone", "", "gone")
		f.delete("k", old[1].id)
		f.wantContent("k", old[1].id, ErrNoSuchVersion.Error())
		if page, err = f.ListVersions(t.Context(), bucket, MarkerOptions{Prefix: "k"}); err != nil || len(page.Entries) != 3 {
			t.Errorf("versions of k: %+v, %v", page.Entries, err)
		}
	})
}

// TestVersionIDTellsSequence also has a sequence that fills all its digits.
func TestVersionIDTellsSequence(t *testing.T) {
	t.Parallel()
	for _, sequence := range []int64{1, 63, 64, 1_700_000_000_001, 1<<63 - 1} {
		id := newVersionID(sequence)
		if got, ok := sequenceOf(id); !ok || got != sequence || !validVersionID(id) {
			t.Errorf("%q of %d tells %d, %v", id, sequence, got, ok)
		}
		if again := newVersionID(sequence); again == id {
			t.Errorf("%q twice", id)
		}
	}
	for _, id := range []string{"", nullVersion, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "-ld.second......................"} {
		if sequence, ok := sequenceOf(id); ok {
			t.Errorf("%q tells %d", id, sequence)
		}
	}
}

// TestOldVersionsWhileWritten has a node of the release before commit a version
// while another brings the tables up to date: it is not left behind.
func TestOldVersionsWhileWritten(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	if err := d.Migrate(t.Context(), schemaUpTo(t, "00003")); err != nil {
		t.Fatal(err)
	}
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := insertBucket(tx, bucket, Owner{Account: account, Region: "us-east-1"}, 1)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	migrated := make(chan error, 1)
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`
			insert into s3_versions (bucket, object_key, version_id, sequence, latest, delete_marker, blob_key, size, etag,
				content_type, cache_control, acl, sse, sse_kms_key_id, details, modified_ms, content)
			values ($1, 'k', 'null', 5, 1, 0, 'row/1', 1, 'etag', '', '', '', '', '', '{"format":1}', 1, $2)`, bucket, []byte("x"))
		if err != nil {
			return err
		}
		go func() { migrated <- d.Migrate(t.Context(), Schema()) }()
		for waiting := false; !waiting; {
			if err := tx.QueryRow(`
				select exists (
					select 1 from pg_locks
					where not granted and database = (select oid from pg_database where datname = current_database()))`).Scan(&waiting); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Fatal(err)
	}
	openFixture(t, d, t.TempDir()).wantContent("k", "", "x")
}
