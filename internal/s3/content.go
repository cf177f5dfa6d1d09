package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
)

// The content of an object is in one of three places, which the prefix of its
// key tells: a blob, its row (small content: one commit in place of a file and a
// commit), or the parts of an upload.
const (
	blobPrefix  = "s3/"
	rowPrefix   = "row/"
	partsPrefix = "parts/"
)

// maxRow is the largest content that is kept in a row.
const maxRow = 8 << 10

// commitTime bounds the time between the end of some content and the commit that
// names it. Sweep removes no content younger than twice that, so that it never
// takes what a put is about to commit.
const commitTime = 30 * time.Minute

// kept is content that was stored but is not named by any row yet.
type kept struct {
	key   string // of the content
	row   []byte // the content itself, if it goes into the row
	size  int64
	md5   string
	ended time.Time // when the last of it was read
}

// keep stores content, in memory only if it is small enough for a row. early, if
// not nil, may refuse what is not.
func (s *Store) keep(ctx context.Context, body *content, early func() error) (kept, error) {
	room := s.maxRow + 1
	if body.size != nil {
		room = int(min(int64(room), *body.size+1)) // one more to see its end
	}
	head := make([]byte, room)
	n, err := io.ReadFull(body, head)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && body.ended:
		head = head[:n]
		sum := md5.Sum(head)
		return kept{key: newRowKey(), row: head, size: int64(n), md5: hex.EncodeToString(sum[:]), ended: s.now()}, nil
	case err != nil:
		return kept{}, err
	}
	if early != nil {
		if err := early(); err != nil {
			return kept{}, err
		}
	}
	return s.keepBlob(ctx, io.MultiReader(bytes.NewReader(head), body))
}

// newRowKey tells the content of one row from that of the version that takes its
// place. It names no file, so it can be short.
func newRowKey() string { return rowPrefix + rand.Text()[:16] }

// keepBlob stores content as a blob, whatever its size.
func (s *Store) keepBlob(ctx context.Context, body io.Reader) (kept, error) {
	end := &endReader{r: body, now: s.now}
	key := newContentKey(blobPrefix)
	info, err := s.blobs.Put(ctx, key, end)
	return kept{key: key, size: info.Size, md5: info.MD5, ended: end.at}, err
}

// endReader notes when the last content was read.
type endReader struct {
	r   io.Reader
	now func() time.Time
	at  time.Time
}

func (e *endReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil {
		e.at = e.now()
	}
	return n, err
}

// fresh refuses to commit content so old that a sweep may be about to take it.
// Of the two clocks one stands still while the machine sleeps, and the other may
// be set.
func (k kept) fresh(now time.Time) error {
	if now.Sub(k.ended) > commitTime || now.Round(0).Sub(k.ended.Round(0)) > commitTime {
		return fmt.Errorf("%w: the content was complete at %v, too long ago", ErrBusy, k.ended)
	}
	return nil
}

// stored is where the content of an object is, as read from its rows.
type stored struct {
	row    []byte
	pieces []piece
}

// piece is one part of an object, with the place where it begins.
type piece struct {
	number      int
	key         string
	start, size int64
}

// locate loads what Open needs, in the transaction that found the object.
func locate(tx *db.Tx, o Object) (at stored, err error) {
	switch {
	case strings.HasPrefix(o.contentKey, rowPrefix):
		at.row, err = selectContent(tx, o)
	case strings.HasPrefix(o.contentKey, partsPrefix):
		var parts []Part
		parts, err = selectParts(tx, o.uploadID(), 0, MaxParts)
		start := int64(0)
		for _, p := range parts {
			at.pieces = append(at.pieces, piece{number: p.Number, key: p.blobKey, start: start, size: p.Size})
			start += p.Size
		}
	}
	return at, err
}

// open returns the content of an object.
func (s *Store) open(ctx context.Context, o Object, at stored) (blob.Reader, error) {
	var r blob.Reader
	var err error
	switch {
	case strings.HasPrefix(o.contentKey, rowPrefix):
		r = rowReader{bytes.NewReader(at.row)}
	case strings.HasPrefix(o.contentKey, partsPrefix):
		r = newJoined(ctx, s.blobs, at.pieces)
	default:
		r, err = s.blobs.Open(ctx, o.contentKey)
	}
	if err == nil && r.Size() != o.Size {
		err = fmt.Errorf("its content is damaged: %d bytes in place of %d", r.Size(), o.Size)
		_ = r.Close()
	}
	return r, err
}

// rowReader reads content that stood in a row.
type rowReader struct{ *bytes.Reader }

// Close implements blob.Reader.
func (rowReader) Close() error { return nil }

// forget removes the version that was read as o, and returns the content to drop
// after the commit.
func forget(tx *db.Tx, o Object) (orphan string, err error) {
	if err := deleteVersion(tx, o); err != nil {
		return "", err
	}
	if !strings.HasPrefix(o.contentKey, partsPrefix) {
		return o.contentKey, nil
	}
	// Who reads the object opens one part after the other: a sweep takes them when
	// the readers have had their time.
	now, err := tx.Now()
	if err != nil {
		return "", err
	}
	return "", updateGone(tx, o.uploadID(), now)
}

// drop removes a blob that no row names. If that fails the blob is an orphan,
// which Sweep finds.
func (s *Store) drop(ctx context.Context, keys ...string) {
	for _, key := range keys {
		if !strings.HasPrefix(key, blobPrefix) {
			continue
		}
		if err := s.blobs.Delete(context.WithoutCancel(ctx), key); err != nil {
			s.logger.Warn("blob without owner left behind", "blob", key, "error", err)
		}
	}
}
