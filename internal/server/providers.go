package server

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/penstock-cd/penstock/internal/git"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/provider/build"
	"github.com/penstock-cd/penstock/internal/provider/deploy"
	"github.com/penstock-cd/penstock/internal/provider/invoke"
	"github.com/penstock-cd/penstock/internal/provider/rule"
	"github.com/penstock-cd/penstock/internal/provider/source"
	"github.com/penstock-cd/penstock/internal/sandbox"
)

// LocalProviders are those that a run of one's own adds: working copies as
// sources, and folders in the place of actions that are left out. They read any
// folder that a pipeline names, so no server of several people has them.
func LocalProviders() []provider.Provider {
	return append([]provider.Provider{source.WorkingCopy{}}, source.NotRunProviders()...)
}

// ActionTypes knows every action type, and which of them a server can run, for
// programs that only ask.
func ActionTypes(more ...provider.Provider) (pipeline.ActionTypes, error) {
	cache, err := git.Open("")
	if err != nil {
		return nil, err
	}
	return catalogueOf(cache, Config{}, nil, invoke.Config{}, nil, more)
}

// catalogue makes the providers: the one explicit list.
func (s *Server) catalogue(ctx context.Context) (*provider.Catalogue, error) {
	cache, err := git.Open(filepath.Join(s.cfg.Data, "git"))
	if err != nil {
		return nil, fmt.Errorf("opening the git mirrors: %w", err)
	}
	objects, err := s.objects(ctx)
	if err != nil {
		return nil, err
	}
	return catalogueOf(cache, s.cfg, objects, s.invoking(), s.log, s.opts.Providers)
}

func catalogueOf(
	cache *git.Cache, cfg Config, objects provider.ObjectsFor, invoking invoke.Config, logger *slog.Logger, more []provider.Provider,
) (*provider.Catalogue, error) {
	connections := source.NewCodeStarSourceConnection(cache, cfg.connections())
	codeCommit := source.NewCodeCommit(cache, git.Remote{URL: cfg.CodeCommit})
	builds := build.Config{
		Sandbox: sandbox.NewProcess(),
		PassEnv: cfg.PassEnvironment,
		// A clone URL comes out of an artifact: only what is below a configured
		// base is cloned, with that base's credentials.
		Clone: func(ctx context.Context, cloneURL, commit, dir string) error {
			remote, ok := connections.Remote(cloneURL)
			if !ok {
				remote, ok = codeCommit.Remote(cloneURL)
			}
			if !ok {
				return fmt.Errorf("clone URL %q is below no configured connection", cloneURL)
			}
			return cache.Clone(ctx, remote, commit, dir)
		},
	}
	ours, err := buildProviders(builds)
	if err != nil {
		return nil, err
	}
	lambda, lambdaRule := invoke.New(invoking)
	providers := slices.Concat([]provider.Provider{
		connections,
		codeCommit,
		source.NewS3(objects),
		deploy.NewS3(objects),
		lambda,
		lambdaRule,
	}, ours, ruleProviders(cfg, logger))
	// What the program brings takes the place of the server's own.
	providers = slices.DeleteFunc(providers, func(own provider.Provider) bool {
		return slices.ContainsFunc(more, func(p provider.Provider) bool { return p.Type().ID == own.Type().ID })
	})
	return provider.NewCatalogue(slices.Concat(providers, more)...)
}

// buildProviders are those that run commands, as actions and as rules.
func buildProviders(c build.Config) ([]provider.Provider, error) {
	codeBuild, err := build.NewCodeBuild(c, pipeline.CategoryBuild)
	if err != nil {
		return nil, err
	}
	codeBuildTest, err := build.NewCodeBuild(c, pipeline.CategoryTest)
	if err != nil {
		return nil, err
	}
	commands, err := build.NewCommands(c)
	if err != nil {
		return nil, err
	}
	codeBuildRule, err := build.NewCodeBuildRule(c)
	if err != nil {
		return nil, err
	}
	commandsRule, err := build.NewCommandsRule(c)
	if err != nil {
		return nil, err
	}
	return []provider.Provider{codeBuild, codeBuildTest, commands, codeBuildRule, commandsRule}, nil
}

// ruleProviders judge the rules of stage conditions that run nothing.
func ruleProviders(cfg Config, logger *slog.Logger) []provider.Provider {
	return []provider.Provider{
		rule.NewVariableCheck(),
		rule.NewDeploymentWindow(nil),
		rule.NewCloudWatchAlarm(rule.CloudWatchConfig{
			Endpoint: cfg.CloudWatch.Endpoint, AccessKeyID: cfg.CloudWatch.AccessKeyID, SecretAccessKey: cfg.CloudWatch.SecretAccessKey,
			Logger: logger,
		}, nil),
	}
}

// objects is where S3 actions read and write.
func (s *Server) objects(ctx context.Context) (provider.ObjectsFor, error) {
	if s.cfg.S3.Endpoint == "" {
		return source.Embedded(s.buckets), nil
	}
	external, err := provider.NewExternalS3(ctx, provider.ExternalS3Config{
		Endpoint: s.cfg.S3.Endpoint, Region: s.cfg.S3.Region, PathStyle: s.cfg.S3.PathStyle,
		AccessKeyID: s.cfg.S3.AccessKeyID, SecretAccessKey: s.cfg.S3.SecretAccessKey,
		Logger: s.log,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the S3 at %s: %w", s.cfg.S3.Endpoint, err)
	}
	s.versions = polledS3{external}
	return func(provider.Attempt) (provider.Objects, error) { return external, nil }, nil
}

func (c Config) connections() map[string]source.Connection {
	connections := map[string]source.Connection{}
	for arn, conn := range c.Connections {
		connections[arn] = conn.source()
	}
	return connections
}

func (c Connection) source() source.Connection {
	return source.Connection{
		BaseURL: c.URL, ProviderType: c.ProviderType, Username: c.Username, Token: c.Token, SSHKeyFile: c.SSHKeyFile,
	}
}
