package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/penstock-cd/penstock/internal/server"
)

// runOptions are the flags of run.
type runOptions struct {
	sources   []string
	variables []string
	skips     []string
	artifacts []string
	to        string
	fetch     bool
	approve   bool
	data      string
	config    string
	region    string
	output    string
	verbose   bool
}

func runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run FILE_OR_DIR",
		Short: "Run a pipeline on this machine, once, and wait for its end",
		Long: `It is the same engine as penstock serve, in this process, and the builds are really
run, as processes of yours.

FILE_OR_DIR is a pipeline as JSON or YAML, in the shape of get-pipeline's output
or create-pipeline's input, or a folder with a pipeline.json, .yaml or .yml; "-" is
standard input. If the pipeline has one source action and that fetches from git,
the folder of the file is taken as its working copy, uncommitted changes included;
--source names folders for others, and with --fetch it is fetched from where the
connections of --config lead. Buckets that the pipeline names are made, and empty.

What a build says of itself is left out but for its commands and what went wrong;
--verbose shows it, and so does --output json.

Exit status: 0 the execution Succeeded; 1 it did not; 2 the pipeline or the
command line was refused and nothing ran; 4 everything that ran succeeded but
--to or --skip left parts out; 130 interrupted.`,
		Example: `  penstock run examples/hello
  penstock run pipeline.json --source Source=. --var Environment=staging
  penstock run examples/webapp --approve
  penstock run pipeline.yaml --to Build
  penstock run pipeline.yaml --skip Deploy/Publish
  penstock run pipeline.yaml --skip Build/Compile --artifact BuildOutput=./dist --var BuildVariables.VERSION=1.2`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runPipeline(cmd.Context(), args[0], o, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.sources, "source", nil, "take the output of a source action from a working copy, as `ACTION=DIR`")
	f.BoolVar(&o.fetch, "fetch", false, "fetch sources from where --config says, also if the folder of the file could stand for them")
	f.StringArrayVar(&o.variables, "var", nil, "value of a pipeline variable, as `NAME=VALUE`; or of a left-out action's, as NAMESPACE.NAME=VALUE")
	f.StringArrayVar(&o.skips, "skip", nil, "leave out an action, as `STAGE/ACTION`")
	f.StringArrayVar(&o.artifacts, "artifact", nil, "what a left-out action would have produced, as `NAME=DIR`")
	f.StringVar(&o.to, "to", "", "the last `STAGE` to run")
	f.BoolVar(&o.approve, "approve", false, "approve every approval without asking")
	f.StringVar(&o.data, "data", "", "keep the server's data in `DIR`; without it everything is forgotten")
	f.StringVar(&o.config, "config", "", "YAML `FILE` with the connections, codeCommit, s3, cloudWatch, lambda, functions, account, region and passEnvironment of penstock serve")
	f.StringVar(&o.region, "region", "", "region of the pipeline (default: the one its artifact stores tell, else us-east-1)")
	f.BoolVar(&o.verbose, "verbose", false, "show all that builds say of themselves, and the server's own log on standard error")
	outputFlag(cmd, &o.output, "text, or json: one object a line (docs/commands.md)")
	return cmd
}

// runPipeline is the command: prepare, serve, execute, tell.
func runPipeline(ctx context.Context, path string, o runOptions, stdin io.Reader, stdout, stderr io.Writer) error {
	f, err := readDeclaration(path, stdin)
	if err != nil {
		return err
	}
	r, err := rewrite(f, o)
	if err != nil {
		return err
	}
	cfg, cleanUp, err := runConfig(f, o)
	if err != nil {
		return err
	}
	defer cleanUp()
	types, err := server.ActionTypes(server.LocalProviders()...)
	if err != nil {
		return err
	}
	if err := r.check(types, cfg.Region); err != nil {
		return err
	}
	if err := r.checkSources(cfg, o.data == ""); err != nil {
		return err
	}
	logger := slog.New(slog.DiscardHandler)
	if o.verbose {
		logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s, err := server.Start(ctx, cfg, server.Options{Logger: logger, Providers: server.LocalProviders(), Version: version()})
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		if err := s.Close(closing); err != nil {
			fmt.Fprintln(stderr, "penstock: closing the server:", err)
		}
	}()
	if err := hideFromGit(cfg.Data); err != nil {
		return err
	}
	if err := makeBuckets(ctx, s, r.decl); err != nil {
		return err
	}
	shown := newShow(o, stdout)
	e := &follower{
		client: newClient(s.Endpoint(), cfg.Region, s.Root()), rewritten: r, show: shown, approve: o.approve,
	}
	if in := terminal(stdin, stdout); in != nil {
		e.prompt = newPrompter(in, shown)
	}
	return e.execute(ctx)
}

