package s3

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
)

// uploadDetails is the JSON of an upload.
type uploadDetails struct {
	details
	ContentType  string `json:"contentType,omitempty"`
	CacheControl string `json:"cacheControl,omitempty"`
	ACL          string `json:"acl,omitempty"`
	SSE          string `json:"sse,omitempty"`
	SSEKMSKeyID  string `json:"sseKmsKeyId,omitempty"`
	ChecksumKind string `json:"checksumKind,omitempty"`
}

func insertUpload(tx *db.Tx, u Upload) error {
	h := u.Headers
	encoded, err := json.Marshal(uploadDetails{
		details:     detailsOf(Object{Headers: h, Checksum: Checksum{Algorithm: u.Algorithm}}),
		ContentType: h.ContentType, CacheControl: h.CacheControl, ACL: h.ACL,
		SSE: h.SSE.Algorithm, SSEKMSKeyID: h.SSE.KMSKeyID, ChecksumKind: u.Kind,
	})
	if err != nil {
		return err
	}
	_, err = tx.Exec(`
		insert into s3_uploads (upload_id, bucket, object_key, details, created_ms)
		values ($1, $2, $3, $4, $5)`,
		u.ID, u.Bucket, u.Key, string(encoded), u.Created.UnixMilli())
	return err
}

const uploadColumns = `upload_id, bucket, object_key, version_id, details, created_ms`

// selectUpload returns an upload or db.ErrNoRows.
func selectUpload(tx *db.Tx, id, lock string) (Upload, error) {
	return scanUpload(tx.QueryRow(`
		select `+uploadColumns+`
		from s3_uploads
		where upload_id = $1`+lock, id))
}

// selectUploads returns the uploads under way of keys from a place on, in the
// order of keys and ids: those of the key from have ids above after.
func selectUploads(tx *db.Tx, bucket, from, after, until string, limit int) ([]Upload, error) {
	rows, err := tx.Query(`
		select `+uploadColumns+`
		from s3_uploads
		where bucket = $1 and version_id = '' and object_key >= $2 and object_key < $4
			and (object_key > $2 or upload_id > $3)
		order by object_key, upload_id
		limit $5`, bucket, from, text(after), until, limit)
	if err != nil {
		return nil, err
	}
	return collect(rows, scanUpload)
}

// selectUploadIDs returns ids of a bucket's uploads, or of those of every bucket
// for "", that were begun before a time.
func selectUploadIDs(tx *db.Tx, bucket string, before int64, limit int) ([]string, error) {
	rows, err := tx.Query(`
		select upload_id
		from s3_uploads
		where created_ms < $2 and (bucket = $1 or $1 = '')
		order by created_ms
		limit $3`, bucket, before, limit)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(row scanner) (id string, err error) {
		err = row.Scan(&id)
		return id, err
	})
}

func updateUpload(tx *db.Tx, id, versionID string) error {
	_, err := tx.Exec(`update s3_uploads set version_id = $2 where upload_id = $1`, id, versionID)
	return err
}

func deleteUpload(tx *db.Tx, id string) error {
	_, err := tx.Exec(`delete from s3_uploads where upload_id = $1`, id)
	return err
}

func insertPart(tx *db.Tx, uploadID string, p Part) error {
	_, err := tx.Exec(`
		insert into s3_parts (upload_id, number, blob_key, size, etag, checksum, modified_ms)
		values ($1, $2, $3, $4, $5, $6, $7)`,
		uploadID, p.Number, p.blobKey, p.Size, p.ETag, p.Checksum.Value, p.Modified.UnixMilli())
	return err
}

const partColumns = `number, blob_key, size, etag, checksum, modified_ms`

// selectParts returns the parts with numbers above after, in order.
func selectParts(tx *db.Tx, uploadID string, after, limit int) ([]Part, error) {
	rows, err := tx.Query(`
		select `+partColumns+`
		from s3_parts
		where upload_id = $1 and number > $2
		order by number
		limit $3`, uploadID, after, limit)
	if err != nil {
		return nil, err
	}
	return collect(rows, scanPart)
}

func deletePart(tx *db.Tx, uploadID string, number int) error {
	_, err := tx.Exec(`delete from s3_parts where upload_id = $1 and number = $2`, uploadID, number)
	return err
}

func deleteParts(tx *db.Tx, uploadID string) error {
	_, err := tx.Exec(`delete from s3_parts where upload_id = $1`, uploadID)
	return err
}

// updateGone marks the parts of an object that went.
func updateGone(tx *db.Tx, uploadID string, now int64) error {
	_, err := tx.Exec(`update s3_parts set gone_ms = $2 where upload_id = $1`, uploadID, now)
	return err
}

// deleteGone removes parts whose object went before a time, and returns their
// content.
func deleteGone(tx *db.Tx, before int64, limit int) ([]string, error) {
	rows, err := tx.Query(`
		delete from s3_parts
		where blob_key in (
			select blob_key from s3_parts where gone_ms > 0 and gone_ms < $1 limit $2)
		returning blob_key`, before, limit)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(row scanner) (key string, err error) {
		err = row.Scan(&key)
		return key, err
	})
}

// collect reads all rows and closes them.
func collect[T any](rows *db.Rows, scan func(scanner) (T, error)) ([]T, error) {
	defer rows.Close()
	var list []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, rows.Err()
}

func scanUpload(row scanner) (Upload, error) {
	var u Upload
	var created int64
	var encoded string
	if err := row.Scan(&u.ID, &u.Bucket, &u.Key, &u.versionID, &encoded, &created); err != nil {
		return Upload{}, err
	}
	u.Created = time.UnixMilli(created).UTC()
	var d uploadDetails
	if err := json.Unmarshal([]byte(encoded), &d); err != nil {
		return Upload{}, fmt.Errorf("read details of upload %s: %w", u.ID, err)
	}
	var o Object
	if err := d.fill(&o); err != nil {
		return Upload{}, fmt.Errorf("read details of upload %s: %w", u.ID, err)
	}
	u.Headers = o.Headers
	h := &u.Headers
	h.ContentType, h.CacheControl, h.ACL = d.ContentType, d.CacheControl, d.ACL
	h.SSE.Algorithm, h.SSE.KMSKeyID = d.SSE, d.SSEKMSKeyID
	u.Algorithm, u.Kind = d.ChecksumAlgorithm, d.ChecksumKind
	return u, nil
}

func scanPart(row scanner) (Part, error) {
	var p Part
	var modified int64
	err := row.Scan(&p.Number, &p.blobKey, &p.Size, &p.ETag, &p.Checksum.Value, &modified)
	p.Modified = time.UnixMilli(modified).UTC()
	return p, err
}
