package s3

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCLI feeds and reads a bucket with the real AWS CLI.
func TestCLI(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the AWS CLI takes a second for each call")
	}
	program, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the AWS CLI is not installed")
	}
	f := newFace(t, false)
	dir := t.TempDir()
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = dir
		for _, entry := range os.Environ() {
			if !strings.HasPrefix(entry, "AWS_") {
				cmd.Env = append(cmd.Env, entry)
			}
		}
		cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_DEFAULT_REGION=us-east-1",
			"AWS_ENDPOINT_URL="+f.url, "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
			"AWS_CONFIG_FILE="+filepath.Join(dir, "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(dir, "none"))
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
	f.must(os.WriteFile(filepath.Join(dir, "large"), make([]byte, 9<<20), 0o600))
	want("make_bucket: cli-bucket", "s3", "mb", "s3://cli-bucket")
	want("", "s3api", "put-bucket-versioning", "--bucket", "cli-bucket", "--versioning-configuration", "Status=Enabled")
	want("upload: ", "s3", "cp", "in ü.txt", "s3://cli-bucket/folder/in ü.txt", "--metadata", "Summary=one")
	want("PRE folder/", "s3", "ls", "s3://cli-bucket")
	want("13 folder/in ü.txt", "s3", "ls", "s3://cli-bucket", "--recursive")
	want("cli-bucket", "s3", "ls")
	want("from the file", "s3", "cp", "s3://cli-bucket/folder/in ü.txt", "-")
	want(`"summary": "one"`, "s3api", "head-object", "--bucket", "cli-bucket", "--key", "folder/in ü.txt")
	want("download: ", "s3", "cp", "s3://cli-bucket/folder/in ü.txt", "out.txt")
	if content, err := os.ReadFile(filepath.Join(dir, "out.txt")); err != nil || string(content) != "from the file" {
		t.Errorf("downloaded %q, %v", content, err)
	}
	want("delete: ", "s3", "rm", "s3://cli-bucket/folder/in ü.txt")
	if out, err := run("s3", "cp", "large", "s3://cli-bucket/large"); err == nil || !strings.Contains(out, "NotImplemented") || !strings.Contains(out, "CreateMultipartUpload") {
		t.Errorf("a multipart upload: %v\n%s", err, out)
	}
	want("", "s3api", "put-object", "--bucket", "cli-bucket", "--key", "large", "--body", "large")
	want("9437184 large", "s3", "ls", "s3://cli-bucket/")
}
