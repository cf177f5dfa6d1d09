package s3

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tm "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
)

// pattern is content of which no two stretches are alike.
func pattern(size int) []byte {
	content := make([]byte, size)
	state := uint32(1)
	for i := range content {
		state = state*1664525 + 1013904223
		content[i] = byte(state >> 24)
	}
	return content
}

// writerAt keeps what is written to it.
type writerAt struct {
	mu      sync.Mutex
	content []byte
}

func (w *writerAt) WriteAt(p []byte, offset int64) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if end := int(offset) + len(p); end > len(w.content) {
		w.content = append(w.content, make([]byte, end-len(w.content))...)
	}
	return copy(w.content[offset:], p), nil
}

// TestTransferManager has the SDK's transfer manager, at its own settings, move
// what is larger than one part.
func TestTransferManager(t *testing.T) {
	t.Parallel()
	content := pattern(21<<20 + 12345)
	both(t, func(f *face) {
		ctx, b := f.t.Context(), aws.String(bucket)
		for _, algorithm := range []tm.ChecksumAlgorithm{"", "CRC32C", "CRC64NVME", "SHA256"} {
			manager := transfermanager.New(f.client)
			key := aws.String("large " + string(algorithm))
			up, err := manager.UploadObject(ctx, &transfermanager.UploadObjectInput{
				Bucket: b, Key: key, Body: bytes.NewReader(content), ChecksumAlgorithm: algorithm, Metadata: map[string]string{"a": "b"},
			})
			f.must(err)
			if !strings.HasSuffix(aws.ToString(up.ETag), `-3"`) {
				f.t.Errorf("ETag %s is not that of three parts", aws.ToString(up.ETag))
			}
			for _, how := range []tm.GetObjectType{tm.GetObjectParts, tm.GetObjectRanges} {
				var down writerAt
				out, err := manager.DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: b, Key: key, WriterAt: &down},
					func(o *transfermanager.Options) { o.GetObjectType = how })
				f.must(err)
				if !bytes.Equal(down.content, content) || out.Metadata["a"] != "b" {
					f.t.Errorf("%q by %s: %d bytes are not those sent, %+v", algorithm, how, len(down.content), out)
				}
			}
			if got := f.sdkGet(*key); got != string(content) {
				f.t.Errorf("%q in one: %d bytes", algorithm, len(got))
			}
		}
		page, err := f.client.ListMultipartUploads(ctx, &sdk.ListMultipartUploadsInput{Bucket: b})
		f.must(err)
		if len(page.Uploads) != 0 {
			f.t.Errorf("uploads left: %+v", page.Uploads)
		}
	})
}

// TestTransferBreaks has an upload break, in the client and on the way: the
// manager aborts it and nothing is left.
func TestTransferBreaks(t *testing.T) {
	t.Parallel()
	both(t, func(f *face) {
		broken := errors.New("the disk of the client broke")
		upload := func(body io.Reader) error {
			_, err := transfermanager.New(f.client).UploadObject(f.t.Context(), &transfermanager.UploadObjectInput{
				Bucket: aws.String(bucket), Key: aws.String("k"), Body: body,
			})
			return err
		}
		if err := upload(io.MultiReader(bytes.NewReader(pattern(18<<20)), errorReader{broken})); !errors.Is(err, broken) {
			f.t.Errorf("error %v, want %v", err, broken)
		}
		f.tamper = func(r *http.Request) {
			if r.URL.Query().Get("partNumber") == "2" {
				body, err := io.ReadAll(r.Body)
				f.must(err)
				body[len(body)/2]++
				r.Body = io.NopCloser(bytes.NewReader(body))
			}
		}
		if err := upload(bytes.NewReader(pattern(18 << 20))); err == nil {
			f.t.Error("a tampered part is taken")
		}
		f.tamper = nil
		f.wantContent("k", "", ErrNoSuchKey.Error())
		f.wantBlobs(0)
	})
}
