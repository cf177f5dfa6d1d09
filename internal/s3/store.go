// Package s3 is Penstock's own S3: buckets, object versions and the HTTP face
// that the AWS CLI and SDKs talk to. Artifacts, sources and deployments to S3
// need no other server.
//
// Store keeps what is known about buckets, versions and uploads in the database,
// and the content in blobs, but for small content, which stands in its row. A put
// writes the blob first, durably, and then makes the version visible in one
// transaction, in which whoever watches objects (source triggers) commits too:
// OnCreated. A crash in between leaves a blob that no row names; Sweep removes it
// later. The parts of a multipart upload are blobs that rows name from the start,
// and the object that completes it is made of them as they are. An object key is
// data, never a file name.
//
// The versions of a key are rows in the order of their sequence: the highest is
// the current one. Who adds or removes one holds the key, by db.Tx.Lock.
//
// Handler speaks the S3 protocol, path style. It asks an Authenticator who calls
// and an Authorizer whether they may, and answers NotImplemented to every
// operation it does not have.
package s3

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema returns the package's tables.
func Schema() db.Schema {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the name above is a constant
	}
	return db.Schema{Name: "s3", Files: files}
}

// The errors that callers decide on, found with errors.Is.
var (
	// ErrNoSuchBucket says that no account has a bucket of that name.
	ErrNoSuchBucket = errors.New("bucket does not exist")
	// ErrNoSuchKey says that the object does not exist, or that its latest
	// version is a delete marker.
	ErrNoSuchKey = errors.New("object does not exist")
	// ErrNoSuchVersion says that the object has no version of that id.
	ErrNoSuchVersion = errors.New("object version does not exist")
	// ErrDeleteMarker says that the version asked for by id is a delete marker.
	ErrDeleteMarker = errors.New("object version is a delete marker")
	// ErrBucketExists says that another account has a bucket of that name.
	ErrBucketExists = errors.New("bucket name is taken by another account")
	// ErrBucketOwned says that the caller's account already has that bucket.
	ErrBucketOwned = errors.New("bucket already exists and is owned by the caller")
	// ErrInvalidBucketName says that the name breaks the rules of CheckBucketName.
	ErrInvalidBucketName = errors.New("invalid bucket name")
	// ErrInvalidKey says that an object key is empty, no UTF-8, or holds a NUL.
	ErrInvalidKey = errors.New("invalid object key")
	// ErrKeyTooLong says that an object key is longer than 1,024 bytes.
	ErrKeyTooLong = errors.New("object key is longer than 1024 bytes")
	// ErrMetadataTooLarge says that the user metadata exceeds 2 KiB.
	ErrMetadataTooLarge = errors.New("user metadata is larger than 2048 bytes")
	// ErrInvalidHeader says that a header or metadata value holds control
	// characters or is no UTF-8.
	ErrInvalidHeader = errors.New("invalid header value")
	// ErrPreconditionFailed says that a condition of the put does not hold.
	ErrPreconditionFailed = errors.New("precondition failed")
	// ErrBadDigest says that the content does not have the announced MD5 or
	// checksum.
	ErrBadDigest = errors.New("content does not match its checksum")
	// ErrSize says that the content does not have the announced length.
	ErrSize = errors.New("content does not have the announced length")
	// ErrTooLarge says that the content exceeds MaxObject.
	ErrTooLarge = errors.New("content is larger than 5 GiB")
	// ErrBusy says that too many writers changed the same key at once.
	ErrBusy = errors.New("too many concurrent changes of one key")
	// ErrInvalidToken says that a continuation token is not of this list.
	ErrInvalidToken = errors.New("invalid continuation token")
	// ErrBucketNotEmpty says that a bucket holds versions or delete markers.
	ErrBucketNotEmpty = errors.New("bucket is not empty")
	// ErrInvalidTag says that a tag, or their number, breaks the rules of S3.
	ErrInvalidTag = errors.New("invalid tag")
	// ErrNoSuchUpload says that an upload was never made, or is over.
	ErrNoSuchUpload = errors.New("upload does not exist")
	// ErrInvalidPart says that a part to complete with was not uploaded, or is
	// another.
	ErrInvalidPart = errors.New("part was not uploaded")
	// ErrInvalidPartOrder says that the parts are not in ascending order.
	ErrInvalidPartOrder = errors.New("parts are not in ascending order")
	// ErrPartTooSmall says that a part other than the last is below MinPart.
	ErrPartTooSmall = errors.New("part is smaller than 5 MiB")
	// ErrUnsupportedChecksum says that a checksum algorithm is not known.
	ErrUnsupportedChecksum = errors.New("unsupported checksum algorithm")
)

// MaxObject is the largest content of one put or part, in bytes.
const MaxObject = 5 << 30

// The bounds of a multipart upload. MinPart, in bytes, is for every part but the
// last.
const (
	MaxParts = 10_000
	MinPart  = 5 << 20
)

// ObjectCreated tells that a version of an object is about to become visible.
type ObjectCreated struct {
	Bucket Bucket
	Object Object
	// Reason is the S3 operation: "PutObject", "CopyObject" or
	// "CompleteMultipartUpload".
	Reason string
}

// CreatedFunc is called inside the transaction that makes a version visible. Its
// error undoes the put. It must be quick and touch nothing but tx.
type CreatedFunc func(ctx context.Context, tx *db.Tx, ev ObjectCreated) error

// Store keeps buckets and objects. Its methods may be called at once from any
// number of goroutines.
type Store struct {
	db      *db.DB
	blobs   blob.Store
	logger  *slog.Logger
	created []CreatedFunc
	maxRow  int   // the largest content that is kept in a row
	minPart int64 // MinPart, but in tests
	now     func() time.Time
}

// New returns a store over a database that has the Schema.
func New(d *db.DB, blobs blob.Store, logger *slog.Logger) *Store {
	return &Store{db: d, blobs: blobs, logger: logger, maxRow: maxRow, minPart: MinPart, now: time.Now}
}

// OnCreated adds a function that learns of every new object version, in the
// order of the calls. It must be called before the store is used.
func (s *Store) OnCreated(f CreatedFunc) {
	s.created = append(s.created, f)
}

// maxTries bounds how often a write that met a concurrent one is repeated. Each
// round lets at least one writer through, so this many writers of one key may
// collide at one instant.
const maxTries = 100

// errRetry is returned inside a transaction that lost against another.
var errRetry = errors.New("lost against a concurrent change")

// write runs fn in a transaction and repeats it while concurrent transactions
// get in the way. fn must set everything it gives back anew in each run.
func (s *Store) write(ctx context.Context, fn func(*db.Tx) error) error {
	for range maxTries {
		err := s.db.Write(ctx, fn)
		if errors.Is(err, errRetry) || errors.Is(err, db.ErrConflict) || db.IsUnique(err) {
			continue
		}
		return err
	}
	return ErrBusy
}
