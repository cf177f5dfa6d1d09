package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCommitted: the committed files are what the generator writes, and no
// generated file is left over.
func TestCommitted(t *testing.T) {
	t.Parallel()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range services() {
		files, err := generate(root, s)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(root, "internal", "api", s.Package)
		for name, want := range files {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Error(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s/%s is not what the generator writes; run make generate", s.Package, name)
			}
		}
		committed, err := filepath.Glob(filepath.Join(dir, "*_gen.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(committed) != len(files) {
			t.Errorf("%s has %d generated files, the generator writes %d", s.Package, len(committed), len(files))
		}
	}
}

// TestWrite: files no longer generated go away, others are left alone.
func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"old_gen.go", "kept_test.go"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("package x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := write(dir, map[string][]byte{"new_gen.go": []byte("package y\n")}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff([]string{"kept_test.go", "new_gen.go"}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"COMMIT_ID": "CommitId", "S3_OBJECT_KEY": "S3ObjectKey", "JobWorker": "JobWorker", "AWS": "Aws",
		"ThirdParty": "ThirdParty", "V2": "V2", "Latest": "Latest", "GITHUB_HMAC": "GithubHmac",
	} {
		if got := valueName(value); got != want {
			t.Errorf("value %s is named %s, want %s", value, got, want)
		}
	}
	for name, want := range map[string]string{
		"AWSRegionName": "awsRegionName", "PipelineName": "pipelineName", "S3Location": "s3Location", "Url": "url", "URL": "url",
	} {
		if got := unexported(name); got != want {
			t.Errorf("%s is %s unexported, want %s", name, got, want)
		}
	}
}

// TestRefused: what the generator cannot make right it refuses, naming it.
func TestRefused(t *testing.T) {
	t.Parallel()
	const sound = `{"metadata":{"protocol":"json","targetPrefix":"T"},
		"operations":{"Op":{"name":"Op","input":{"shape":"OpInput"},"errors":[{"shape":"E"}]}},
		"shapes":{"OpInput":{"type":"structure","members":{"m":{"shape":"M"}}},
		"E":{"type":"structure","exception":true,"members":{}},"M":{"type":"string","min":1}}}`
	for _, test := range []struct{ name, old, new, want string }{
		{"sound", "", "", ""},
		{"protocol", `"protocol":"json"`, `"protocol":"query"`, `protocol "query"`},
		{"input name", `"shape":"OpInput"`, `"shape":"Other"`, "operation Op"},
		{"missing input", `"OpInput":{"type"`, `"Else":{"type"`, "operation Op"},
		{"exception", `"exception":true,`, ``, "declares E"},
		{"exception members", `"members":{}},"M"`, `"members":{"x":{"shape":"M"}}},"M"`, "exception E"},
		{"missing shape", `"m":{"shape":"M"}`, `"m":{"shape":"N"}`, "shape N, which does not exist"},
		{"unknown type", `{"type":"string","min":1}`, `{"type":"blob"}`, `type "blob"`},
		{"pattern", `"min":1`, `"pattern":"(?!a)b"`, "shape M"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(sound, test.old, test.new, 1)
			if text == sound && test.old != test.new {
				t.Fatal("nothing was replaced")
			}
			root := t.TempDir()
			if err := os.MkdirAll(filepath.Join(root, "model"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, "model", "x.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := generate(root, service{Package: "x", Title: "X"})
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}
