package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-cd/penstock/internal/server"
)

func serveCommand() *cobra.Command {
	var file string
	var flags server.Config
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the CodePipeline API and run pipelines",
		Long: `It serves until Ctrl-C or SIGTERM. All state is in one data directory; with --database
its rows are in PostgreSQL. The first start makes a root key pair in the data
directory; penstock env prints what AWS tools need. The server is ready when it
says "serving", with its endpoint, on standard error; --log-format json is for
programs that wait for that.

Every flag is also a key of the YAML file of --config and an environment
variable: --data is data and PENSTOCK_DATA. A flag is stronger than the variable,
the variable than the file. penstock check-config shows what is in force.

Exit status: 0 stopped by a signal; 1 something went wrong; 2 the configuration
was refused.`,
		Example: `  penstock serve
  penstock serve --listen 127.0.0.1:8700 --data ./data --account 123456789012
  penstock serve --config penstock.yaml --database postgres://localhost/penstock`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(file, cmd.Flags(), flags, os.LookupEnv)
			if err != nil {
				return err
			}
			if err := errors.Join(cfg.Check(), cfg.CheckItself(cmd.Context(), cfg.Effective().Listen)); err != nil {
				return refuse("configuration: %w", err)
			}
			return serve(cmd.Context(), cfg.Config, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "YAML `FILE` with the configuration")
	bindConfig(cmd.Flags(), &flags)
	return cmd
}

// serve runs a server until the context ends.
func serve(ctx context.Context, cfg server.Config, stderr io.Writer) error {
	options := &slog.HandlerOptions{Level: cfg.Level()}
	logger := slog.New(slog.NewTextHandler(stderr, options))
	if cfg.LogFormat == "json" {
		logger = slog.New(slog.NewJSONHandler(stderr, options))
	}
	s, err := server.Start(ctx, cfg, server.Options{Logger: logger, Version: version()})
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped before it was ready
		}
		return err
	}
	if err := hideFromGit(cfg.Effective().Data); err != nil {
		logger.Warn("the data directory is not hidden from git", "error", err)
	}
	logger.Warn("builds run as processes of this user: serve only people whom you trust with this machine")
	logger.Info("serving", "endpoint", s.Endpoint(), "region", s.Region(), "version", version())
	var ended error
	select {
	case <-ctx.Done():
		logger.Info("stopping")
	case err := <-s.Done():
		ended = fmt.Errorf("serving ended: %w", err)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if err := s.Close(closing); err != nil {
		return err
	}
	return ended
}
