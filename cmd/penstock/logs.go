package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
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
	output string
}

func logsCommand() *cobra.Command {
	var o logOptions
	cmd := &cobra.Command{
		Use:   "logs PIPELINE [EXECUTION]",
		Short: "Print the output of an execution's actions, live with -f",
		Long: `It prints what the actions wrote, and at the end what became of the execution.
Without EXECUTION that is the newest one. The server is the one of AWS_ENDPOINT_URL,
or the one that runs on --data.

With --output json it is an object a line: {"type":"log"} with time, action and
text, at last {"type":"execution"} with status and text.

Exit status: 0 printed, whatever became of the execution; 1 it could not be read;
130 interrupted.`,
		Example: `  penstock logs hello
  penstock logs -f hello
  penstock logs hello 8d4c7c0e-6c0e-4a53-9c3c-2d9c1a6f0e11 --action Build/Compile`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return refuse("logs takes the name of a pipeline and perhaps an execution's id; see penstock logs --help")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := environmentClient(o.data)
			if err != nil {
				return err
			}
			id := ""
			if len(args) == 2 {
				id = args[1]
			} else if id, err = c.newest(cmd.Context(), args[0]); err != nil {
				return unreached(c, err)
			}
			p := &logPrinter{client: c, name: args[0], id: id, o: o, out: cmd.OutOrStdout()}
			return unreached(c, p.print(cmd.Context()))
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "go on until the execution has ended")
	f.StringVar(&o.action, "action", "", "only this `STAGE/ACTION`")
	dataFlag(cmd, &o.data)
	outputFlag(cmd, &o.output, "text, or json: one object a line")
	return cmd
}

// unreached says of an error that comes from the network what it most often
// means.
func unreached(c *client, err error) error {
	if _, network := errors.AsType[*net.OpError](err); network {
		return fmt.Errorf("no server answers at %s; is penstock serve running? (%w)", c.codepipeline.Endpoint, err)
	}
	return err
}

// logPrinter prints the logs of an execution's actions: one after the other, or
// as they come.
type logPrinter struct {
	client   *client
	name, id string
	o        logOptions

	mu  sync.Mutex
	out io.Writer
}

// logEvent is a line of --output json.
type logEvent struct {
	Type      string `json:"type"`
	Time      string `json:"time,omitempty"`
	Action    string `json:"action,omitempty"`
	ActionID  string `json:"actionExecutionId,omitempty"`
	Execution string `json:"pipelineExecutionId,omitempty"`
	Status    string `json:"status,omitempty"`
	Text      string `json:"text"`
}

func (p *logPrinter) print(ctx context.Context) error {
	printed := map[string]bool{}
	reading, failed := sync.WaitGroup{}, make(chan error, 1)
	for {
		execution, err := p.client.execution(ctx, p.name, p.id)
		if err != nil {
			return p.ended(ctx, err)
		}
		list, err := p.client.actions(ctx, p.name, p.id)
		if err != nil {
			return p.ended(ctx, err)
		}
		for i := range list {
			what, id := deref(list[i].StageName)+"/"+deref(list[i].ActionName), deref(list[i].ActionExecutionId)
			if printed[id] || p.o.action != "" && p.o.action != what {
				continue
			}
			printed[id] = true
			if !p.o.follow {
				if err := p.read(ctx, what, id); err != nil {
					return p.ended(ctx, err)
				}
				continue
			}
			reading.Go(func() {
				if err := p.read(ctx, what, id); err != nil {
					select {
					case failed <- err:
					default: // one error is enough
					}
				}
			})
		}
		if over(execution.Status) || !p.o.follow {
			reading.Wait()
			select {
			case err := <-failed:
				return p.ended(ctx, err)
			default:
				return p.status(execution)
			}
		}
		select {
		case <-ctx.Done():
		case err := <-failed:
			return p.ended(ctx, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// ended tells an interruption from an error.
func (p *logPrinter) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &exitError{status: exitInterrupt}
	}
	return err
}

func (p *logPrinter) status(x *cp.PipelineExecution) error {
	if p.o.output == "json" {
		return writeJSON(p.out, logEvent{
			Type: eventExecution, Execution: deref(x.PipelineExecutionId), Status: string(x.Status), Text: deref(x.StatusSummary),
		})
	}
	text := string(x.Status)
	if s := deref(x.StatusSummary); s != "" {
		text += ": " + s
	}
	_, err := fmt.Fprintf(p.out, "Execution %s is %s\n", deref(x.PipelineExecutionId), text)
	return err
}

// read prints the log of one action: what there is, or with follow all of it.
func (p *logPrinter) read(ctx context.Context, what, id string) error {
	in := &penstock.GetActionLogInput{PipelineName: &p.name, ActionExecutionId: &id, NextLine: new(int64(0))}
	if p.o.follow {
		in.WaitSeconds = new(int32(20))
	}
	for {
		page, err := p.client.log(ctx, in)
		if err != nil {
			return err
		}
		for _, l := range page.Lines {
			if err := p.line(what, id, l.At.Time(), deref(l.Text)); err != nil {
				return err
			}
		}
		in.NextLine = page.NextLine
		if deref(page.Complete) || !p.o.follow && len(page.Lines) == 0 {
			return nil
		}
	}
}

func (p *logPrinter) line(what, id string, at time.Time, text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.o.output == "json" {
		return writeJSON(p.out, logEvent{Type: eventLog, Time: at.UTC().Format("2006-01-02T15:04:05.000Z"), Action: what, ActionID: id, Text: text})
	}
	_, err := fmt.Fprintf(p.out, "%s %s | %s\n", at.Local().Format("15:04:05.000"), what, text)
	return err
}
