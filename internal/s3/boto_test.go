package s3

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
)

// TestBoto3 runs a script of boto3, which moves large files with threads of its
// own.
func TestBoto3(t *testing.T) {
	t.Parallel()
	sigv4test.Boto3(t)
	for name, open := range map[string]func(*testing.T, bool) *face{"sqlite": newFace, "postgres": newFacePostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testBoto3(t, open(t, false))
		})
	}
}

func testBoto3(t *testing.T, f *face) {
	f.maxRow = maxRow
	cmd := exec.CommandContext(t.Context(), "python3", "testdata/conformance.py")
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "AWS_") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ENDPOINT_URL="+f.url, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := f.Sweep(t.Context(), -time.Hour); err != nil {
		t.Error(err)
	}
	f.wantBlobs(0)
}