// terminal returns where to ask people, nil if there is nobody to ask.
func terminal(stdin io.Reader, stdout io.Writer) io.Reader {
	in, ok := stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) || !isTerminal(stdout) {
		return nil
	}
	return in
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// runConfig is the configuration of the embedded server: of the file what says
// how to reach sources and deployments, not where a server keeps its state.
func runConfig(f declarationFile, o runOptions) (server.Config, func(), error) {
	read, err := readConfig(o.config)
	if err != nil {
		return server.Config{}, nil, err
	}
	cfg := server.Config{
		Listen: "127.0.0.1:0", Data: o.data, Account: read.Account, Region: cmp.Or(o.region, regionOf(f, read.Config)),
		Connections: read.Connections, CodeCommit: read.CodeCommit, S3: read.S3, CloudWatch: read.CloudWatch,
		Lambda: read.Lambda, Functions: read.Functions, PassEnvironment: read.PassEnvironment,
	}
	if err := cfg.Check(); err != nil {
		return cfg, nil, refuse("configuration: %w", err)
	}
	// Builds of one's own may use one's own caches and proxies.
	shareCaches()
	cfg.PassEnvironment = append(cfg.PassEnvironment, passedByRun...)
	if o.data != "" {
		if info, err := os.Stat(o.data); err == nil && !info.IsDir() {
			return cfg, nil, refuse("--data: %s is no folder", o.data)
		}
		return cfg, func() {}, nil
	}
	cfg.Data, err = os.MkdirTemp("", "penstock-run-")
	if err != nil {
		return cfg, nil, fmt.Errorf("making a temporary data directory: %w", err)
	}
	return cfg, func() { os.RemoveAll(cfg.Data) }, nil
}

// passedByRun are the variables of the user's environment that builds see in
// penstock run: where tools keep their caches and how they reach the network.
var passedByRun = []string{
	"GOPATH", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN", "GONOSUMDB", "GOPRIVATE",
	"npm_config_cache", "npm_config_registry", "PIP_CACHE_DIR", "PIP_INDEX_URL", "CARGO_HOME", "RUSTUP_HOME", "JAVA_HOME",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "LANG", "LC_ALL", "TZ",
}

// regionOf is the region a pipeline was written for, as far as it tells.
func regionOf(f declarationFile, c server.Config) string {
	home := cmp.Or(c.Region, server.DefaultRegion)
	regions := slices.Sorted(maps.Keys(f.decl.ArtifactStores))
	if len(regions) == 0 || slices.Contains(regions, home) {
		return home
	}
	return regions[0]
}

// makeBuckets makes the buckets that a pipeline names: in a run of one's own
// there is nobody else to make them.
func makeBuckets(ctx context.Context, s *server.Server, d declaration) error {
	for _, name := range bucketsOf(d) {
		if err := s.EnsureBucket(ctx, name); err != nil {
			return refuse("bucket %s: %w", name, err)
		}
	}
	return nil
}

// hideFromGit makes git ignore a data directory, for those who have it in a
// working copy: it has keys in it, and changes all the time.
func hideFromGit(data string) error {
	file, err := os.OpenFile(filepath.Join(data, ".gitignore"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("hiding the data directory from git: %w", err)
	}
	_, err = file.WriteString("*\n")
	return errors.Join(err, file.Close())
}

// absolute makes a folder named on the command line absolute.
func absolute(dir string) (string, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", errors.New(dir + " is no folder")
	}
	return path, nil
}
