package s3

import (
	"net/http"
	"strings"
	"testing"
)

// A put finds out whose the bucket is in its own transaction: whatever the size,
// nothing is left of one into a bucket of another account, or of another than was
// expected.
func TestPutAsksForTheOwner(t *testing.T) {
	t.Parallel()
	forwardedToo(t, func(t *testing.T, f *face) {
		f.maxRow = maxRow
		f.must(f.CreateBucket(t.Context(), Owner{Account: "210987654321", Region: "us-east-1"}, "of-another"))
		for _, size := range []int{0, maxRow, maxRow + 1, 1 << 20} {
			content := strings.Repeat("x", size)
			f.wantError(f.raw(http.MethodPut, "/of-another/k", content), http.StatusForbidden, "AccessDenied")
			f.wantError(f.raw(http.MethodPut, "/"+bucket+"/k", content, ownerHeader, "210987654321"), http.StatusForbidden, "AccessDenied")
			f.wantError(f.raw(http.MethodPut, "/no-such-bucket/k", content), http.StatusNotFound, "NoSuchBucket")
			if answer := f.raw(http.MethodPut, "/"+bucket+"/mine", content, ownerHeader, account); answer.StatusCode != http.StatusOK {
				t.Errorf("%d bytes with the right owner: %s", size, answer.Status)
			}
		}
		for _, name := range []string{bucket, "of-another"} {
			list, err := f.ListObjects(t.Context(), name, ListOptions{MaxKeys: 10, Prefix: "k"})
			f.must(err)
			if len(list.Objects) > 0 {
				t.Errorf("%s has %+v", name, list.Objects)
			}
		}
		f.wantBlobs(1) // the last one of /mine
	})
}
