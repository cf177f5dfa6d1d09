package s3

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
)

// TestCLI feeds and reads a bucket with the real AWS CLI.
func TestCLI(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the AWS CLI takes a second for each call")
	}
	sigv4test.AWSCLI(t)
	f := newFace(t, false)
	dir, large := t.TempDir(), pattern(9<<20)
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "aws", args...)
		cmd.Dir = dir
		for _, entry := range os.Environ() {
			if !strings.HasPrefix(entry, "AWS_") {
				cmd.Env = append(cmd.Env, entry)
			}
		}
		cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_DEFAULT_REGION=us-east-1",
			"AWS_ENDPOINT_URL="+f.url, "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
			"AWS_CONFIG_FILE="+filepath.Join(dir, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(dir, "none"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	want := func(contains string, args ...string) {
		t.Helper()
		if out, err := run(args...); err != nil || !strings.Contains(out, contains) {
			t.Errorf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	f.must(os.WriteFile(filepath.Join(dir, "in ü.txt"), []byte("from the file"), 0o600))
	f.must(os.WriteFile(filepath.Join(dir, "large"), large, 0o600))
	f.must(os.WriteFile(filepath.Join(dir, "config"), []byte("[default]\ns3 =\n  addressing_style = path\n"), 0o600))
	want("make_bucket: cli-bucket", "s3", "mb", "s3://cli-bucket")
	want("upload: ", "s3", "cp", "in ü.txt", "s3://cli-bucket/folder/in ü.txt", "--metadata", "Summary=one")
	want("13 folder/in ü.txt", "s3", "ls", "s3://cli-bucket", "--recursive")
	want("download: ", "s3", "cp", "s3://cli-bucket/folder/in ü.txt", "out.txt")
	if content, err := os.ReadFile(filepath.Join(dir, "out.txt")); err != nil || string(content) != "from the file" {
		t.Errorf("downloaded %q, %v", content, err)
	}
	want("delete: ", "s3", "rm", "s3://cli-bucket/folder/in ü.txt")
	want("upload: ", "s3", "cp", "large", "s3://cli-bucket/large")               // in parts
	want("move: ", "s3", "mv", "s3://cli-bucket/large", "s3://cli-bucket/moved") // copied in parts
	want("download: ", "s3", "cp", "s3://cli-bucket/moved", "back")
	if content, err := os.ReadFile(filepath.Join(dir, "back")); err != nil || !bytes.Equal(content, large) {
		t.Errorf("downloaded %d bytes, %v", len(content), err)
	}
	url, err := run("s3", "presign", "s3://cli-bucket/moved", "--expires-in", "60")
	f.must(err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSpace(url), nil)
	f.must(err)
	if body := bodyOf(f.do(r)); body != string(large) {
		t.Errorf("presigned: %.300s", body)
	}
	f.must(os.MkdirAll(filepath.Join(dir, "site", "deep"), 0o700))
	for _, name := range []string{"index.html", "deep/a b+c%.txt", "deep/ü&<>.txt"} {
		f.must(os.WriteFile(filepath.Join(dir, "site", name), []byte(name), 0o600))
	}
	want("upload: site/deep/a b+c%.txt", "s3", "sync", "site", "s3://cli-bucket/site")
	if out, err := run("s3", "sync", "site", "s3://cli-bucket/site"); err != nil || out != "" {
		t.Errorf("the second sync has nothing to do: %v\n%s", err, out)
	}
	f.must(os.Remove(filepath.Join(dir, "site", "index.html")))
	want("delete: s3://cli-bucket/site/index.html", "s3", "sync", "site", "s3://cli-bucket/site", "--delete")
	want("download: ", "s3", "sync", "s3://cli-bucket/site", "down")
	if content, err := os.ReadFile(filepath.Join(dir, "down", "deep", "ü&<>.txt")); err != nil || string(content) != "deep/ü&<>.txt" {
		t.Errorf("synced down: %q, %v", content, err)
	}
	want("delete: ", "s3", "rm", "--recursive", "s3://cli-bucket")
}
