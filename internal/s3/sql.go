package s3

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
)

func insertBucket(tx *db.Tx, name string, owner Owner, now int64) (made bool, err error) {
	n, err := tx.Exec(`
		insert into s3_buckets (name, account, region, versioning, created_ms)
		values ($1, $2, $3, '', $4)
		on conflict do nothing`,
		name, owner.Account, owner.Region, now)
	return n == 1, err
}

func selectBucket(tx *db.Tx, name string) (Bucket, error) {
	row := tx.QueryRow(`
		select name, account, region, versioning, created_ms
		from s3_buckets
		where name = $1`, text(name))
	b, err := scanBucket(row)
	if errors.Is(err, db.ErrNoRows) {
		return Bucket{}, ErrNoSuchBucket
	}
	return b, err
}

func selectBuckets(tx *db.Tx, account, after string, max int) ([]Bucket, error) {
	rows, err := tx.Query(`
		select name, account, region, versioning, created_ms
		from s3_buckets
		where account = $1 and name > $2
		order by name
		limit $3`, account, text(after), max)
	if err != nil {
		return nil, err
	}
	return collect(rows, scanBucket)
}

// lockBucket holds a bucket until the transaction ends.
func lockBucket(tx *db.Tx, name, lock string) error {
	var found string
	err := tx.QueryRow(`select name from s3_buckets where name = $1`+lock, text(name)).Scan(&found)
	if errors.Is(err, db.ErrNoRows) {
		return ErrNoSuchBucket
	}
	return err
}

// bucketUsed says whether a bucket holds versions or delete markers.
func bucketUsed(tx *db.Tx, name string) (bool, error) {
	var used int64
	err := tx.QueryRow(`
		select count(*)
		from (select 1 from s3_versions where bucket = $1 limit 1) as one`, name).Scan(&used)
	return used > 0, err
}

func deleteBucket(tx *db.Tx, name string) error {
	_, err := tx.Exec(`delete from s3_buckets where name = $1`, name)
	return err
}

func updateVersioning(tx *db.Tx, name string, v Versioning) error {
	n, err := tx.Exec(`update s3_buckets set versioning = $2 where name = $1`, text(name), string(v))
	if err == nil && n == 0 {
		return ErrNoSuchBucket
	}
	return err
}

// versionColumns are the columns that scanVersion reads, in its order.
const versionColumns = `bucket, object_key, version_id, sequence, delete_marker,
			blob_key, size, etag, content_type, cache_control, acl, sse, sse_kms_key_id,
			details, modified_ms`

// lockKey holds a key until the transaction ends: who reads what it has and adds
// or removes a version on that ground is alone with it.
func lockKey(tx *db.Tx, bucket, key string) error {
	return tx.Lock("s3 object " + bucket + "/" + key)
}

// selectLatest returns the current version of a key, which may be a delete
// marker, or db.ErrNoRows.
func selectLatest(tx *db.Tx, bucket, key string) (Object, error) {
	return scanVersion(tx.QueryRow(`
		select `+versionColumns+`
		from s3_versions
		where bucket = $1 and object_key = $2
		order by sequence desc
		limit 1`, bucket, key))
}

// selectTop returns a bucket, and what a put must know of the current version of a
// key: its id, sequence, kind, content key and ETag. It is the zero value when
// there is none.
func selectTop(tx *db.Tx, bucket, key string) (b Bucket, top Object, err error) {
	var versioning string
	var created, marker int64
	err = tx.QueryRow(`
		select b.name, b.account, b.region, b.versioning, b.created_ms,
			coalesce(v.version_id, ''), coalesce(v.sequence, 0), coalesce(v.delete_marker, 0),
			coalesce(v.blob_key, ''), coalesce(v.etag, '')
		from s3_buckets b
		left join s3_versions v on v.bucket = $1 and v.object_key = $2 and v.sequence = (
			select sequence
			from s3_versions
			where bucket = $1 and object_key = $2
			order by sequence desc
			limit 1)
		where b.name = $1`, text(bucket), text(key)).
		Scan(&b.Name, &b.Owner.Account, &b.Owner.Region, &versioning, &created,
			&top.VersionID, &top.Sequence, &marker, &top.contentKey, &top.ETag)
	if errors.Is(err, db.ErrNoRows) {
		err = ErrNoSuchBucket
	}
	if err != nil {
		return Bucket{}, Object{}, err
	}
	b.Versioning, b.Created = Versioning(versioning), time.UnixMilli(created).UTC()
	if top.VersionID == "" {
		return b, Object{}, nil
	}
	top.Bucket, top.Key, top.DeleteMarker = bucket, key, marker != 0
	return b, top, nil
}

// selectVersion returns one version of a key, or db.ErrNoRows.
func selectVersion(tx *db.Tx, bucket, key, versionID string) (Object, error) {
	if sequence, ok := sequenceOf(versionID); ok {
		o, err := scanVersion(tx.QueryRow(`
			select `+versionColumns+`
			from s3_versions
			where bucket = $1 and object_key = $2 and sequence = $3 and version_id = $4`,
			bucket, key, sequence, versionID))
		if !errors.Is(err, db.ErrNoRows) {
			return o, err
		}
	}
	if versionID == nullVersion {
		// Without versioning it is the only one. Where a key has versions, as many
		// are read as are newer.
		return scanVersion(tx.QueryRow(`
			select `+versionColumns+`
			from s3_versions
			where bucket = $1 and object_key = $2 and version_id = $3
			order by sequence desc
			limit 1`, bucket, key, versionID))
	}
	return scanVersion(tx.QueryRow(`
		select `+versionColumns+`
		from s3_versions
		where bucket = $1 and object_key = $2 and version_id = $3 and old_id = 1`, bucket, key, versionID))
}

