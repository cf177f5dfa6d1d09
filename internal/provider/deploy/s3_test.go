package deploy

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// object is what the fake bucket was given.
type object struct {
	Content string
	Options provider.ObjectOptions
}

// bucket is an S3 in memory.
type bucket struct {
	mu      sync.Mutex
	objects map[string]object
	refuse  map[string]error // by key; "*" for every key
	writes  int
}

func (b *bucket) Versioned(context.Context, string) (bool, error) { return false, nil }

func (b *bucket) Get(context.Context, string, string, string) (provider.Object, io.ReadCloser, error) {
	return provider.Object{}, nil, errors.New("a deploy reads nothing")
}

func (b *bucket) Put(_ context.Context, name, key string, content io.ReadSeeker, o provider.ObjectOptions) (provider.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range []string{key, "*"} {
		if err := b.refuse[k]; err != nil {
			return provider.Object{}, err
		}
	}
	text, err := io.ReadAll(content)
	if err != nil {
		return provider.Object{}, err
	}
	// Clients rewind to send again.
	if at, err := content.Seek(0, io.SeekStart); err != nil || at != 0 {
		return provider.Object{}, fmt.Errorf("cannot rewind: %w", err)
	}
	if b.objects == nil {
		b.objects = map[string]object{}
	}
	b.objects[name+"/"+key] = object{string(text), o}
	b.writes++
	return provider.Object{}, nil
}

func (b *bucket) choose(provider.Attempt) (provider.Objects, error) { return b, nil }

// contents are the objects without their options.
func (b *bucket) contents() map[string]string {
	m := map[string]string{}
	for k, o := range b.objects {
		m[k] = o.Content
	}
	return m
}

// artifacts has one artifact, or none when nil.
type artifacts struct{ content []byte }

type artifact struct{ *bytes.Reader }

func (artifact) Close() error { return nil }

func (s artifacts) Open(_ context.Context, l pipeline.ArtifactLocation) (provider.Artifact, error) {
	if s.content == nil {
		return nil, fmt.Errorf("open %s: %w", l.Key, provider.ErrNoArtifact)
	}
	return artifact{bytes.NewReader(s.content)}, nil
}

func (artifacts) Put(context.Context, pipeline.ArtifactLocation, io.Reader) error {
	return errors.New("a deploy has no output")
}

// entry is one of a zip, with a name as raw as an attacker makes it.
type entry struct {
	name, content string
	mode          fs.FileMode
}

func zipOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.mode != 0 {
			h.SetMode(e.mode)
		}
		w, err := z.CreateHeader(h)
		must(t, err)
		if !strings.HasSuffix(e.name, "/") {
			_, err = io.WriteString(w, e.content)
			must(t, err)
		}
	}
	must(t, z.Close())
	return b.Bytes()
}

const attemptID = "11111111-2222-4333-8444-555555555555"

