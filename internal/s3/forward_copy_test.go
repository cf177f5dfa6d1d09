package s3

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// copyTargets are all requests that name an object to copy from.
func copyTargets() map[string][]string {
	return map[string][]string{
		"/" + bucket + "/team/made":                         {},
		"/" + bucket + "/team/made?x-id=CopyObject":         {"X-Amz-Metadata-Directive", "REPLACE"},
		"/" + bucket + "/team/made?":                        {"X-Amz-Metadata-Directive", "REPLACE", "X-Amz-Tagging-Directive", "REPLACE"},
		"/" + bucket + "/team/made?uploadId=u&partNumber=1": {"X-Amz-Copy-Source-Range", "bytes=0-1"},
	}
}

// TestForwardCopyDots: a copy names its source in a header, in which nothing leads
// to another object than the one that the caller may read; wherever the other S3
// has the names of its buckets.
func TestForwardCopyDots(t *testing.T) {
	t.Parallel()
	o := newOtherS3(t)
	inPath := newForwardingTo(t, o, "")
	inHost := newFace(t, false)
	elsewhere := o.keeps(account, "")
	inHost.server.Config.Handler.(*Handler).Forward(func(ctx context.Context, name string) (*Outside, error) {
		to, err := elsewhere(ctx, name)
		to.URL.Path = ""
		return to, err
	})
	out := []string{
		"..", ".", "../other/k", "a/../b", "a/../../other/k", "./a", "a/.", "a/..", "%2e%2e/other/k", "a/%2E%2e/b", ".%2e/other/k",
		"..%2Fother%2Fk", "a%2f..%2fb", "..%2fother/k", "../other/k?versionId=v1", "a/%2e%2e/b?versionId=v1&versionId=v2",
	}
	for _, f := range []*face{inPath, inHost} {
		for target, headers := range copyTargets() {
			for _, source := range out {
				for _, text := range []string{bucket + "/" + source, "/" + bucket + "/" + source, bucket + "%2F" + source} {
					f.wantError(f.raw("PUT", target, "", append(headers, "X-Amz-Copy-Source", text)...), http.StatusBadRequest, "InvalidURI")
				}
			}
			for _, text := range []string{"../other/k", "%2e%2e/other/k", "..%2Fother%2Fk"} { // no bucket elsewhere, and none here
				f.wantError(f.raw("PUT", target, "", append(headers, "X-Amz-Copy-Source", text)...), http.StatusNotImplemented, "NotImplemented")
			}
		}
	}
	if calls := o.calls(); len(calls) > 0 {
		t.Errorf("asked for %v", calls)
	}
}

// TestForwardCopySource passes on what looks as if it led elsewhere, and does not:
// the other S3 reads the key that the caller was asked about.
func TestForwardCopySource(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a/...":                                 "a/...",
		"a..b/.c/d.":                            "a..b/.c/d.",
		"%252e%252e/other/k":                    "%252e%252e/other/k",
		"a%3FversionId=v":                       "a%3FversionId%3Dv",
		"a%2523%23":                             "a%2523%23",
		"a?versionId=..%2F..%2Fother":           "a?versionId=..%2F..%2Fother",
		"a?versionId=../../other":               "a?versionId=..%2F..%2Fother",
		"a?versionId=v%26acl%3F&tagging":        "a?versionId=v%26acl%3F",
		"a?versionId=v1&versionId=v2":           "a?versionId=v1",
		"a?VersionId=v1":                        "a",
		"a%0d%0aX-Amz-Copy-Source:%20other%2Fk": "a%0D%0AX-Amz-Copy-Source%3A%20other/k",
	} {
		o := newOtherS3(t)
		f := newForwardingTo(t, o, "")
		target := "/" + bucket + "/made?uploadId=u&partNumber=1"
		if answer := f.raw("PUT", target, "", "X-Amz-Copy-Source", bucket+"/"+text); answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", text, answer.Status)
			continue
		}
		if got := o.seen[0].Header.Values("X-Amz-Copy-Source"); !slices.Equal(got, []string{bucket + "/" + want}) {
			t.Errorf("%s is copied from %q, want %s", text, got, want)
		}
	}
}

