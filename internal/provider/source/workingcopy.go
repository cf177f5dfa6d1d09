package source

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/git"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// WorkingCopy takes a folder of this machine as source: what is in it now, with
// changes that are not committed, without what .gitignore names. It reads any
// folder that an action names, so a server for several people must not register
// it; local runs put it in the place of a source action.
//
// Besides Directory it takes the configuration of the action whose place it
// takes, for output variables that a folder does not know.
type WorkingCopy struct{}

var _ provider.Provider = WorkingCopy{}

// Type implements provider.Provider.
func (WorkingCopy) Type() pipeline.ActionType {
	t := sourceType(pipeline.OwnerCustom, "WorkingCopy")
	t.Properties = []pipeline.ConfigurationProperty{
		{Name: "Directory", Required: true, Key: true, Description: "The folder to take the source from."},
		{Name: "ConnectionArn", Key: true, Description: "The value of the output variable ConnectionArn."},
		{Name: "FullRepositoryId", Key: true, Description: "The value of the output variable FullRepositoryName."},
		{Name: "RepositoryName", Key: true, Description: "The value of the output variable RepositoryName."},
		{Name: "BranchName", Key: true, Description: "The value of the output variable BranchName when no branch is checked out."},
		{Name: "S3Bucket", Key: true, Description: "The value of the output variable BucketName; with it the folder also has a VersionId and an ETag."},
		{Name: "S3ObjectKey", Key: true, Description: "The value of the output variable ObjectKey."},
	}
	return t
}

// Start zips the folder. Its idempotency key is the artifact's location.
func (WorkingCopy) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	output, bad := onlyOutput(a)
	if bad != nil {
		return *bad, nil
	}
	dir := a.Configuration["Directory"]
	if !filepath.IsAbs(dir) {
		return provider.Failure(provider.CodeConfigurationError, fmt.Sprintf("The folder %q of a working copy must be an absolute path.", dir)), nil
	}
	w, err := git.ReadWorkingCopy(ctx, dir)
	w.Files = withoutServers(a, w.Files)
	if err == nil && len(w.Files) == 0 {
		return provider.Failure(provider.CodeConfigurationError, fmt.Sprintf("The folder %s has no files.", dir)), nil
	}
	var digest string
	if err == nil {
		digest, err = zipFolder(ctx, a, output, dir, w.Files)
	}
	if err != nil {
		return failFolder(a, dir, err)
	}
	r := workingCopyReport(a, w, dir, digest)
	r.Produced = []string{output.Name}
	return r, nil
}

// withoutServers leaves out the data directories of servers: their keys are no
// part of anybody's source, and their files change while they are read.
func withoutServers(a provider.Attempt, files []string) []string {
	var servers []string
	for _, name := range files {
		if base := path.Base(name); base == iam.RootKeyFile || base == "penstock.lock" {
			servers = append(servers, path.Dir(name)+"/")
		}
	}
	servers = slices.Compact(servers)
	for _, dir := range servers {
		logf(a, "%s is left out: it is the data directory of a server", dir)
	}
	return slices.DeleteFunc(files, func(name string) bool {
		return slices.ContainsFunc(servers, func(dir string) bool { return strings.HasPrefix(name, dir) })
	})
}

