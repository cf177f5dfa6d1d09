package source

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/provider"
)

func TestWorkingCopy(t *testing.T) {
	t.Parallel()
	r := newRepo(t, filepath.Join(t.TempDir(), "demo"))
	r.write(".gitignore", "out/\n", 0o644)
	r.write("run.sh", "one", 0o755)
	r.write("lib/a", "a", 0o644)
	r.write("out/built", "b", 0o644)
	id := r.commit("first")
	start := func(configuration map[string]string) (provider.Report, map[string]string) {
		t.Helper()
		store := &artifacts{}
		configuration["Directory"] = r.dir
		got, err := WorkingCopy{}.Start(t.Context(), attempt(t, store, configuration))
		must(t, err)
		return got, zipped(t, store.kept[outputKey])
	}

	got, files := start(map[string]string{})
	want := map[string]string{
		"AuthorDate": "2024-02-29T11:00:00Z", "AuthorDisplayName": "Ann Author", "AuthorEmail": "ann@example.com", "BranchName": "main",
		"CommitId": id, "CommitMessage": "first", "CommitterDate": "2024-03-01T00:00:00Z", "FullRepositoryName": "demo", "RepositoryName": "demo",
	}
	if d := cmp.Diff(want, got.OutputVariables); d != "" {
		t.Error(d)
	}
	if got.Revision.ID != id || got.Summary != "first" || got.Produced[0] != "Code" {
		t.Errorf("%+v", got)
	}
	if d := cmp.Diff(map[string]string{".gitignore": "-rw-r--r-- out/\n", "run.sh": "-rwxr-xr-x one", "lib/a": "-rw-r--r-- a"}, files); d != "" {
		t.Error(d)
	}

	// Changed: other bytes, other revision; the same bytes, the same revision.
	r.write("new", "n", 0o644)
	must(t, os.Remove(filepath.Join(r.dir, "run.sh")))
	must(t, os.Symlink("lib/a", filepath.Join(r.dir, "run.sh")))
	must(t, os.Symlink("/etc/passwd", filepath.Join(r.dir, "escaping")))
	dirty, files := start(map[string]string{"FullRepositoryId": "o/r", "ConnectionArn": arn})
	if d := cmp.Diff(map[string]string{".gitignore": "-rw-r--r-- out/\n", "run.sh": "Lrwxrwxrwx lib/a", "lib/a": "-rw-r--r-- a", "new": "-rw-r--r-- n"}, files); d != "" {
		t.Error(d)
	}
	if !regexp.MustCompile("^"+id+"-dirty-[0-9a-f]{16}$").MatchString(dirty.Revision.ID) || dirty.OutputVariables["CommitId"] != id {
		t.Errorf("%+v", dirty)
	}
	if v := dirty.OutputVariables; v["FullRepositoryName"] != "o/r" || v["RepositoryName"] != "r" || v["ConnectionArn"] != arn {
		t.Errorf("%v", v)
	}
	if again, _ := start(map[string]string{}); again.Revision.ID != dirty.Revision.ID {
		t.Errorf("the same files have revisions %s and %s", again.Revision.ID, dirty.Revision.ID)
	}
	r.write("new", "m", 0o644)
	if other, _ := start(map[string]string{}); other.Revision.ID == dirty.Revision.ID {
		t.Error("other files have the same revision")
	}
}

func TestWorkingCopyOfPlainFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "plain")
	must(t, os.MkdirAll(dir, 0o755))
	configuration := map[string]string{"Directory": dir, "BranchName": "main"}
	got, err := WorkingCopy{}.Start(t.Context(), attempt(t, &artifacts{}, configuration))
	wantFailure(t, got, err, "ConfigurationError", "has no files")
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("a"), 0o644))
	got, err = WorkingCopy{}.Start(t.Context(), attempt(t, &artifacts{}, configuration))
	must(t, err)
	if !regexp.MustCompile("^[0-9a-f]{64}$").MatchString(got.Revision.ID) {
		t.Errorf("revision %q", got.Revision.ID)
	}
	want := map[string]string{"BranchName": "main", "FullRepositoryName": "plain", "RepositoryName": "plain"}
	if d := cmp.Diff(want, got.OutputVariables); d != "" {
		t.Error(d)
	}
	// The data directory of a server is no part of it.
	must(t, os.MkdirAll(filepath.Join(dir, "data", "blobs"), 0o755))
	for _, name := range []string{"root-key.json", "penstock.lock", "blobs/x"} {
		must(t, os.WriteFile(filepath.Join(dir, "data", name), nil, 0o600))
	}
	must(t, os.WriteFile(filepath.Join(dir, "database"), []byte("d"), 0o644))
	store := &artifacts{}
	_, err = WorkingCopy{}.Start(t.Context(), attempt(t, store, configuration))
	must(t, err)
	if d := cmp.Diff(map[string]string{"a": "-rw-r--r-- a", "database": "-rw-r--r-- d"}, zipped(t, store.kept[outputKey])); d != "" {
		t.Error(d)
	}
	// In the place of an S3 source it has what that has.
	got, err = WorkingCopy{}.Start(t.Context(), attempt(t, &artifacts{}, map[string]string{"Directory": dir, "S3Bucket": "b", "S3ObjectKey": "k.zip"}))
	must(t, err)
	if v := got.OutputVariables; v["BucketName"] != "b" || v["ObjectKey"] != "k.zip" || v["VersionId"] != got.Revision.ID || v["ETag"] == "" {
		t.Errorf("variables %v of revision %s", v, got.Revision.ID)
	}
	for _, bad := range []string{"", "relative", filepath.Join(dir, "none"), filepath.Join(dir, "a")} {
		got, err := WorkingCopy{}.Start(t.Context(), attempt(t, &artifacts{}, map[string]string{"Directory": bad}))
		wantFailure(t, got, err, "ConfigurationError", "folder")
	}
}

func TestOriginPath(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]string{
		"https://github.com/owner/repo.git": "owner/repo", "git@host:owner/repo": "owner/repo", "ssh://git@h:22/a/b/c": "a/b/c",
		"/srv/repo": "", "file:///srv/repo": "", "": "",
	} {
		if got := originPath(origin); got != want {
			t.Errorf("originPath(%q) = %q, want %q", origin, got, want)
		}
	}
}

func TestNotRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, ".git"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, ".git", "config"), nil, 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "app"), []byte("x"), 0o755))
	start := func(text string) (*artifacts, provider.Report, error) {
		store := &artifacts{}
		a := attempt(t, store, map[string]string{"Artifacts": text})
		r, err := NotRunProviders()[1].Start(t.Context(), a)
		return store, r, err
	}
	text, err := json.Marshal(map[string]string{"Code": dir, "Other": "/none"})
	must(t, err)
	store, got, err := start(string(text))
	must(t, err)
	if d := cmp.Diff(provider.Report{Status: provider.Succeeded, Percent: 100, Summary: "not run", Produced: []string{"Code"}}, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"app": "-rwxr-xr-x x"}, zipped(t, store.kept[outputKey])); d != "" {
		t.Error(d)
	}
	if store, got, err := start(""); err != nil || len(got.Produced) > 0 || len(store.kept) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"{", `{"Code": 1}`, `{"Code": "relative"}`, `{"Code": "/no/such/folder"}`} {
		_, got, err := start(bad)
		wantFailure(t, got, err, "ConfigurationError", "")
	}
}

// The types must pass the catalogue, and none may carry out approvals.
func TestTypesFitTheCatalogue(t *testing.T) {
	t.Parallel()
	all := append(NotRunProviders(), WorkingCopy{}, NewS3(nil), NewCodeCommit(nil, (Connection{}).Remote()), NewCodeStarSourceConnection(nil, nil))
	c, err := provider.NewCatalogue(all...)
	must(t, err)
	for _, p := range all {
		id := p.Type().ID
		if got, ok := c.ActionType(id); !ok || !got.Available || got.WhenLost != "Again" || id.Category == "Approval" {
			t.Errorf("%s: %+v", id, got)
		}
	}
}
