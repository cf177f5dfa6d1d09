package source

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/git"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

const arn = "arn:aws:codeconnections:eu-west-1:111122223333:connection/aaaa-bbbb"

func connectionConfiguration(more ...string) map[string]string {
	c := map[string]string{"ConnectionArn": arn, "FullRepositoryId": "owner/repo", "BranchName": "main"}
	for i := 0; i < len(more); i += 2 {
		c[more[i]] = more[i+1]
	}
	return c
}

func TestConnection(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	r := newRepo(t, filepath.Join(base, "owner", "repo.git"))
	r.write("run.sh", "#!/bin/sh\n", 0o755)
	must(t, os.Symlink("run.sh", filepath.Join(r.dir, "link")))
	first := r.commit("say \"hi\" <b> & ü\n\nbody")
	r.write("run.sh", "second\n", 0o755)
	second := r.commit("second")

	for _, key := range []string{arn, "aaaa-bbbb", "*"} {
		p := NewCodeStarSourceConnection(openCache(t), map[string]Connection{key: {BaseURL: base, ProviderType: "GitLab"}})
		store := &artifacts{}
		a := attempt(t, store, connectionConfiguration())
		got, err := p.Start(t.Context(), a)
		must(t, err)
		page := "https://eu-west-1.console.aws.amazon.com/codesuite/settings/connections/redirect?connectionArn=" + arn +
			"&referenceType=COMMIT&FullRepositoryId=owner/repo&Commit=" + second
		summary := `{"ProviderType":"GitLab","CommitMessage":"second"}`
		want := provider.Report{
			Status: provider.Succeeded, Percent: 100, Summary: summary, ExternalExecutionID: second, ExternalExecutionURL: page,
			OutputVariables: map[string]string{
				"AuthorDate": "2024-02-29T11:00:00Z", "AuthorDisplayName": "Ann Author", "AuthorEmail": "ann@example.com",
				"BranchName": "main", "CommitId": second, "CommitMessage": "second", "ConnectionArn": arn,
				"FullRepositoryName": "owner/repo", "ProviderType": "GitLab",
			},
			Produced: []string{"Code"},
			Revision: &pipeline.Revision{ID: second, Summary: summary, URL: page, Created: 1709251200000},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[string]string{"run.sh": "-rwxr-xr-x second\n", "link": "Lrwxrwxrwx run.sh"}, zipped(t, store.kept[outputKey])); d != "" {
			t.Error(d)
		}
		// A commit pinned, twice: the same bytes in the same place.
		a = attempt(t, store, connectionConfiguration(), commitOverride(first))
		got, err = p.Start(t.Context(), a)
		must(t, err)
		once := store.kept[outputKey]
		if got.Revision.ID != first || got.Summary != `{"ProviderType":"GitLab","CommitMessage":"say \"hi\" <b> & ü\n\nbody"}` {
			t.Errorf("%+v", got)
		}
		_, err = p.Await(t.Context(), a)
		if must(t, err); string(once) != string(store.kept[outputKey]) {
			t.Error("a repeated start wrote other bytes")
		}
	}
}

