package source

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/penstock-cd/penstock/internal/git"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// Connection says where the repositories behind a connection are.
type Connection struct {
	// BaseURL is what repositories are below: https://github.com, git@host:, or
	// a local folder.
	BaseURL string
	// ProviderType is GitHub, GitHubEnterpriseServer, GitLab, GitLabSelfManaged,
	// Bitbucket or AzureDevOps. Empty is told from the host, else GitHub.
	ProviderType string
	// Username and Token are for https. An empty Username is the one that the
	// provider wants with a token.
	Username, Token string
	// SSHKeyFile and KnownHostsFile are for ssh; see git.Remote.
	SSHKeyFile, KnownHostsFile string
}

// providerType is the configured one, or what the host tells.
func (c Connection) providerType() string {
	if c.ProviderType != "" {
		return c.ProviderType
	}
	switch {
	case strings.Contains(c.BaseURL, "gitlab.com"):
		return "GitLab"
	case strings.Contains(c.BaseURL, "bitbucket.org"):
		return "Bitbucket"
	case strings.Contains(c.BaseURL, "dev.azure.com"):
		return "AzureDevOps"
	}
	return "GitHub"
}

// Remote is the base of the repositories as git takes it.
func (c Connection) Remote() git.Remote {
	user := c.Username
	if user == "" && c.Token != "" {
		switch c.providerType() {
		case "GitLab", "GitLabSelfManaged":
			user = "oauth2"
		case "Bitbucket":
			user = "x-token-auth"
		default:
			user = "x-access-token"
		}
	}
	return git.Remote{URL: c.BaseURL, Username: user, Password: c.Token, SSHKeyFile: c.SSHKeyFile, KnownHostsFile: c.KnownHostsFile}
}

// CodeStarSourceConnection fetches from git repositories behind connections.
type CodeStarSourceConnection struct {
	cache       *git.Cache
	connections map[string]Connection
	pause       time.Duration
}

var _ provider.Provider = (*CodeStarSourceConnection)(nil)

// NewCodeStarSourceConnection returns the provider. The connections are keyed by
// ARN, by the last part of an ARN, or by "*" for all others.
func NewCodeStarSourceConnection(cache *git.Cache, connections map[string]Connection) *CodeStarSourceConnection {
	return &CodeStarSourceConnection{cache: cache, connections: maps.Clone(connections), pause: time.Second}
}

// Type implements provider.Provider.
func (p *CodeStarSourceConnection) Type() pipeline.ActionType {
	return sourceType(pipeline.OwnerAWS, "CodeStarSourceConnection")
}

// sourceType is a source type whose schema is the catalogue's.
func sourceType(owner, name string) pipeline.ActionType {
	return pipeline.ActionType{
		ID:       pipeline.ActionTypeID{Category: pipeline.CategorySource, Owner: owner, Provider: name, Version: "1"},
		Outputs:  pipeline.ArtifactBounds{Min: 1, Max: 1},
		WhenLost: pipeline.LostAgain,
	}
}

// Start fetches the source. Its idempotency key is the artifact's location.
func (p *CodeStarSourceConnection) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	arn, repository, branch := a.Configuration["ConnectionArn"], a.Configuration["FullRepositoryId"], a.Configuration["BranchName"]
	connection, ok := p.find(arn)
	if !ok {
		return provider.Failure(provider.CodeConfigurationError, fmt.Sprintf(
			"The connection %s is not known to this server. Map it to the place of its repositories in the configuration: an entry under connections named by the ARN, by its last part %q, or by \"*\" for every connection, with a url such as https://github.com or a local folder.",
			arn, lastPart(arn))), nil
	}
	g := &gitFetch{cache: p.cache, pause: p.pause, repository: repository, branch: branch, format: a.Configuration["OutputArtifactFormat"]}
	g.explain = func(err error) string {
		if errors.Is(err, git.ErrNoBranch) {
			return fmt.Sprintf("No Branch [%s] found for FullRepositoryName [%s]", branch, repository)
		}
		return ""
	}
	var err error
	if g.remote, err = connection.Remote().Repository(repository); err != nil {
		return verdict(g.fail(a, err))
	}
	commit, failed, err := g.carryOut(ctx, a)
	if failed != nil || err != nil {
		return verdict(failed, err)
	}
	return connectionReport(a, connection, commit), nil
}