// TestCopyStaysAllowed copies within the store here, where dots are part of a key:
// nobody reads by a copy what may not be read.
func TestCopyStaysAllowed(t *testing.T) {
	t.Parallel()
	f := newFace(t, false)
	f.versioned()
	f.put("team/k", "mine")
	hidden := f.put("secret", "secret")
	h := plain(f.fixture, api.Caller{Account: account, Region: "us-east-1", Partition: "aws"}, func(_ api.Caller, _, resource string) error {
		if !strings.HasPrefix(resource, "arn:aws:s3:::"+bucket+"/team/") {
			return accessDenied()
		}
		return nil
	})
	upload := f.begin("team/made", "", "")
	for text, want := range map[string]int{
		"team/k": http.StatusOK, "team%2Fk": http.StatusOK,
		"secret": http.StatusForbidden, "secret?versionId=" + hidden.VersionID: http.StatusForbidden,
		"%73ecret": http.StatusForbidden, "/secret": http.StatusForbidden, "../" + bucket + "/secret": http.StatusForbidden,
		"team/../secret": http.StatusNotFound, "team/%2e%2e/secret": http.StatusNotFound, "team%2F..%2Fsecret": http.StatusNotFound,
		"team/../secret?versionId=" + hidden.VersionID: http.StatusNotFound, "team/k?versionId=" + hidden.VersionID: http.StatusNotFound,
	} {
		for target, headers := range copyTargets() {
			r := httptest.NewRequestWithContext(t.Context(), "PUT", strings.Replace(target, "uploadId=u", "uploadId="+upload.ID, 1), nil)
			for n := 0; n < len(headers); n += 2 {
				r.Header.Set(headers[n], headers[n+1])
			}
			r.Header.Set("X-Amz-Copy-Source", bucket+"/"+text)
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != want {
				t.Errorf("%s to %s: %d %s, want %d", text, target, w.Code, w.Body, want)
			}
		}
	}
}

// FuzzForwardCopySource: whatever names the source, the other S3 is asked for the
// key that the caller may read, and an S3 that takes it for a path ends there, too.
func FuzzForwardCopySource(f *testing.F) {
	for _, text := range []string{
		bucket + "/k", "/" + bucket + "/a/../b?versionId=v", bucket + "%2F%2e%2e%2Fother", bucket + "/%252e%252e/k", "../k", bucket + "//k", bucket + "/k?versionId=%26&x=../..",
	} {
		f.Add(text, true)
		f.Add(text, false)
	}
	s, _, _ := fuzzed(f)
	at := &url.URL{Scheme: "http", Host: "s3.example.com", Path: "/" + bucket}
	f.Fuzz(func(t *testing.T, text string, part bool) {
		var asked, sent []string
		h := plain(&fixture{Store: s}, api.Caller{Account: account, Region: "us-east-1", Partition: "aws"}, func(_ api.Caller, action, resource string) error {
			if strings.HasPrefix(action, "s3:GetObject") && !strings.HasSuffix(action, "Tagging") {
				asked = append(asked, strings.TrimPrefix(resource, "arn:aws:s3:::"))
			}
			return nil
		})
		h.Forward(func(_ context.Context, name string) (*Outside, error) {
			if name != bucket {
				return nil, nil
			}
			return &Outside{
				Account: account, Bucket: bucket, URL: at, Region: "eu-west-1", Store: "other",
				Credentials: func(context.Context) (sigv4.Credentials, error) {
					return sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
				},
			}, nil
		})
		h.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				sent = append(sent, r.Header.Values("X-Amz-Copy-Source")...)
			}
			return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
		})
		target := "/" + bucket + "/made"
		if part {
			target += "?uploadId=u&partNumber=1"
		}
		r := httptest.NewRequestWithContext(t.Context(), "PUT", target, nil)
		r.Header["X-Amz-Copy-Source"] = []string{text}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Errorf("%q: %d %s", text, w.Code, w.Body)
		}
		if len(sent) == 0 {
			return // refused, or no copy at all
		}
		escaped, _, _ := strings.Cut(sent[0], "?")
		key, err := url.PathUnescape(escaped)
		if diff := cmp.Diff(asked, []string{key}); diff != "" || err != nil || len(sent) > 1 {
			t.Errorf("%q: sent %q, %v, asked for\n%s", text, sent, err, diff)
		}
		if clean := path.Clean("/" + key); !strings.HasPrefix(clean+"/", "/"+bucket+"/") || strings.Contains("/"+key+"/", "/../") {
			t.Errorf("%q: sent %q, which leads to %s", text, sent, clean)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