// zipFolder keeps the listed files as an artifact and returns the SHA-256 of the
// zip, which is the same for the same files.
func zipFolder(ctx context.Context, a provider.Attempt, output provider.OutputArtifact, dir string, files []string) (string, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	listed, folders := make(map[string]bool, len(files)), map[string]bool{}
	for _, name := range files {
		listed[name] = true
		for up := path.Dir(name); up != "." && !folders[up]; up = path.Dir(up) {
			folders[up] = true
		}
	}
	sum := sha256.New()
	err = put(ctx, a.Artifacts, output.Location, maxGitArtifact, func(w io.Writer) error {
		return provider.WriteZipDir(ctx, io.MultiWriter(w, sum), real, provider.ZipOptions{
			Symlinks: true,
			Include:  func(rel string) bool { return listed[rel] },
			Prune:    func(rel string) bool { return !folders[rel] },
			Skipped: func(rel, reason string) {
				if listed[rel] {
					logf(a, "%s is left out: %s", rel, reason)
				}
			},
		})
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// failFolder makes a verdict of what is wrong with a folder.
func failFolder(a provider.Attempt, dir string, err error) (provider.Report, error) {
	code := provider.CodeConfigurationError
	_, onDisk := errors.AsType[*fs.PathError](err)
	_, said := errors.AsType[*git.CommandError](err)
	switch {
	case ours(err):
		if r := notKept(a, err); r != nil {
			return *r, nil
		}
		return provider.Report{}, fmt.Errorf("take folder of action %s: %w", a.ActionName, err)
	case errors.Is(err, fs.ErrPermission):
		code = provider.CodePermissionError
	case errors.Is(err, errTooLarge), errors.Is(err, git.ErrNotInstalled), onDisk, said:
	default:
		return provider.Report{}, fmt.Errorf("take folder of action %s: %w", a.ActionName, err)
	}
	text := fmt.Sprintf("The folder %s cannot be taken as an artifact: %v.", dir, err)
	logf(a, "%s", text)
	return provider.Failure(code, text), nil
}

func workingCopyReport(a provider.Attempt, w git.WorkingCopy, dir, digest string) provider.Report {
	revision, summary := digest, "Folder "+dir
	variables := map[string]string{}
	if w.Head != nil {
		revision, summary = w.Head.ID, w.Head.Message
		if w.Changed {
			revision += "-dirty-" + digest[:16]
			summary = "Uncommitted changes on top of: " + summary
		}
		variables = commitVariables(*w.Head, "")
		variables["CommitterDate"] = w.Head.CommitterDate.Format(dateForm)
		variables["AuthorDisplayName"] = w.Head.AuthorName
		variables["AuthorEmail"] = w.Head.AuthorEmail
	}
	full := cmp.Or(a.Configuration["FullRepositoryId"], originPath(w.Origin), filepath.Base(dir))
	for name, value := range map[string]string{
		"BranchName":         cmp.Or(w.Branch, a.Configuration["BranchName"]),
		"ConnectionArn":      a.Configuration["ConnectionArn"],
		"FullRepositoryName": full,
		"RepositoryName":     cmp.Or(a.Configuration["RepositoryName"], path.Base(full)),
	} {
		if value != "" {
			variables[name] = value
		}
	}
	if bucket := a.Configuration["S3Bucket"]; bucket != "" {
		variables["BucketName"], variables["ObjectKey"] = bucket, a.Configuration["S3ObjectKey"]
		variables["VersionId"], variables["ETag"] = revision, digest
	}
	summary = cutRunes(summary, maxSummary)
	return provider.Report{
		Status: provider.Succeeded, Percent: 100, Summary: summary, ExternalExecutionID: revision,
		OutputVariables: variables,
		Revision:        &pipeline.Revision{ID: revision, Summary: summary},
	}
}

// originPath is "owner/repo" of a remote's URL, empty for a local one.
func originPath(origin string) string {
	if filepath.IsAbs(origin) || strings.HasPrefix(origin, "file:") {
		return ""
	}
	p := origin
	if u, err := url.Parse(origin); err == nil && u.Host != "" {
		p = u.Path
	} else if _, after, ok := strings.Cut(origin, ":"); ok {
		p = after
	}
	return strings.TrimSuffix(strings.Trim(p, "/"), ".git")
}

// Await zips again: nothing of an earlier start is known to be whole.
func (p WorkingCopy) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return p.Start(ctx, a)
}

// Stop has nothing to do: the work ends with the context of Start.
func (WorkingCopy) Stop(context.Context, provider.Attempt) error { return nil }
