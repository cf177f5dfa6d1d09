package deploy

import (
	"crypto/sha256"
	"strings"
	"time"

	"github.com/google/uuid"
)

// fillIn replaces the placeholders of an object key. The UUID looks random but
// follows from the action execution id, so that an attempt that is started again
// writes the same key.
func fillIn(key, actionExecutionID string, begun time.Time) string {
	return strings.NewReplacer(
		"{datetime}", begun.UTC().Format("2006-01-02_15-04-05"),
		"{uuid}", keyUUID(actionExecutionID).String(),
	).Replace(key)
}

func keyUUID(actionExecutionID string) uuid.UUID {
	return uuid.NewHash(sha256.New(), uuid.NameSpaceOID, []byte("s3-deploy "+actionExecutionID), 4)
}
