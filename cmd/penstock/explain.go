package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/api/penstock"
)

func explainCommand() *cobra.Command {
	var data, output string
	cmd := &cobra.Command{
		Use:   "explain PIPELINE [EXECUTION]",
		Short: "Say why executions wait or ended, and what would move them on",
		Long: `It says why an execution waits, was superseded, cancelled, stopped or failed, which
commits a pending approval would release, and the commands that would move things
on. Without EXECUTION it shows the stages and explains every execution that has not
ended, and the one that ended last. The server is the one of AWS_ENDPOINT_URL, or
the one that runs on --data.

An approval's token, and the commands with it, are shown only to those who may
answer it.

Exit status: 0 explained; 1 it could not be read; 2 the command line was refused.`,
		Example: `  penstock explain website
  penstock explain website 8d4c7c0e-6c0e-4a53-9c3c-2d9c1a6f0e11
  penstock explain website --output json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return refuse("explain takes the name of a pipeline and perhaps an execution's id; see penstock explain --help")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := environmentClient(data)
			if err != nil {
				return err
			}
			in := &penstock.ExplainInput{PipelineName: &args[0]}
			if len(args) == 2 {
				in.PipelineExecutionId = &args[1]
			}
			var answer penstock.ExplainOutput
			if err := c.penstock.Call(cmd.Context(), "Explain", in, &answer); err != nil {
				return unreached(c, err)
			}
			if output == "json" {
				return writeJSON(cmd.OutOrStdout(), answer)
			}
			return printExplanation(cmd.OutOrStdout(), &answer, len(args) == 1)
		},
	}
	dataFlag(cmd, &data)
	outputFlag(cmd, &output, "text, or json: one object")
	return cmd
}

// printExplanation writes an answer for people. Texts in it come from others.
func printExplanation(out io.Writer, answer *penstock.ExplainOutput, stages bool) error {
	var b strings.Builder
	if stages {
		fmt.Fprintf(&b, "Pipeline %s, version %d, %s\n", deref(answer.PipelineName), deref(answer.PipelineVersion), deref(answer.ExecutionMode))
		for i := range answer.Stages {
			s := &answer.Stages[i]
			fmt.Fprintf(&b, "  %s: %s\n", deref(s.StageName), strings.Join(stageFacts(s), "; "))
		}
	}
	if len(answer.Executions) == 0 {
		fmt.Fprintf(&b, "No execution has begun. If a source lacks what would start one, its state says so:\n  $ aws codepipeline get-pipeline-state --name %s\n", deref(answer.PipelineName))
	}
	for i := range answer.Executions {
		x := &answer.Executions[i]
		fmt.Fprintf(&b, "Execution %s is %s at stage %s, started %s\n", deref(x.PipelineExecutionId), deref(x.Status), deref(x.StageName), clock(x.StartTime))
		for j := range x.Findings {
			printFinding(&b, &x.Findings[j])
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// stageFacts says who is in a stage and who waits, and what keeps them out.
func stageFacts(s *penstock.StageExplanation) []string {
	facts := []string{"free"}
	if len(s.Executions) > 0 {
		facts[0] = fmt.Sprintf("inside %s since %s", strings.Join(s.Executions, ", "), clock(s.Since))
	}
	if len(s.Waiting) > 0 {
		facts = append(facts, "waiting "+strings.Join(s.Waiting, ", "))
	}
	for _, side := range []struct {
		name string
		*penstock.Transition
	}{{"inbound", s.Inbound}, {"outbound", s.Outbound}} {
		if side.Transition != nil && !deref(side.Enabled) {
			facts = append(facts, fmt.Sprintf("%s transition disabled by %s since %s: %s", side.name, deref(side.By), clock(side.Since), oneLine(deref(side.Reason))))
		}
	}
	if deref(s.Deleted) {
		facts = append(facts, "not in the current definition")
	}
	return facts
}

func printFinding(b *strings.Builder, f *penstock.Finding) {
	fmt.Fprintf(b, "  %s\n", oneLine(deref(f.Text)))
	if link := f.Configuration["ExternalEntityLink"]; link != "" {
		fmt.Fprintf(b, "    See %s\n", oneLine(link))
	}
	for i := range f.Releases {
		printRelease(b, &f.Releases[i])
	}
	for _, c := range f.Commands {
		fmt.Fprintf(b, "    $ %s\n", oneLine(deref(c.Line)))
	}
}

// printRelease shows what an approval lets into stages.
func printRelease(b *strings.Builder, r *penstock.Release) {
	what := "Goes into " + strings.Join(r.StageNames, ", ")
	switch {
	case r.PipelineExecutionId == nil:
		what += ", where nothing has succeeded"
	case deref(r.Newer):
		what += fmt.Sprintf(", in place of the newer execution %s", deref(r.PipelineExecutionId))
	default:
		what += fmt.Sprintf(", where execution %s succeeded at %s", deref(r.PipelineExecutionId), clock(r.Succeeded))
	}
	fmt.Fprintf(b, "    %s\n", what)
	for _, c := range r.Sources {
		to := revisionText(c.To)
		switch {
		case c.From == nil:
			fmt.Fprintf(b, "      %s: %s\n", deref(c.ActionName), to)
		case deref(c.From.RevisionId) == deref(c.To.RevisionId):
			fmt.Fprintf(b, "      %s: unchanged, %s\n", deref(c.ActionName), to)
		default:
			fmt.Fprintf(b, "      %s: %s, before it %s\n", deref(c.ActionName), to, revisionText(c.From))
		}
		if n := deref(c.Omitted); n > 0 {
			fmt.Fprintf(b, "        and %d older revisions\n", n)
		}
		for _, x := range c.Carried {
			fmt.Fprintf(b, "        and %s of execution %s, %s\n", revisionText(x.Revision), deref(x.PipelineExecutionId), deref(x.Status))
		}
	}
}

// revisionText is a revision with the first line of what was said of it.
func revisionText(r *penstock.SourceRevision) string {
	text := oneLine(deref(r.RevisionId))
	if summary := oneLine(deref(r.RevisionSummary)); summary != "" {
		text += fmt.Sprintf(" (%s)", summary)
	}
	return text
}

func clock(t *api.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.Time().UTC().Format(time.DateTime + " UTC")
}
