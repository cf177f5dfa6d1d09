package provider_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/provider"
)

// TestSDKLog: what the SDK has to say goes to the logger it was loaded with, as
// records, and without one nowhere.
func TestSDKLog(t *testing.T) {
	metadata := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(metadata.Close)
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.URL, "AWS_EC2_METADATA_DISABLED": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
		"AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = write
	defer func() { os.Stderr = stderr }()
	var told bytes.Buffer
	for _, logger := range []*slog.Logger{slog.New(slog.NewJSONHandler(&told, nil)), nil} {
		c, err := provider.LoadSDK(t.Context(), logger)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Credentials.Retrieve(t.Context()); err == nil {
			t.Error("there are credentials")
		}
	}
	external, err := provider.NewExternalS3(t.Context(), provider.ExternalS3Config{
		Region: "eu-west-1", Logger: slog.New(slog.NewJSONHandler(&told, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := external.Credentials(t.Context()); err == nil {
		t.Error("there are credentials for S3")
	}
	write.Close()
	raw := new(bytes.Buffer)
	if _, err := raw.ReadFrom(read); err != nil || raw.Len() != 0 {
		t.Errorf("on standard error: %q, %v", raw, err)
	}
	if text := told.String(); strings.Count(text, `"level":"WARN","msg":"the AWS SDK says","text":"falling back to IMDSv1`) != 2 {
		t.Errorf("logged: %s", text)
	}
}

// Nothing loads a configuration of the SDK past the logger.
func TestSDKIsLoadedHere(t *testing.T) {
	t.Parallel()
	var found []string
	for _, root := range []string{"../../internal", "../../cmd"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if strings.Contains(string(text), ".LoadDefaultConfig(") {
				found = append(found, filepath.ToSlash(path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"../../internal/provider/sdk.go"}; !slices.Equal(found, want) {
		t.Errorf("the SDK is loaded in %v, not only in %v", found, want)
	}
}
