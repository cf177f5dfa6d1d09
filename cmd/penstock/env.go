package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-cd/penstock/internal/server"
)

func envCommand() *cobra.Command {
	var data, output string
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the environment with which AWS tools talk to the server",
		Long: `Print the endpoint, keys and region of the server that runs on a data directory,
as commands for a shell.`,
		Example: `  eval "$(penstock env)"
  eval "$(penstock env --data ./data)" && aws codepipeline list-pipelines`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			env, err := readEnvironment(data)
			if err != nil {
				return err
			}
			for _, v := range [][2]string{
				{"AWS_ENDPOINT_URL", env.Endpoint},
				{"AWS_ACCESS_KEY_ID", env.Credentials.AccessKeyID},
				{"AWS_SECRET_ACCESS_KEY", env.Credentials.SecretAccessKey},
				{"AWS_REGION", env.Region},
				{"AWS_DEFAULT_REGION", env.Region},
			} {
				fmt.Fprintf(cmd.OutOrStdout(), "export %s=%s\n", v[0], shellQuote(v[1]))
			}
			// What would win over the keys, or point somewhere else.
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "unset AWS_SESSION_TOKEN AWS_PROFILE AWS_IGNORE_CONFIGURED_ENDPOINT_URLS AWS_ENDPOINT_URL_CODEPIPELINE AWS_ENDPOINT_URL_S3")
			return err
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "data `DIR` of the server (default: ./data or ./penstock-data, whichever a server uses)")
	cmd.Flags().StringVar(&output, "output", "shell", "shell is the only format")
	_ = cmd.Flags().MarkHidden("output")
	return cmd
}

// readEnvironment finds a server by its data directory.
func readEnvironment(data string) (server.Environment, error) {
	dirs := []string{data}
	if data == "" {
		dirs = []string{"data", server.DefaultData}
	}
	for _, dir := range dirs {
		env, err := server.ReadEnvironment(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return env, err
	}
	return server.Environment{}, refuse("no server has served from %s: start one with penstock serve --data DIR, and name DIR with --data", strings.Join(dirs, " or "))
}

// shellQuote makes a text one word of a POSIX shell.
func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
