package s3

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestRows keeps content around the border between row and blob.
func TestRows(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		f.maxRow = 100
		f.versioned()
		for size, blobs := range map[int]int{0: 0, 1: 0, 99: 0, 100: 0, 101: 1, 102: 1, 5000: 1} {
			content := pattern(size)
			for _, r := range []io.Reader{bytes.NewReader(content), iotest.OneByteReader(bytes.NewReader(content)), iotest.DataErrReader(bytes.NewReader(content))} {
				before := f.countBlobs()
				o, err := f.PutObject(f.t.Context(), bucket, "k", r, PutOptions{Size: new(int64(size)), Checksum: Checksum{Algorithm: "CRC32"}})
				f.must(err)
				f.wantContent("k", o.VersionID, string(content))
				f.wantBlobs(before + blobs)
				f.delete("k", o.VersionID)
				f.wantBlobs(before)
			}
		}
		kept := f.put("k", "kept\x00\xff")
		for name, tc := range map[string]struct {
			body io.Reader
			opts PutOptions
			want error
		}{
			"breaks":      {io.MultiReader(strings.NewReader("new"), iotest.ErrReader(io.ErrUnexpectedEOF)), PutOptions{}, io.ErrUnexpectedEOF},
			"breaks late": {io.MultiReader(bytes.NewReader(pattern(500)), iotest.ErrReader(io.ErrUnexpectedEOF)), PutOptions{}, io.ErrUnexpectedEOF},
			"short":       {strings.NewReader("new"), PutOptions{Size: new(int64(4))}, ErrSize},
			"wrong sum":   {strings.NewReader("new"), PutOptions{Checksum: Checksum{"CRC32", "AAAAAA=="}}, ErrBadDigest},
		} {
			if _, err := f.PutObject(f.t.Context(), bucket, "k", tc.body, tc.opts); !errors.Is(err, tc.want) {
				f.t.Errorf("%s: error %v, want %v", name, err, tc.want)
			}
			f.wantContent("k", "", "kept\x00\xff")
		}
		if kept.ETag == "" || kept.Size != 6 {
			f.t.Errorf("object %+v", kept)
		}
		f.wantBlobs(0)
		_, r, err := f.GetObject(f.t.Context(), bucket, "k", "")
		f.must(err)
		defer r.Close()
		f.delete("k", "")
		if content, err := io.ReadAll(r); err != nil || string(content) != "kept\x00\xff" {
			f.t.Errorf("a reader of the deleted object: %q, %v", content, err)
		}
	})
}
