package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/penstock-cd/penstock/internal/server"
)

func serveCommand() *cobra.Command {
	var file string
	var flags server.Config
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the CodePipeline API and run pipelines",
		Long: `Serve the CodePipeline API and run pipelines, until Ctrl-C or SIGTERM.

All state is in one data directory, or in PostgreSQL with --database. The first
start makes a root key pair in the data directory; penstock env prints what AWS
tools need. Every flag can also be set in the YAML file of --config, and by an
environment variable: PENSTOCK_DATA for --data.`,
		Example: `  penstock serve
  penstock serve --listen 127.0.0.1:8700 --data ./data --account 123456789012
  penstock serve --config penstock.yaml --database postgres://localhost/penstock`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(file, cmd.Flags(), flags, os.LookupEnv)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "YAML file with the configuration")
	bindConfig(cmd.Flags(), &flags)
	return cmd
}

// serve runs a server until the context ends.
func serve(ctx context.Context, cfg server.Config, stderr io.Writer) error {
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: cfg.Level()}))
	s, err := server.Start(ctx, cfg, server.Options{Logger: logger, Version: version()})
	if err != nil {
		return err
	}
	logger.Info("serving", "endpoint", s.Endpoint(), "region", s.Region(), "version", version())
	logger.Warn("builds run as processes of this user: serve only people whom you trust with this machine")
	select {
	case <-ctx.Done():
		logger.Info("stopping")
	case err := <-s.Done():
		logger.Error("serving ended", "error", err)
		defer func() { os.Exit(exitFailed) }()
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	return s.Close(closing)
}

// readConfig reads a configuration file; unknown keys are errors. Without a file
// the configuration is empty.
func readConfig(file string) (server.Config, error) {
	var cfg server.Config
	if file == "" {
		return cfg, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return cfg, refuse("reading the configuration: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&cfg); err != nil && !errors.Is(err, io.EOF) {
		return cfg, refuse("configuration %s: %w", file, err)
	}
	return cfg, nil
}

// loadConfig merges the file, the environment and the flags, in rising order.
func loadConfig(file string, set *pflag.FlagSet, flags server.Config, lookup func(string) (string, bool)) (server.Config, error) {
	cfg, err := readConfig(file)
	if err != nil {
		return cfg, err
	}
	for _, option := range server.Scalars() {
		if value, ok := lookup(option.Env); ok {
			if err := option.Set(&cfg, value); err != nil {
				return cfg, refuse("environment variable %s: %w", option.Env, err)
			}
		}
		if f := set.Lookup(option.Flag); f != nil && f.Changed {
			option.Copy(&cfg, &flags)
		}
	}
	if err := cfg.Check(); err != nil {
		return cfg, refuse("configuration: %w", err)
	}
	return cfg, nil
}

// bindConfig makes a flag of every scalar of the configuration.
func bindConfig(set *pflag.FlagSet, cfg *server.Config) {
	for _, option := range server.Scalars() {
		switch p := option.Pointer(cfg).(type) {
		case *string:
			set.StringVar(p, option.Flag, "", option.Help)
		case *bool:
			set.BoolVar(p, option.Flag, false, option.Help)
		case *int:
			set.IntVar(p, option.Flag, 0, option.Help)
		default:
			panic(fmt.Sprintf("option %s has type %T", option.Flag, p))
		}
	}
}
