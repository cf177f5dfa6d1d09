package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	cp "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/api/penstock"
)

// logOptions are the flags of logs.
type logOptions struct {
	follow bool
	action string
	data   string
}

func logsCommand() *cobra.Command {
	var o logOptions
	cmd := &cobra.Command{
		Use:   "logs PIPELINE [EXECUTION]",
		Short: "Print the output of an execution's actions, live with -f",
		Long: `Print what the actions of an execution wrote, and what became of the execution.
Without EXECUTION it is the newest one. The server is the one of AWS_ENDPOINT_URL,
or the one that runs on --data.`,
		Example: `  penstock logs hello
  penstock logs -f hello
  penstock logs hello 8d4c7c0e-6c0e-4a53-9c3c-2d9c1a6f0e11 --action Build/Compile`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := environmentClient(o.data)
			if err != nil {
				return err
			}
			id := ""
			if len(args) == 2 {
				id = args[1]
			} else if id, err = c.newest(cmd.Context(), args[0]); err != nil {
				return err
			}
			return printLogs(cmd.Context(), c, args[0], id, o, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "go on until the execution has ended")
	f.StringVar(&o.action, "action", "", "only this `STAGE/ACTION`")
	f.StringVar(&o.data, "data", "", "data `DIR` of a server on this machine")
	return cmd
}

// printLogs prints the logs of an execution's actions one after the other, and
// with follow goes on until the execution has ended.
func printLogs(ctx context.Context, c *client, name, id string, o logOptions, out io.Writer) error {
	printed := map[string]bool{}
	for {
		execution, err := c.execution(ctx, name, id)
		if err != nil {
			return err
		}
		list, err := c.actions(ctx, name, id)
		if err != nil {
			return err
		}
		for i := range list {
			what := deref(list[i].StageName) + "/" + deref(list[i].ActionName)
			actionID := deref(list[i].ActionExecutionId)
			if printed[actionID] || o.action != "" && o.action != what {
				continue
			}
			printed[actionID] = true
			if err := printLog(ctx, c, name, what, &list[i], o.follow, out); err != nil {
				return err
			}
		}
		if over(execution.Status) || !o.follow {
			return printStatus(execution, out)
		}
		timer := time.NewTimer(200 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return &exitError{status: exitInterrupt}
		case <-timer.C:
		}
	}
}

func printStatus(x *cp.PipelineExecution, out io.Writer) error {
	text := string(x.Status)
	if s := deref(x.StatusSummary); s != "" {
		text += ": " + s
	}
	_, err := fmt.Fprintf(out, "execution %s is %s\n", deref(x.PipelineExecutionId), text)
	return err
}

func printLog(ctx context.Context, c *client, name, what string, a *cp.ActionExecutionDetail, follow bool, out io.Writer) error {
	in := &penstock.GetActionLogInput{
		PipelineName: &name, ActionExecutionId: a.ActionExecutionId, NextLine: new(int64(0)),
	}
	if follow {
		in.WaitSeconds = new(int32(20))
	}
	for {
		page, err := c.log(ctx, in)
		if err != nil {
			return err
		}
		for _, l := range page.Lines {
			if _, err := fmt.Fprintf(out, "%s %s | %s\n", l.At.Time().Format("15:04:05.000"), what, deref(l.Text)); err != nil {
				return err
			}
		}
		in.NextLine = page.NextLine
		if deref(page.Complete) || !follow && len(page.Lines) == 0 {
			return nil
		}
	}
}
