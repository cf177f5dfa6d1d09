package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	cp "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/sandbox"
)

// workerOptions are the flags of worker.
type workerOptions struct {
	kind     string
	query    []string
	parallel int
	once     bool
	endpoint string
	region   string
	data     string
	output   string
}

const workerHelp = `It asks the server for jobs and waits for them; unzips the input artifacts of each,
runs COMMAND in the current folder, zips what that leaves as output artifacts, and
reports the result. Exit status 0 of the command is success; with any other the
action fails, and the last lines of output say why. The server is the one of
AWS_ENDPOINT_URL with the usual keys, or the one that runs on --data.

COMMAND sees the environment of the worker without its keys, and:

  JOB_ID                           the job
  PENSTOCK_INPUT_NAME              folder of the input artifact NAME; one that is
                                   no zip is a file in it
  PENSTOCK_OUTPUT_NAME             empty folder for the output artifact NAME; it
                                   must not stay empty
  PENSTOCK_CONFIG_KEY              value of KEY in the action's configuration
  PENSTOCK_PIPELINE_NAME, PENSTOCK_PIPELINE_EXECUTION_ID, PENSTOCK_STAGE_NAME,
  PENSTOCK_ACTION_NAME, PENSTOCK_ACTION_EXECUTION_ID, PENSTOCK_ACCOUNT_ID
  PENSTOCK_WORK                    empty folder, gone after the job
  PENSTOCK_CONTINUATION_TOKEN      what the job before wrote to PENSTOCK_CONTINUATION

In names and keys, what no variable can hold is replaced by _. COMMAND may write the
files that these name:

  PENSTOCK_VARIABLES               output variables, a NAME=VALUE a line
  PENSTOCK_SUMMARY                 a summary
  PENSTOCK_EXTERNAL_ID             the id of the work elsewhere, for its URL
  PENSTOCK_REVISION                of a source action: the revision, and from the
                                   second line on what it is about
  PENSTOCK_CONTINUATION            a token: the action goes on with another job,
                                   which gets it. Outputs and variables are not kept

A line "::progress 40 compiling" of output says how far the work is. The server
learns it with the next result, as the API has nothing before that.

The first Ctrl-C or SIGTERM lets running jobs finish; the second stops and fails them.
Values of secret configuration keys are masked in what is printed and reported: ids,
revisions, summaries and messages too. An output variable with one in it fails the
job, as variables are shown to everybody; a continuation token is passed on as it is.

Exit status: 0 asked to end, with --once: the job succeeded; 1 with --once: it
failed, or the server refused; 2 the command line was refused; 130 with --once:
interrupted before there was a job.`

