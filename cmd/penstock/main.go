// Penstock is a continuous-delivery server that speaks AWS CodePipeline. The
// command runs a pipeline on this machine, serves, and talks to a server; one
// command a file.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/penstock-cd/penstock/internal/sandbox"
)

// The exit statuses, as docs and scripts know them.
const (
	exitFailed     = 1   // the execution did not succeed, or something went wrong
	exitUsage      = 2   // the command line or the pipeline was refused; nothing ran
	exitIncomplete = 4   // everything that ran succeeded, but parts were left out
	exitInterrupt  = 130 // Ctrl-C
)

// exitError ends the program with a status.
type exitError struct {
	status int
	err    error // nil: everything was said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func refuse(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func main() {
	sandbox.Supervise()
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program, for tests too.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The second Ctrl-C ends at once: children end with this process.
	defer context.AfterFunc(ctx, stop)()
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	exit, ok := errors.AsType[*exitError](err)
	switch {
	case err == nil:
		return 0
	case ok && exit.err == nil: // everything was said
		return exit.status
	case !ok && ctx.Err() != nil:
		fmt.Fprintln(stderr, "penstock: interrupted")
		return exitInterrupt
	}
	fmt.Fprintln(stderr, "penstock:", err)
	if ok {
		return exit.status
	}
	return exitFailed
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "penstock",
		Short: "Run and serve AWS CodePipeline pipelines on your own machines",
		Example: `  penstock run examples/hello
  penstock run pipeline.json --var Color=blue --approve
  penstock serve --data ./data
  eval "$(penstock env --data ./data)" && aws codepipeline list-pipelines`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return refuse("unknown command %q; see penstock --help", args[0])
			}
			return nil
		},
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetHelpTemplate(helpTemplate)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return refuse("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(runCommand(), validateCommand(), serveCommand(), checkConfigCommand(), envCommand(), explainCommand(), logsCommand(), principalCommand(), versionCommand(), workerCommand())
	return root
}

// helpTemplate puts the examples first.
const helpTemplate = `{{.Short}}
{{if .HasExample}}
Examples:
{{.Example}}
{{end}}{{with .Long}}
{{. | trimTrailingWhitespaces}}
{{end}}
Usage:{{if not .HasAvailableSubCommands}}
  {{.UseLine}}{{else}}
  {{.CommandPath}} COMMAND

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
`