func attempt(t *testing.T, content []byte, configuration ...string) provider.Attempt {
	t.Helper()
	c := map[string]string{"BucketName": "out"}
	for i := 0; i < len(configuration); i += 2 {
		c[configuration[i]] = configuration[i+1]
	}
	return provider.Attempt{
		ID: attemptID, Account: "111122223333", ActionName: "Ship", Configuration: c,
		Inputs:    []provider.InputArtifact{{Name: "App", Location: pipeline.ArtifactLocation{Name: "App", Bucket: "store", Key: "p/App/abc"}}},
		Artifacts: artifacts{content}, Log: t.Output(), Workspace: t.TempDir(),
		Deadline: time.Date(2024, 2, 29, 14, 0, 5, 0, time.FixedZone("", 3600)),
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func succeeded(id string) provider.Report {
	return provider.Report{Status: provider.Succeeded, Percent: 100, Summary: "Deployment Succeeded", ExternalExecutionID: id}
}

// The rows of observed.md 16 that succeed.
func TestDeploys(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		entries       []entry
		configuration []string
		id            string
		want          map[string]string
	}{
		{"no key", []entry{{name: "a"}, {name: "b/c", content: "C"}}, nil, "out", map[string]string{"out/a": "", "out/b/c": "C"}},
		{"prefix", []entry{{name: "a", content: "A"}}, []string{"ObjectKey", "prefix"}, "out/prefix", map[string]string{"out/prefix/a": "A"}},
		{"prefix with a slash", []entry{{name: "a", content: "A"}}, []string{"ObjectKey", "prefix/"}, "out/prefix/", map[string]string{"out/prefix//a": "A"}},
		{"prefix with a slash before it", []entry{{name: "a", content: "A"}}, []string{"ObjectKey", "/prefix"}, "out//prefix", map[string]string{"out/prefix/a": "A"}},
		{"slash alone", []entry{{name: "a", content: "A"}}, []string{"ObjectKey", "/"}, "out//", map[string]string{"out/a": "A"}},
		{"uuid", []entry{{name: "a", content: "A"}}, []string{"ObjectKey", "{uuid}"}, "out/" + keyUUID(attemptID).String(),
			map[string]string{"out/" + keyUUID(attemptID).String() + "/a": "A"}},
		{"no placeholder", []entry{{name: "a", content: "A"}}, []string{"ObjectKey", "{DateTime}/{x}"}, "out/{DateTime}/{x}", map[string]string{"out/{DateTime}/{x}/a": "A"}},
		{"leading slash", []entry{{name: "/a", content: "A"}}, nil, "out", map[string]string{"out//a": "A"}},
		{"backslash", []entry{{name: `a\b`, content: "A"}}, nil, "out", map[string]string{"out/a/b": "A"}},
		{"link", []entry{{name: "l", content: "../../etc/passwd", mode: fs.ModeSymlink | 0o777}}, nil, "out", map[string]string{"out/l": "../../etc/passwd"}},
		{"folders", []entry{{name: "d/"}, {name: `e\`}, {name: "d/f", content: "F"}}, nil, "out", map[string]string{"out/d/f": "F"}},
		{"empty zip", nil, nil, "out", map[string]string{}},
		{"datetime", []entry{{name: "a", content: "A"}}, []string{"ObjectKey", "r/{datetime}"}, "out/r/2024-02-29_11-30-05",
			map[string]string{"out/r/2024-02-29_11-30-05/a": "A"}},
		{"large", []entry{{name: "l", content: strings.Repeat("0123456789", 200_000)}}, nil, "out",
			map[string]string{"out/l": strings.Repeat("0123456789", 200_000)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := &bucket{}
			a := attempt(t, zipOf(t, tt.entries...), append(tt.configuration, "Extract", "true")...)
			got, err := NewS3(b.choose).Start(t.Context(), a)
			must(t, err)
			if d := cmp.Diff(succeeded(tt.id), got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.want, b.contents()); d != "" {
				t.Error(d)
			}
			left, err := os.ReadDir(a.Workspace)
			if must(t, err); len(left) > 0 {
				t.Errorf("the workspace has %v", left)
			}
		})
	}
}

func TestDuplicateEntries(t *testing.T) {
	t.Parallel()
	var entries []entry
	for i := range 30 {
		entries = append(entries, entry{name: fmt.Sprint("f", i%3), content: fmt.Sprint(i)})
	}
	b := &bucket{}
	_, err := NewS3(b.choose).Start(t.Context(), attempt(t, zipOf(t, entries...), "Extract", "true"))
	must(t, err)
	if d := cmp.Diff(map[string]string{"out/f0": "27", "out/f1": "28", "out/f2": "29"}, b.contents()); d != "" || b.writes != 30 {
		t.Errorf("%d writes%s", b.writes, d)
	}
}

func TestWholeArtifact(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	a := attempt(t, []byte("no zip"), "Extract", "false", "ObjectKey", "r/app.zip", "CacheControl", "no-cache")
	got, err := NewS3(b.choose).Start(t.Context(), a)
	must(t, err)
	if d := cmp.Diff(succeeded("out/r/app.zip"), got); d != "" {
		t.Error(d)
	}
	want := map[string]object{"out/r/app.zip": {"no zip", provider.ObjectOptions{ContentType: "application/octet-stream", CacheControl: "no-cache", Multipart: true}}}
	if d := cmp.Diff(want, b.objects); d != "" {
		t.Error(d)
	}
}

func TestOptionsAndContentTypes(t *testing.T) {
	t.Parallel()
	types := map[string]string{
		"a.html": "text/html", "A.HTML": "text/html", "a.css": "text/css", "a.js": "application/x-javascript", "a.json": "application/json",
		"a.xml": "application/xml", "a.txt": "text/plain", "a.svg": "image/svg+xml", "a.png": "image/png", "a.jpg": "image/jpeg",
		"a.woff2": octetStream, "a.map": octetStream, "a.bin": octetStream, "none": octetStream, "d.html/x": octetStream, ".html": "text/html",
	}
	var entries []entry
	want := map[string]object{}
	for name, contentType := range types {
		entries = append(entries, entry{name: name})
		want["out/"+name] = object{"", provider.ObjectOptions{ContentType: contentType, CacheControl: "max-age=0, no-transform", ACL: "private", KMSKeyID: "key-1"}}
	}
	b := &bucket{}
	_, err := NewS3(b.choose).Start(t.Context(), attempt(t, zipOf(t, entries...), "Extract", "true",
		"CacheControl", "max-age=0, no-transform", "CannedACL", "private", "KMSEncryptionKeyARN", "key-1"))
	must(t, err)
	if d := cmp.Diff(want, b.objects); d != "" {
		t.Error(d)
	}
}

// Every canned ACL is handed on, with a whole artifact as with files of it.
func TestCannedACLs(t *testing.T) {
	t.Parallel()
	for _, acl := range []string{"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read", "bucket-owner-full-control"} {
		for _, extract := range []string{"true", "false"} {
			b := &bucket{}
			got, err := NewS3(b.choose).Start(t.Context(), attempt(t, zipOf(t, entry{name: "k/a"}), "Extract", extract, "ObjectKey", "k",
				"CannedACL", acl, "KMSEncryptionKeyARN", "arn:aws:kms:eu-west-1:111122223333:key/1"))
			must(t, err)
			if got.Status != provider.Succeeded || len(b.objects) != 1 {
				t.Errorf("%s: %+v", acl, got)
			}
			for key, o := range b.objects {
				if o.Options.ACL != acl || o.Options.KMSKeyID != "arn:aws:kms:eu-west-1:111122223333:key/1" || o.Options.CacheControl != "" {
					t.Errorf("%s: %+v", key, o.Options)
				}
			}
		}
	}
}

// The rows of observed.md 16 that fail, and more.
func TestFailures(t *testing.T) {
	t.Parallel()
	refusal := func(code, text string, status int) error {
		return &provider.ObjectError{Code: code, Message: text, Status: status, RequestID: "R", HostID: "H"}
	}
	good := zipOf(t, entry{name: "a", content: "A"}, entry{name: "b", content: "B"})
	damaged := bytes.Clone(good)
	damaged[len("PK\x03\x04")+27] ^= 0xff // the content of a
	brackets := func(status int, code string) string {
		return fmt.Sprintf(" (Service: Amazon S3; Status Code: %d; Error Code: %s; Request ID: R; S3 Extended Request ID: H; Proxy: null)", status, code)
	}
	for _, tt := range []struct {
		name          string
		content       []byte
		configuration []string
		refuse        map[string]error
		code, text    string
		written       []string
	}{
		{"no key", good, []string{"Extract", "false"}, nil, "ConfigurationError",
			"When the extract feature is disabled, you must provide an object. Edit your pipeline to fix the configuration.", nil},
		{"key of a folder", good, []string{"Extract", "false", "ObjectKey", "folder/"}, nil, "ConfigurationError",
			"When the extract feature is disabled, you must provide an object. Edit your pipeline to fix the configuration.", nil},
		{"no Extract", good, []string{"ObjectKey", "k"}, nil, "ConfigurationError",
			"Invalid value for configuration property '': 'Extract'. Edit your pipeline and set 'Extract' to either 'true' or 'false'.", nil},
		{"Extract True", good, []string{"Extract", "True"}, nil, "ConfigurationError",
			"Invalid value for configuration property 'True': 'Extract'. Edit your pipeline and set 'Extract' to either 'true' or 'false'.", nil},
		{"Extract yes", good, []string{"Extract", "yes"}, nil, "ConfigurationError",
			"Invalid value for configuration property 'yes': 'Extract'. Edit your pipeline and set 'Extract' to either 'true' or 'false'.", nil},
		{"unknown ACL", good, []string{"Extract", "true", "CannedACL", "PublicRead"}, nil, "ConfigurationError",
			"Invalid value for configuration property 'PublicRead': 'CannedACL'. Edit your pipeline and set 'CannedACL' to one of [private public-read public-read-write authenticated-read aws-exec-read bucket-owner-read bucket-owner-full-control].", nil},
		{"no artifact", nil, []string{"Extract", "true"}, nil, "ConfigurationError",
			"The input artifact, store/p/App/abc, does not exist or you do not have permissions to access it: The specified key does not exist. (Service: Amazon S3; Status Code: 404; Error Code: NoSuchKey; Request ID: null; S3 Extended Request ID: null; Proxy: null)", nil},
		{"no zip", []byte(`{"CloneUrl":"x"}`), []string{"Extract", "true"}, nil, "JobFailed", "The archive is malformed.", nil},
		{"empty", []byte{}, []string{"Extract", "true"}, nil, "JobFailed", "The archive is malformed.", nil},
		{"cut off", good[:len(good)-30], []string{"Extract", "true"}, nil, "JobFailed", "The archive is malformed.", nil},
		{"damaged entry", damaged, []string{"Extract", "true"}, nil, "JobFailed", "The archive is malformed.", nil},
		{"denied", good, []string{"Extract", "true"}, map[string]error{"*": refusal("AccessDenied", "Access Denied", 403)}, "PermissionError",
			"You do not have sufficient permissions to call s3.putObject for the deployment bucket, out. Verify that the policy on the resource allows you to perform this task. If you choose a canned ACL for your Amazon S3 deployment action, the policy must include the PutObjectAcl action. If the object already exists, the policy must also include the PutObjectVersionAcl action. Access Denied" + brackets(403, "AccessDenied"), nil},
		{"no bucket", good, []string{"Extract", "false", "ObjectKey", "k"}, map[string]error{"*": refusal("NoSuchBucket", "The specified bucket does not exist", 404)}, "ConfigurationError",
			"The deployment bucket, out, does not exist: The specified bucket does not exist" + brackets(404, "NoSuchBucket"), nil},
		{"dot dot slash", zipOf(t, entry{name: "a", content: "A"}, entry{name: "b", content: "B"}, entry{name: "../c", content: "C"}, entry{name: "d", content: "D"}),
			[]string{"Extract", "true"}, nil, "ConfigurationError", "The file name ../c contains invalid sequence: dot-dot-slash.", []string{"out/a", "out/b"}},
		{"dot dot backslash", zipOf(t, entry{name: `x\..\c`, content: "C"}), []string{"Extract", "true"}, nil, "ConfigurationError",
			"The file name x/../c contains invalid sequence: dot-dot-slash.", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := &bucket{refuse: tt.refuse}
			got, err := NewS3(b.choose).Start(t.Context(), attempt(t, tt.content, tt.configuration...))
			must(t, err)
			if got.Status != provider.Failed || got.ErrorCode != tt.code || tt.text != "" && got.ErrorMessage != tt.text || got.ExternalExecutionID != "" || got.Summary != "" {
				t.Errorf("%+v", got)
			}
			for _, key := range tt.written {
				if _, ok := b.objects[key]; !ok {
					t.Errorf("%s is not written", key)
				}
			}
			if tt.written != nil && len(b.objects) != len(tt.written) {
				t.Errorf("written: %v", b.contents())
			}
		})
	}
}

func TestTooManyFiles(t *testing.T) {
	t.Parallel()
	var many bytes.Buffer
	z := zip.NewWriter(&many)
	for i := range maxFiles + 1 {
		_, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprint(i)})
		must(t, err)
	}
	must(t, z.Close())
	b := &bucket{}
	got, err := NewS3(b.choose).Start(t.Context(), attempt(t, many.Bytes(), "Extract", "true"))
	must(t, err)
	if got.ErrorCode != "ConfigurationError" || !strings.Contains(got.ErrorMessage, "more than 100000 files") || b.writes > 0 {
		t.Errorf("%+v, %d writes", got, b.writes)
	}
}

// A repeated start writes the same keys; another attempt writes others.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	content := zipOf(t, entry{name: "a"})
	ids := map[string]bool{}
	for _, id := range []string{"one", "one", "two"} {
		a := attempt(t, content, "Extract", "true", "ObjectKey", "{uuid}/{datetime}/{uuid}")
		a.ID = id
		s := NewS3((&bucket{}).choose)
		got, err := s.Start(t.Context(), a)
		must(t, err)
		again, err := s.Await(t.Context(), a)
		must(t, err)
		if again.ExternalExecutionID != got.ExternalExecutionID || len(got.ExternalExecutionID) != len("out/")+36+1+19+1+36 {
			t.Errorf("%s, then %s", got.ExternalExecutionID, again.ExternalExecutionID)
		}
		ids[got.ExternalExecutionID] = true
	}
	if len(ids) != 2 {
		t.Errorf("%v", ids)
	}
}

// Not knowing is no verdict: the action is asked again.
func TestUnknown(t *testing.T) {
	t.Parallel()
	gone := errors.New("connection reset")
	b := &bucket{refuse: map[string]error{"b": gone}}
	got, err := NewS3(b.choose).Start(t.Context(), attempt(t, zipOf(t, entry{name: "a"}, entry{name: "b"}), "Extract", "true"))
	if !errors.Is(err, gone) || got.Status != "" {
		t.Errorf("%+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err = NewS3((&bucket{}).choose).Start(ctx, attempt(t, zipOf(t, entry{name: "a"}), "Extract", "true"))
	if !errors.Is(err, context.Canceled) || got.Status != "" {
		t.Errorf("%+v, %v", got, err)
	}
	denied := &provider.ObjectError{Code: provider.S3NoCredentials, Message: "There are no credentials for Amazon S3."}
	nowhere := func(provider.Attempt) (provider.Objects, error) { return nil, denied }
	got, err = NewS3(nowhere).Start(t.Context(), attempt(t, zipOf(t), "Extract", "true"))
	if err != nil || got.ErrorCode != "PermissionError" {
		t.Errorf("%+v, %v", got, err)
	}
}

// Whatever the zip, it ends with a verdict and every key stays in the prefix.
func FuzzExtract(f *testing.F) {
	seed := func(entries ...entry) []byte { return zipOf(&testing.T{}, entries...) }
	f.Add(seed(entry{name: "a", content: "A"}))
	f.Add(seed(entry{name: "../a"}, entry{name: `..\a`}, entry{name: "/a"}))
	f.Add(seed(entry{name: "l", content: "..", mode: fs.ModeSymlink | 0o777}))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Add([]byte("PK\x05\x06\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, content []byte) {
		b := &bucket{}
		a := attempt(t, content, "Extract", "true", "ObjectKey", "p")
		a.Log = nil
		if content == nil {
			return
		}
		got, err := NewS3(b.choose).Start(t.Context(), a)
		if err != nil || got.Status == "" {
			t.Errorf("%+v, %v", got, err)
		}
		for key := range b.objects {
			if !strings.HasPrefix(key, "out/p/") || strings.Contains(key, "../") {
				t.Errorf("wrote %q", key)
			}
		}
		if got.Status != provider.Succeeded {
			return
		}
		z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
		if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
			t.Fatalf("deployed what cannot be read: %v", err)
		}
		want := map[string]string{}
		for _, file := range z.File {
			if name := strings.ReplaceAll(file.Name, `\`, "/"); !strings.HasSuffix(name, "/") {
				in, err := file.Open()
				must(t, err)
				text, err := io.ReadAll(in)
				must(t, err)
				want["out/p/"+name] = string(text)
			}
		}
		if d := cmp.Diff(want, b.contents()); d != "" {
			t.Error(d)
		}
	})
}