// insertVersion adds o. row is the content that stands in the row, if it does.
func insertVersion(tx *db.Tx, o Object, row []byte) error {
	details, err := encodeDetails(o)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`
		insert into s3_versions (`+versionColumns+`, content)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		o.Bucket, o.Key, o.VersionID, o.Sequence, flag(o.DeleteMarker), o.contentKey, o.Size, o.ETag,
		o.Headers.ContentType, o.Headers.CacheControl, o.Headers.ACL,
		o.Headers.SSE.Algorithm, o.Headers.SSE.KMSKeyID, details, o.Modified.UnixMilli(), row)
	return err
}

// deleteVersion removes the version that was read as o.
func deleteVersion(tx *db.Tx, o Object) error {
	_, err := tx.Exec(`
		delete from s3_versions
		where bucket = $1 and object_key = $2 and sequence = $3`,
		o.Bucket, o.Key, o.Sequence)
	return err
}

// selectContent returns the content that stands in the row of a version.
func selectContent(tx *db.Tx, o Object) (content []byte, err error) {
	err = tx.QueryRow(`
		select content
		from s3_versions
		where bucket = $1 and object_key = $2 and sequence = $3`,
		o.Bucket, o.Key, o.Sequence).Scan(&content)
	return content, err
}

// updateDetails changes what no query asks for of a version.
func updateDetails(tx *db.Tx, o Object) error {
	details, err := encodeDetails(o)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`
		update s3_versions set details = $4
		where bucket = $1 and object_key = $2 and sequence = $3`,
		o.Bucket, o.Key, o.Sequence, details)
	return err
}

// blobInUse says whether a blob is the content of a version or part.
func blobInUse(tx *db.Tx, blobKey string) (bool, error) {
	var versions, parts int64
	err := tx.QueryRow(`
		select (select count(*) from s3_versions where blob_key = $1 and blob_key <> '' and content is null),
			(select count(*) from s3_parts where blob_key = $1)`, blobKey).Scan(&versions, &parts)
	return versions+parts > 0, err
}

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

func scanBucket(row scanner) (Bucket, error) {
	var b Bucket
	var versioning string
	var created int64
	err := row.Scan(&b.Name, &b.Owner.Account, &b.Owner.Region, &versioning, &created)
	b.Versioning = Versioning(versioning)
	b.Created = time.UnixMilli(created).UTC()
	return b, err
}

func scanVersion(row scanner) (Object, error) {
	var o Object
	var marker, modified int64
	var detailsText string
	h := &o.Headers
	err := row.Scan(&o.Bucket, &o.Key, &o.VersionID, &o.Sequence, &marker,
		&o.contentKey, &o.Size, &o.ETag, &h.ContentType, &h.CacheControl, &h.ACL,
		&h.SSE.Algorithm, &h.SSE.KMSKeyID, &detailsText, &modified)
	if err != nil {
		return Object{}, err
	}
	o.DeleteMarker = marker != 0
	o.Modified = time.UnixMilli(modified).UTC()
	return o, decodeDetails(&o, detailsText)
}

// detailsFormat is the format number that this release writes and reads.
const detailsFormat = 1

// details is the JSON of what no query asks for.
type details struct {
	Format             int               `json:"format"`
	Metadata           map[string]string `json:"metadata,omitempty"`
	ContentDisposition string            `json:"contentDisposition,omitempty"`
	ContentEncoding    string            `json:"contentEncoding,omitempty"`
	ContentLanguage    string            `json:"contentLanguage,omitempty"`
	Expires            string            `json:"expires,omitempty"`
	Tags               []Tag             `json:"tags,omitempty"`
	SSEContext         string            `json:"sseContext,omitempty"`
	SSEBucketKey       bool              `json:"sseBucketKey,omitempty"`
	ChecksumAlgorithm  string            `json:"checksumAlgorithm,omitempty"`
	ChecksumValue      string            `json:"checksumValue,omitempty"`
}

func detailsOf(o Object) details {
	h := o.Headers
	return details{
		Format: detailsFormat, Metadata: h.Metadata,
		ContentDisposition: h.ContentDisposition, ContentEncoding: h.ContentEncoding,
		ContentLanguage: h.ContentLanguage, Expires: h.Expires,
		Tags: h.Tags, SSEContext: h.SSE.Context, SSEBucketKey: h.SSE.BucketKey,
		ChecksumAlgorithm: o.Checksum.Algorithm, ChecksumValue: o.Checksum.Value,
	}
}

func encodeDetails(o Object) (string, error) {
	encoded, err := json.Marshal(detailsOf(o))
	return string(encoded), err
}

func decodeDetails(o *Object, encoded string) error {
	var d details
	err := json.Unmarshal([]byte(encoded), &d)
	if err == nil {
		err = d.fill(o)
	}
	if err != nil {
		return fmt.Errorf("read details of object %s/%s: %w", o.Bucket, o.Key, err)
	}
	return nil
}

// fill gives an object what the details say.
func (d details) fill(o *Object) error {
	if d.Format != detailsFormat {
		return fmt.Errorf("unknown format %d, written by a newer release", d.Format)
	}
	h := &o.Headers
	h.Metadata, h.ContentDisposition, h.ContentEncoding = d.Metadata, d.ContentDisposition, d.ContentEncoding
	h.ContentLanguage, h.Expires = d.ContentLanguage, d.Expires
	h.Tags, h.SSE.Context, h.SSE.BucketKey = d.Tags, d.SSEContext, d.SSEBucketKey
	o.Checksum = Checksum{Algorithm: d.ChecksumAlgorithm, Value: d.ChecksumValue}
	return nil
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// text makes what a client sent fit to compare with: a name with a NUL or broken
// UTF-8, which PostgreSQL refuses, becomes one that nothing has.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
