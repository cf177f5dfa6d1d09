package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/penstock-cd/penstock/internal/git"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// CodeCommit fetches from the git repositories below one base, by name.
type CodeCommit struct {
	cache *git.Cache
	base  git.Remote
	pause time.Duration
}

var _ provider.Provider = (*CodeCommit)(nil)

// NewCodeCommit returns the provider. A base with an empty URL means that there
// are no repositories: every action fails, saying so.
func NewCodeCommit(cache *git.Cache, base git.Remote) *CodeCommit {
	return &CodeCommit{cache: cache, base: base, pause: time.Second}
}

// Type implements provider.Provider.
func (p *CodeCommit) Type() pipeline.ActionType { return sourceType(pipeline.OwnerAWS, "CodeCommit") }

// Start fetches the source. Its idempotency key is the artifact's location.
func (p *CodeCommit) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	repository, branch := a.Configuration["RepositoryName"], a.Configuration["BranchName"]
	if p.base.URL == "" {
		return provider.Failure(provider.CodeConfigurationError, fmt.Sprintf(
			"The AWS CodeCommit repository %s cannot be fetched: this server has no place for CodeCommit repositories. Set codeCommit in the configuration to a git URL or a local folder that they are below.", repository)), nil
	}
	g := &gitFetch{cache: p.cache, pause: p.pause, repository: repository, branch: branch, format: a.Configuration["OutputArtifactFormat"]}
	g.explain = func(err error) string {
		switch {
		case errors.Is(err, git.ErrNoBranch):
			return fmt.Sprintf("The action failed because no branch named %s was found in the selected AWS CodeCommit repository %s. Make sure you are using the correct branch name, and then try again.", branch, repository)
		case errors.Is(err, git.ErrNoRepository):
			return fmt.Sprintf("The action failed because the AWS CodeCommit repository %s does not exist: %v.", repository, err)
		}
		return ""
	}
	var err error
	if g.remote, err = p.base.Repository(repository); err != nil {
		return verdict(g.fail(a, err))
	}
	commit, failed, err := g.carryOut(ctx, a)
	if failed != nil || err != nil {
		return verdict(failed, err)
	}
	page := fmt.Sprintf("https://console.aws.amazon.com/codecommit/home?region=%s#/repository/%s/commit/%s",
		cmp.Or(a.Region, "us-east-1"), repository, commit.ID)
	variables := commitVariables(commit, branch)
	maps.Copy(variables, map[string]string{
		"CommitterDate":  commit.CommitterDate.Format(dateForm),
		"RepositoryName": repository,
	})
	summary := cutRunes(commit.Message, maxSummary)
	return provider.Report{
		Status: provider.Succeeded, Percent: 100, Summary: summary,
		ExternalExecutionID: commit.ID, ExternalExecutionURL: page,
		OutputVariables: variables, Produced: []string{a.Outputs[0].Name},
		Revision: &pipeline.Revision{ID: commit.ID, Summary: summary, URL: page, Created: commit.CommitterDate.UnixMilli()},
	}, nil
}

// Await fetches again: nothing of an earlier start is known to be whole.
func (p *CodeCommit) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return p.Start(ctx, a)
}

// Stop has nothing to do: the work ends with the context of Start.
func (p *CodeCommit) Stop(context.Context, provider.Attempt) error { return nil }

// Remote returns how to get at the repository that a ClonePointer names, if it
// is below the base.
func (p *CodeCommit) Remote(cloneURL string) (git.Remote, bool) {
	if p.base.URL == "" {
		return git.Remote{}, false
	}
	return below(p.base, cloneURL)
}