func TestClonePointer(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	r := newRepo(t, filepath.Join(base, "owner", "repo"))
	r.write("f", "x", 0o644)
	id := r.commit("first")
	cache := openCache(t)
	p := NewCodeStarSourceConnection(cache, map[string]Connection{"*": {BaseURL: "file://" + base, Token: "t"}})
	store := &artifacts{}
	_, err := p.Start(t.Context(), attempt(t, store, connectionConfiguration("OutputArtifactFormat", "CODEBUILD_CLONE_REF")))
	must(t, err)
	real, err := filepath.EvalSymlinks(r.dir)
	must(t, err)
	var got map[string]string
	must(t, json.Unmarshal(store.kept[outputKey], &got))
	want := map[string]string{"AccountId": "111122223333", "FullRepositoryName": "owner/repo", "CloneUrl": real, "CommitId": id, "BranchName": "main"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// The pointer leads a build back to the repository.
	remote, ok := p.Remote(got["CloneUrl"])
	if !ok || remote.Password != "t" {
		t.Fatalf("Remote = %+v, %v", remote, ok)
	}
	must(t, cache.Clone(t.Context(), remote, id, filepath.Join(t.TempDir(), "clone")))
}

func TestRemoteOfPointer(t *testing.T) {
	t.Parallel()
	p := NewCodeStarSourceConnection(nil, map[string]Connection{
		"a": {BaseURL: "https://github.com", Token: "all"}, "b": {BaseURL: "https://github.com/owner/", Token: "one"}, "c": {BaseURL: "git@host:", SSHKeyFile: "k"},
	})
	for url, want := range map[string]string{
		"https://github.com/other/repo": "all", "https://github.com/owner/repo": "one", "git@host:owner/repo": "",
	} {
		if got, ok := p.Remote(url); !ok || got.URL != url || got.Password != want {
			t.Errorf("Remote(%s) = %+v, %v", url, got, ok)
		}
	}
	for _, url := range []string{
		"", "https://evil/owner/repo", "https://github.com.evil/owner/repo", "https://github.com", "https://github.com/", "https://github.com/../x",
		"https://github.com/a b", "/etc", "ext::sh", "git@host", "git@host:", "git@host:-x",
	} {
		if got, ok := p.Remote(url); ok {
			t.Errorf("Remote(%q) = %+v", url, got)
		}
	}
	if _, ok := NewCodeCommit(nil, git.Remote{}).Remote("/x"); ok {
		t.Error("CodeCommit without a base knows a repository")
	}
}

func TestConnectionFailures(t *testing.T) {
	t.Parallel()
	base, outside := t.TempDir(), t.TempDir()
	r := newRepo(t, filepath.Join(base, "owner", "repo"))
	r.commit("first")
	newRepo(t, filepath.Join(outside, "secret")).commit("secret")
	must(t, os.Symlink(outside, filepath.Join(base, "away")))
	p := NewCodeStarSourceConnection(openCache(t), map[string]Connection{
		"aaaa-bbbb": {BaseURL: base}, "bad": {BaseURL: "ext::sh -c id"}, "gone": {BaseURL: "https://localhost:1"}, "none": {BaseURL: filepath.Join(base, "none")},
	})
	p.pause = 1
	for _, tt := range []struct {
		name          string
		configuration map[string]string
		override      string
		code, text    string
	}{
		{"unknown connection", connectionConfiguration("ConnectionArn", "x/cccc"), "", "ConfigurationError", "The connection x/cccc is not known to this server. Map it"},
		{"no branch", connectionConfiguration("BranchName", "none"), "", "ConfigurationError", "No Branch [none] found for FullRepositoryName [owner/repo]"},
		{"no repository", connectionConfiguration("FullRepositoryId", "owner/none"), "", "ConfigurationError", `no repository "owner/none"`},
		{"no base", connectionConfiguration("ConnectionArn", "none"), "", "ConfigurationError", "repository does not exist"},
		{"out of the base", connectionConfiguration("FullRepositoryId", "../"+filepath.Base(outside)+"/secret"), "", "ConfigurationError", "invalid name"},
		{"link out of the base", connectionConfiguration("FullRepositoryId", "away/secret"), "", "ConfigurationError", "leaves its base folder"},
		{"option as repository", connectionConfiguration("FullRepositoryId", "--upload-pack=x"), "", "ConfigurationError", "invalid name"},
		{"option as branch", connectionConfiguration("BranchName", "--upload-pack=touch x"), "", "ConfigurationError", "invalid name"},
		{"transport helper", connectionConfiguration("ConnectionArn", "bad"), "", "ConfigurationError", "transport helpers are not allowed"},
		{"no commit", connectionConfiguration(), strings.Repeat("1", 40), "RevisionUnavailable", "commit does not exist"},
		{"no commit id", connectionConfiguration(), "v1.0", "RevisionUnavailable", "40 or 64 hexadecimal digits"},
		{"unreachable", connectionConfiguration("ConnectionArn", "gone"), "", "SystemUnavailable", "remote cannot be reached"},
		{"unknown format", connectionConfiguration("OutputArtifactFormat", "TAR"), "", "ConfigurationError", "'OutputArtifactFormat'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := &artifacts{}
			a := attempt(t, store, tt.configuration)
			if tt.override != "" {
				a.Overrides = append(a.Overrides, commitOverride(tt.override))
			}
			got, err := p.Start(t.Context(), a)
			wantFailure(t, got, err, tt.code, tt.text)
			if len(store.kept) > 0 {
				t.Error("a failed action left an artifact")
			}
		})
	}
	// Trouble of our own storage is no verdict.
	full := errors.New("disk full")
	if got, err := p.Start(t.Context(), attempt(t, &artifacts{fail: full}, connectionConfiguration())); !errors.Is(err, full) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCodeCommit(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	r := newRepo(t, filepath.Join(base, "demo"))
	r.write("f", "x", 0o644)
	id := r.commit("first")
	p := NewCodeCommit(openCache(t), git.Remote{URL: base})
	configuration := map[string]string{"RepositoryName": "demo", "BranchName": "main"}
	got, err := p.Start(t.Context(), attempt(t, &artifacts{}, configuration))
	must(t, err)
	page := "https://console.aws.amazon.com/codecommit/home?region=eu-west-1#/repository/demo/commit/" + id
	want := provider.Report{
		Status: provider.Succeeded, Percent: 100, Summary: "first", ExternalExecutionID: id, ExternalExecutionURL: page,
		OutputVariables: map[string]string{
			"AuthorDate": "2024-02-29T11:00:00Z", "BranchName": "main", "CommitId": id, "CommitMessage": "first",
			"CommitterDate": "2024-03-01T00:00:00Z", "RepositoryName": "demo",
		},
		Produced: []string{"Code"},
		Revision: &pipeline.Revision{ID: id, Summary: "first", URL: page, Created: 1709251200000},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, tt := range []struct{ key, value, code, text string }{
		{"BranchName", "none", "ConfigurationError", "no branch named none was found in the selected AWS CodeCommit repository demo"},
		{"RepositoryName", "none", "ConfigurationError", "the AWS CodeCommit repository none does not exist"},
		{"RepositoryName", "../demo", "ConfigurationError", "invalid name"},
	} {
		c := maps.Clone(configuration)
		c[tt.key] = tt.value
		got, err := p.Start(t.Context(), attempt(t, &artifacts{}, c))
		wantFailure(t, got, err, tt.code, tt.text)
	}
	got, err = NewCodeCommit(openCache(t), git.Remote{}).Start(t.Context(), attempt(t, &artifacts{}, configuration))
	wantFailure(t, got, err, "ConfigurationError", "no place for CodeCommit repositories")
}

func TestLongMessages(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü\"", 60<<10)
	if got := cutBytes(long, maxMessageVariable); len(got) > maxMessageVariable || len(got) < maxMessageVariable-1 || !utf8.ValidString(got) {
		t.Errorf("%d bytes", len(got))
	}
	text := connectionSummary("GitHub", long)
	var s map[string]string
	if err := json.Unmarshal([]byte(text), &s); err != nil || utf8.RuneCountInString(text) > maxSummary || len(s["CommitMessage"]) < 1000 {
		t.Errorf("%v %d %q", err, len(text), text)
	}
	if got := cutRunes("aüb", 2); got != "aü" {
		t.Errorf("cutRunes = %q", got)
	}
}

func TestProviderTypeOfHost(t *testing.T) {
	t.Parallel()
	for base, want := range map[string][2]string{
		"https://github.com": {"GitHub", "x-access-token"}, "https://gitlab.com/x": {"GitLab", "oauth2"},
		"https://bitbucket.org": {"Bitbucket", "x-token-auth"}, "https://dev.azure.com/org": {"AzureDevOps", "x-access-token"}, "/srv": {"GitHub", "x-access-token"},
	} {
		c := Connection{BaseURL: base, Token: "t"}
		if got := [2]string{c.providerType(), c.Remote().Username}; got != want {
			t.Errorf("%s: %v, want %v", base, got, want)
		}
	}
}
