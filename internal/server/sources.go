package server

import (
	"context"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/s3"
	"github.com/penstock-cd/penstock/internal/trigger"
)

// sourceChanged records a new version of what may be the source of a pipeline: an
// object of a bucket with versions, as no source reads from another.
func sourceChanged(_ context.Context, tx *db.Tx, ev s3.ObjectCreated) error {
	if ev.Bucket.Versioning != s3.VersioningEnabled {
		return nil
	}
	return trigger.RecordChange(tx, trigger.Change{
		Account: ev.Bucket.Owner.Account, Bucket: ev.Object.Bucket, Key: ev.Object.Key,
		VersionID: ev.Object.VersionID, Sequence: ev.Object.Sequence,
	})
}