func workerCommand() *cobra.Command {
	var o workerOptions
	cmd := &cobra.Command{
		Use:   "worker --type CATEGORY/PROVIDER/VERSION [flags] -- COMMAND [ARGS]",
		Short: "Do the jobs of a custom action type by running a command for each",
		Long:  workerHelp,
		Example: `  penstock worker --type Build/Shout/1 -- ./shout.sh
  penstock worker --type Test/Lint/1 --parallel 4 -- sh -c 'lint "$PENSTOCK_INPUT_Code"'
  penstock worker --type Build/Make/2 --query Project=site --once -- ./make.sh`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return refuse("worker needs a command to run for each job; see penstock worker --help")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := newWorker(cmd, o, args)
			if err != nil {
				return err
			}
			hard, stop := secondSignal(cmd.Context())
			defer stop()
			return unreached(w.client, w.serve(cmd.Context(), hard))
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.StringVar(&o.kind, "type", "", "the custom action `TYPE`, as CATEGORY/PROVIDER/VERSION")
	f.StringArrayVar(&o.query, "query", nil, "only jobs whose queryable property `KEY=VALUE` is so; needed if the type has one")
	f.IntVar(&o.parallel, "parallel", 1, "`NUMBER` of jobs to do at once")
	f.BoolVar(&o.once, "once", false, "wait for one job, do it, and end")
	f.StringVar(&o.endpoint, "endpoint", "", "`URL` of the server (default: AWS_ENDPOINT_URL, else --data)")
	f.StringVar(&o.region, "region", "", "region of the action type (default: AWS_REGION, else that of --data)")
	dataFlag(cmd, &o.data)
	outputFlag(cmd, &o.output, "text, or json: one object a line")
	return cmd
}

// worker does jobs.
type worker struct {
	client *client
	// polls is the client for polls: it says that it waits.
	polls   awsjson.Client
	kind    cp.ActionTypeId
	query   map[string]string
	command []string
	options workerOptions
	box     sandbox.Sandbox
	// secret are the keys of secret configuration values; if they are not known,
	// all values are taken for secret.
	secret      []string
	secretKnown bool
	print       *workerPrinter
	// watchEvery is how often a running job is looked at: whether it is still to be
	// done.
	watchEvery time.Duration
}

func newWorker(cmd *cobra.Command, o workerOptions, command []string) (*worker, error) {
	kind := strings.Split(o.kind, "/")
	if len(kind) != 3 || slices.Contains(kind, "") {
		return nil, refuse("--type is CATEGORY/PROVIDER/VERSION, such as Build/Make/1, not %q", o.kind)
	}
	if o.parallel < 1 || o.once && o.parallel > 1 {
		return nil, refuse("--parallel is at least 1, and 1 with --once")
	}
	// Else every job would fail that this worker takes.
	if _, err := exec.LookPath(command[0]); err != nil {
		return nil, refuse("the command for the jobs cannot be run: %w", err)
	}
	w := &worker{
		kind:    cp.ActionTypeId{Category: cp.ActionCategory(kind[0]), Owner: cp.ActionOwnerCustom, Provider: &kind[1], Version: &kind[2]},
		command: command, options: o, box: sandbox.NewProcess(), watchEvery: 10 * time.Second,
		print: &workerPrinter{out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), json: o.output == "json"},
	}
	for _, q := range o.query {
		key, value, ok := strings.Cut(q, "=")
		if !ok || key == "" {
			return nil, refuse("--query is KEY=VALUE, not %q", q)
		}
		if w.query == nil {
			w.query = map[string]string{}
		}
		w.query[key] = value
	}
	var err error
	if w.client, err = w.connect(); err != nil {
		return nil, err
	}
	w.polls = w.client.codepipeline
	w.polls.Header = http.Header{"X-Penstock-Wait-Seconds": {strconv.Itoa(int(pollWait / time.Second))}}
	return w, nil
}

// connect makes the client: flags win over the environment.
func (w *worker) connect() (*client, error) {
	if w.options.endpoint != "" && os.Getenv("AWS_ACCESS_KEY_ID") != "" {
		region := cmp.Or(w.options.region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
		if region == "" {
			return nil, errNoRegion
		}
		return newClient(w.options.endpoint, region, environmentKeys()), nil
	}
	c, err := environmentClient(w.options.data)
	if err != nil {
		return nil, err
	}
	at := &c.codepipeline
	at.Endpoint, at.Region = cmp.Or(w.options.endpoint, at.Endpoint), cmp.Or(w.options.region, at.Region)
	return c, nil
}

// secondSignal returns a context that ends with the second Ctrl-C or SIGTERM; the
// first ends that of the command. A third one ends the program.
func secondSignal(first context.Context) (context.Context, func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.WithoutCancel(first))
	go func() {
		for range 2 {
			select {
			case <-signals:
			case <-ctx.Done():
			}
		}
		signal.Stop(signals)
		cancel()
	}()
	return ctx, cancel
}

// learnSecrets asks which configuration keys of the type are secret.
func (w *worker) learnSecrets(ctx context.Context) error {
	in := &cp.ListActionTypesInput{ActionOwnerFilter: cp.ActionOwnerCustom}
	for {
		var out cp.ListActionTypesOutput
		if err := w.client.codepipeline.Call(ctx, "ListActionTypes", in, &out); err != nil {
			return err
		}
		for _, t := range out.ActionTypes {
			if t.Id == nil || t.Id.Category != w.kind.Category || deref(t.Id.Provider) != *w.kind.Provider || deref(t.Id.Version) != *w.kind.Version {
				continue
			}
			for _, p := range t.ActionConfigurationProperties {
				if deref(p.Secret) {
					w.secret = append(w.secret, deref(p.Name))
				}
			}
			w.secretKnown = true
			return nil
		}
		if out.NextToken == nil {
			return fmt.Errorf("there is no custom action type %s in region %s", w.options.kind, w.client.codepipeline.Region)
		}
		in.NextToken = out.NextToken
	}
}

// secretsOf are the values of a configuration that nobody may see.
func (w *worker) secretsOf(configuration map[string]string) []string {
	var values []string
	for key, value := range configuration {
		if !w.secretKnown || slices.Contains(w.secret, key) {
			values = append(values, value)
		}
	}
	return values
}
