package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/penstock-cd/penstock/internal/git"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// The values of OutputArtifactFormat.
const (
	formatZip   = "CODE_ZIP"
	formatClone = "CODEBUILD_CLONE_REF"
)

const (
	maxMessageVariable = 100 << 10 // bytes of CommitMessage
	maxSummary         = 2048      // characters of a summary
	dateForm           = "2006-01-02T15:04:05Z"
	unreachableTries   = 3
)

// ClonePointer is the content of an artifact in the format
// CODEBUILD_CLONE_REF: what a build needs to clone the source itself
// (actions.md A.4.1).
type ClonePointer struct {
	AccountID          string `json:"AccountId"`
	FullRepositoryName string `json:"FullRepositoryName"`
	CloneURL           string `json:"CloneUrl"`
	CommitID           string `json:"CommitId"`
	BranchName         string `json:"BranchName"`
}

// gitFetch is what the two git providers have in common: one branch or commit
// of one repository becomes an artifact.
type gitFetch struct {
	cache      *git.Cache
	pause      time.Duration // before the second try; doubled for the third
	remote     git.Remote
	repository string
	branch     string
	format     string
	// explain words a failure as the provider does; nil for the words of git.
	explain func(error) string
}

// carryOut fetches and keeps the artifact. The report is nil when it was kept.
func (g *gitFetch) carryOut(ctx context.Context, a provider.Attempt) (git.Commit, *provider.Report, error) {
	output, bad := onlyOutput(a)
	if bad != nil {
		return git.Commit{}, bad, nil
	}
	if g.format != "" && g.format != formatZip && g.format != formatClone {
		r := provider.Failure(provider.CodeConfigurationError,
			fmt.Sprintf("Invalid value for configuration property '%s': 'OutputArtifactFormat'. Set it to either '%s' or '%s'.", g.format, formatZip, formatClone))
		return git.Commit{}, &r, nil
	}
	commit, err := g.find(ctx, a)
	if err == nil {
		err = put(ctx, a.Artifacts, output.Location, maxGitArtifact, func(w io.Writer) error { return g.write(ctx, a, commit, w) })
	}
	if err != nil {
		r, err := g.fail(a, err)
		return git.Commit{}, r, err
	}
	return commit, nil, nil
}

// find returns the commit that an override names, or the newest of the branch.
// A remote that cannot be reached is tried again a few times.
func (g *gitFetch) find(ctx context.Context, a provider.Attempt) (git.Commit, error) {
	pause := g.pause
	for try := 1; ; try++ {
		commit, err := g.findOnce(ctx, a)
		if !errors.Is(err, git.ErrUnreachable) || try == unreachableTries {
			return commit, err
		}
		logf(a, "%v; trying again", err)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return git.Commit{}, context.Cause(ctx)
		case <-timer.C:
		}
		pause *= 2
	}
}

func (g *gitFetch) findOnce(ctx context.Context, a provider.Attempt) (git.Commit, error) {
	for _, o := range a.Overrides {
		if o.RevisionType == pipeline.RevisionCommitID {
			commit, err := g.cache.Commit(ctx, g.remote, strings.ToLower(o.RevisionValue))
			if errors.Is(err, git.ErrName) && git.CheckCommit(strings.ToLower(o.RevisionValue)) != nil {
				err = fmt.Errorf("%w: %w", git.ErrNoCommit, err)
			}
			return commit, err
		}
	}
	return g.cache.Resolve(ctx, g.remote, g.branch)
}

func (g *gitFetch) write(ctx context.Context, a provider.Attempt, c git.Commit, w io.Writer) error {
	if g.format != formatClone {
		return g.cache.Archive(ctx, g.remote, c.ID, w)
	}
	return json.NewEncoder(w).Encode(ClonePointer{
		AccountID: a.Account, FullRepositoryName: g.repository, CloneURL: g.remote.URL, CommitID: c.ID, BranchName: g.branch,
	})
}

// fail makes a verdict of what git said. What is not git's answer is returned
// as an error: the outcome is not known.
func (g *gitFetch) fail(a provider.Attempt, err error) (*provider.Report, error) {
	code := ""
	_, said := errors.AsType[*git.CommandError](err)
	switch {
	case ours(err):
		if r := notKept(a, err); r != nil {
			return r, nil
		}
		return nil, fmt.Errorf("fetch source of action %s: %w", a.ActionName, err)
	case errors.Is(err, git.ErrNoCommit):
		code = provider.CodeRevisionUnavailable
	case errors.Is(err, git.ErrName), errors.Is(err, git.ErrNoBranch), errors.Is(err, git.ErrNoRepository), errors.Is(err, git.ErrNotInstalled):
		code = provider.CodeConfigurationError
	case errors.Is(err, git.ErrDenied), errors.Is(err, fs.ErrPermission):
		code = provider.CodePermissionError
	case errors.Is(err, git.ErrUnreachable):
		code = provider.CodeSystemUnavailable
	case errors.Is(err, errTooLarge):
		r := provider.Failure(provider.CodeJobFailed, fmt.Sprintf("The source artifact of repository %s is larger than 1 GB.", g.repository))
		return &r, nil
	case said:
		code = provider.CodeJobFailed
	default:
		return nil, fmt.Errorf("fetch source of action %s: %w", a.ActionName, err)
	}
	text := ""
	if g.explain != nil {
		text = g.explain(err)
	}
	if text == "" {
		text = fmt.Sprintf("The source could not be fetched from repository %s: %v.", g.repository, err)
	}
	logf(a, "%s", text)
	r := provider.Failure(code, text)
	return &r, nil
}

// commitVariables are those that all git sources share.
func commitVariables(c git.Commit, branch string) map[string]string {
	v := map[string]string{
		"AuthorDate":    c.AuthorDate.Format(dateForm),
		"CommitId":      c.ID,
		"CommitMessage": cutBytes(c.Message, maxMessageVariable),
	}
	if branch != "" {
		v["BranchName"] = branch
	}
	return v
}

// cutBytes shortens a text to at most n bytes, not within a character.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// cutRunes shortens a text to at most n characters.
func cutRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
