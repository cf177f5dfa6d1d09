package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

func envCommand() *cobra.Command {
	var data, output string
	var wait bool
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the environment with which AWS tools talk to the server",
		Long: `These are the endpoint, keys and region of the server that serves, or last served,
from a data directory, as commands for a shell. They also unset what would win over
the keys or lead AWS tools elsewhere. With --wait it first waits until the server
is ready, for scripts that have just started it.

Exit status: 0 printed; 1 with --wait, the server is not ready after 30 seconds;
2 no server has served from there.`,
		Example: `  eval "$(penstock env)"
  penstock serve --data ./data & eval "$(penstock env --data ./data --wait)"
  eval "$(penstock env --data ./data)" && aws codepipeline list-pipelines
  penstock env --output json`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			env, err := readEnvironment(data)
			if wait {
				env, err = waitEnvironment(cmd.Context(), data)
			}
			if err != nil {
				return err
			}
			if output == "json" {
				variables := map[string]string{}
				for _, v := range exports(env) {
					variables[v[0]] = v[1]
				}
				return writeJSON(cmd.OutOrStdout(), variables)
			}
			for _, v := range exports(env) {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "export %s=%s\n", v[0], shellQuote(v[1])); err != nil {
					return err
				}
			}
			// What would win over the keys, or point somewhere else.
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "unset AWS_SESSION_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE AWS_IGNORE_CONFIGURED_ENDPOINT_URLS AWS_ENDPOINT_URL_CODEPIPELINE AWS_ENDPOINT_URL_S3")
			return err
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the server is ready, at most 30 seconds")
	dataFlag(cmd, &data)
	outputFlag(cmd, &output, "text: commands for a shell; or json: one object")
	return cmd
}

// exports are the variables that AWS tools read, in the order to print them.
func exports(env server.Environment) [][2]string {
	return [][2]string{
		{"AWS_ENDPOINT_URL", env.Endpoint},
		{"AWS_ACCESS_KEY_ID", env.Credentials.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", env.Credentials.SecretAccessKey},
		{"AWS_REGION", env.Region},
		{"AWS_DEFAULT_REGION", env.Region},
	}
}

// dataFlag adds --data to a command that finds a server by its data directory.
func dataFlag(cmd *cobra.Command, data *string) {
	cmd.Flags().StringVar(data, "data", "", "data `DIR` of a server on this machine (default: PENSTOCK_DATA, else ./data or ./penstock-data, whichever a server has served from)")
}

// readEnvironment finds a server by its data directory.
func readEnvironment(data string) (server.Environment, error) {
	dirs := []string{cmp.Or(data, os.Getenv("PENSTOCK_DATA"))}
	if dirs[0] == "" {
		dirs = []string{"data", server.DefaultData}
	}
	root := sigv4.Credentials{
		AccessKeyID: os.Getenv("PENSTOCK_ROOT_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("PENSTOCK_ROOT_SECRET_ACCESS_KEY"),
	}
	for _, dir := range dirs {
		env, err := server.ReadEnvironment(dir, root)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return env, err
	}
	return server.Environment{}, refuse("no server has served from %s: start one with penstock serve --data DIR, and name DIR with --data", strings.Join(dirs, " or "))
}

// waitEnvironment waits until the server of a data directory is ready.
func waitEnvironment(ctx context.Context, data string) (server.Environment, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		env, err := readEnvironment(data)
		if err == nil {
			if err = ready(ctx, env.Endpoint); err == nil {
				return env, nil
			}
		}
		select {
		case <-ctx.Done():
			return env, &exitError{exitFailed, fmt.Errorf("the server is not ready: %w", err)}
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func ready(ctx context.Context, endpoint string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", endpoint, response.Status)
	}
	return nil
}

// shellQuote makes a text one word of a POSIX shell.
func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