// verdict turns a pointer into the pair that Start returns.
func verdict(r *provider.Report, err error) (provider.Report, error) {
	if r == nil {
		return provider.Report{}, err
	}
	return *r, err
}

func connectionReport(a provider.Attempt, connection Connection, c git.Commit) provider.Report {
	arn, repository, branch := a.Configuration["ConnectionArn"], a.Configuration["FullRepositoryId"], a.Configuration["BranchName"]
	page := fmt.Sprintf("https://%s.console.aws.amazon.com/codesuite/settings/connections/redirect?connectionArn=%s&referenceType=COMMIT&FullRepositoryId=%s&Commit=%s",
		cmp.Or(a.Region, "us-east-1"), arn, repository, c.ID)
	summary := connectionSummary(connection.providerType(), c.Message)
	variables := commitVariables(c, branch)
	maps.Copy(variables, map[string]string{
		"AuthorDisplayName":  c.AuthorName,
		"AuthorEmail":        c.AuthorEmail,
		"ConnectionArn":      arn,
		"FullRepositoryName": repository,
		"ProviderType":       connection.providerType(),
	})
	return provider.Report{
		Status: provider.Succeeded, Percent: 100, Summary: summary,
		ExternalExecutionID: c.ID, ExternalExecutionURL: page,
		OutputVariables: variables, Produced: []string{a.Outputs[0].Name},
		Revision: &pipeline.Revision{ID: c.ID, Summary: summary, URL: page, Created: c.CommitterDate.UnixMilli()},
	}
}

// connectionSummary is JSON text; of a long message it takes what fits.
func connectionSummary(providerType, message string) string {
	// Not a map: CodePipeline's own order.
	type summary struct{ ProviderType, CommitMessage string }
	for most := maxSummary; ; most = most * 3 / 4 {
		var b strings.Builder
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(summary{providerType, cutRunes(message, most)}); err != nil {
			return ""
		}
		if text := strings.TrimSpace(b.String()); utf8.RuneCountInString(text) <= maxSummary || most == 0 {
			return text
		}
	}
}

// Await fetches again: nothing of an earlier start is known to be whole.
func (p *CodeStarSourceConnection) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return p.Start(ctx, a)
}

// Stop has nothing to do: the work ends with the context of Start.
func (p *CodeStarSourceConnection) Stop(context.Context, provider.Attempt) error { return nil }

func (p *CodeStarSourceConnection) find(arn string) (Connection, bool) {
	for _, key := range []string{arn, lastPart(arn), "*"} {
		if c, ok := p.connections[key]; ok && key != "" {
			return c, true
		}
	}
	return Connection{}, false
}

func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// Remote returns how to get at the repository that a ClonePointer names: the
// credentials of the connection whose base it is below, the longest if there
// are several. Nothing outside of the configured bases is found.
func (p *CodeStarSourceConnection) Remote(cloneURL string) (git.Remote, bool) {
	var found git.Remote
	longest := -1
	for _, key := range slices.Sorted(maps.Keys(p.connections)) {
		base := p.connections[key].Remote()
		if r, ok := below(base, cloneURL); ok && len(base.URL) > longest {
			found, longest = r, len(base.URL)
		}
	}
	return found, longest >= 0
}

// below returns the remote of cloneURL with the credentials of its base.
func below(base git.Remote, cloneURL string) (git.Remote, bool) {
	root := strings.TrimPrefix(base.URL, "file://")
	if filepath.IsAbs(root) {
		if u, err := url.Parse(base.URL); err == nil && u.Scheme == "file" {
			root = u.Path
		}
		// Pointers hold the folder behind all links.
		real, err := filepath.EvalSymlinks(root)
		if err != nil {
			return git.Remote{}, false
		}
		root = real
	}
	rest, ok := strings.CutPrefix(cloneURL, root)
	if !ok {
		return git.Remote{}, false
	}
	if !strings.HasSuffix(root, "/") && !strings.HasSuffix(root, ":") {
		if rest, ok = strings.CutPrefix(rest, "/"); !ok {
			return git.Remote{}, false
		}
	}
	r, err := base.Repository(rest)
	if err != nil || r.URL != cloneURL {
		return git.Remote{}, false
	}
	return r, true
}
