package penstock

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/penstock"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Explain says why an execution is where it is, what would move it on, and what
// a pending approval would release; without an execution it explains all that
// are live, the one that ended last, and the stages.
func (s *Service) Explain(ctx context.Context, c api.Caller, in *wire.ExplainInput) (*wire.ExplainOutput, error) {
	name := *in.PipelineName
	x := &explaining{service: s, caller: c, name: name, answers: map[string]bool{}}
	if err := x.ask("penstock:Explain"); err != nil {
		return nil, err
	}
	p, err := s.dispatch.Pipeline(ctx, dispatch.Key{Account: c.Account, Region: c.Region, Name: name}, 0)
	if errors.Is(err, dispatch.ErrPipelineNotFound) {
		return nil, pipelineNotFound(c, name)
	}
	if err != nil {
		return nil, err
	}
	explained, err := s.dispatch.Explain(ctx, p, value(in.PipelineExecutionId, ""))
	switch {
	case errors.Is(err, dispatch.ErrPipelineNotFound):
		return nil, pipelineNotFound(c, name)
	case errors.Is(err, dispatch.ErrExecutionNotFound):
		return nil, &wire.PipelineExecutionNotFoundException{
			Message: fmt.Sprintf("Pipeline Execution with id '%s' does not exist in pipeline with name '%s'", *in.PipelineExecutionId, name),
		}
	case err != nil:
		return nil, err
	}
	out := &wire.ExplainOutput{
		PipelineName: &name, PipelineVersion: new(int32(explained.Version)), ExecutionMode: new(string(explained.Mode)),
		At: api.TimestampOf(explained.At), Stages: []wire.StageExplanation{}, Executions: []wire.ExecutionExplanation{},
	}
	for i := range explained.Stages {
		out.Stages = append(out.Stages, stageExplanation(&explained.Stages[i]))
	}
	for i := range explained.Executions {
		execution, err := x.execution(&explained.Executions[i])
		if err != nil {
			return nil, err
		}
		out.Executions = append(out.Executions, execution)
	}
	return out, nil
}

func pipelineNotFound(c api.Caller, name string) error {
	return &wire.PipelineNotFoundException{
		Message: fmt.Sprintf("Account '%s' does not have a pipeline with name '%s'", c.Account, name),
	}
}

// explaining is one answer under way.
type explaining struct {
	service *Service
	caller  api.Caller
	name    string
	// answers tells of approvals, by stage and action, whether the caller may give
	// them.
	answers map[string]bool
}

// ask authorizes an action on the pipeline; path narrows it. Everything in a
// pipeline has its tags.
func (x *explaining) ask(action string, path ...string) error {
	return x.service.askPipeline(x.caller, action, x.name, path...)
}

// askPipeline asks whether the caller may act on a pipeline, or on what path names
// in it. The pipeline's tags count.
func (s *Service) askPipeline(c api.Caller, action, name string, path ...string) error {
	arn := pipeline.PipelineARN(c.Partition, c.Region, c.Account, name)
	for _, p := range path {
		arn += "/" + p
	}
	return s.auth.Ask(c, iam.Question{
		Request: iam.Request{Action: action, Resource: arn},
		Tags: func(ctx context.Context) (map[string]string, error) {
			p, err := s.dispatch.Pipeline(ctx, dispatch.Key{Account: c.Account, Region: c.Region, Name: name}, 0)
			if errors.Is(err, dispatch.ErrPipelineNotFound) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			return s.dispatch.Tags(ctx, p)
		},
	})
}

// mayAnswer tells whether the caller may answer an approval.
func (x *explaining) mayAnswer(stage, action string) (bool, error) {
	key := stage + "/" + action
	if may, known := x.answers[key]; known {
		return may, nil
	}
	err := x.ask("codepipeline:PutApprovalResult", stage, action)
	if _, refused := errors.AsType[*api.Error](err); err != nil && !refused {
		return false, err
	}
	x.answers[key] = err == nil
	return err == nil, nil
}

func (x *explaining) execution(e *dispatch.ExplainedExecution) (wire.ExecutionExplanation, error) {
	out := wire.ExecutionExplanation{
		PipelineExecutionId: &e.ID, PipelineVersion: new(int32(e.Version)), Status: new(string(e.Status)), StatusSummary: some(e.Summary),
		StageName: &e.StageName, StartTime: api.TimestampOf(e.StartTime), LastUpdateTime: api.TimestampOf(e.LastUpdate),
		Findings: []wire.Finding{},
	}
	for i := range e.Findings {
		f, err := x.finding(e.ID, &e.Findings[i])
		if err != nil {
			return out, err
		}
		out.Findings = append(out.Findings, f)
	}
	return out, nil
}

// finding shows a finding. Who may not answer an approval learns neither its
// token nor the commands with it; the id of its action execution is the token.
func (x *explaining) finding(subject string, f *engine.Finding) (wire.Finding, error) {
	out := wire.Finding{
		Kind: wire.FindingKind(f.Kind), Text: new(findingText(subject, f)),
		PipelineExecutionId: &f.Execution, OtherPipelineExecutionId: some(f.Other),
		StageName: some(f.Stage), ActionExecutionId: some(f.ActionID), Provider: some(f.Provider), Status: some(string(f.Status)),
		Since: moment(f.Since), Until: moment(f.Until), By: some(f.By), Reason: some(f.Reason),
		Position: count(f.Position), Of: count(f.Of), PipelineVersion: count(f.Version),
		AutomaticRetries: count(f.AutoRetries), ManualRetries: count(f.ManualRetries),
		Summary: some(f.Outcome.Summary), ErrorCode: some(f.Outcome.ErrorCode), ErrorMessage: some(f.Outcome.ErrorMessage),
		ExternalExecutionUrl: some(f.Outcome.ExternalExecutionURL), Configuration: f.Configuration,
		Commands: []wire.Command{},
	}
	switch {
	case f.Gate != "" && f.Action != "":
		out.RuleName, out.ConditionType = &f.Action, some(conditionType(f.Gate))
	case f.Gate != "":
		out.ConditionType = some(conditionType(f.Gate))
	default:
		out.ActionName = some(f.Action)
	}
	if f.Kind == engine.FoundTransitionDisabled {
		out.TransitionType = new(transitionType(f.Outbound))
	}
	for i := range f.Releases {
		out.Releases = append(out.Releases, release(&f.Releases[i]))
	}
	remedies := f.Remedies
	if f.Kind == engine.FoundApprovalPending {
		may, err := x.mayAnswer(f.Stage, f.Action)
		if err != nil {
			return out, err
		}
		if !may {
			out.ActionExecutionId, remedies = nil, nil
		}
		if i := slices.IndexFunc(remedies, func(r engine.Remedy) bool { return r.Token != "" }); i >= 0 {
			out.Token = &remedies[i].Token
		}
	}
	for i := range remedies {
		out.Commands = append(out.Commands, wire.Command{
			Purpose: wire.CommandPurpose(remedies[i].Kind), Line: new(commandLine(x.name, &remedies[i])),
		})
	}
	return out, nil
}

func release(r *engine.Release) wire.Release {
	out := wire.Release{
		StageNames: r.Stages, PipelineExecutionId: some(r.Since), Succeeded: moment(r.At), Newer: &r.Older, Sources: []wire.SourceChange{},
	}
	for i := range r.Sources {
		c := &r.Sources[i]
		change := wire.SourceChange{
			ActionName: &c.Action, ArtifactName: &c.Artifact, To: sourceRevision(&c.To), Pinned: &c.Pinned,
			Carried: []wire.CarriedRevision{}, Omitted: new(int32(c.Omitted)),
		}
		if c.From != nil {
			change.From = sourceRevision(c.From)
		}
		for j := range c.Carried {
			change.Carried = append(change.Carried, wire.CarriedRevision{
				PipelineExecutionId: &c.Carried[j].Execution, Status: new(string(c.Carried[j].Status)),
				Revision: sourceRevision(&c.Carried[j].Revision),
			})
		}
		out.Sources = append(out.Sources, change)
	}
	return out
}

func sourceRevision(r *pipeline.Revision) *wire.SourceRevision {
	return &wire.SourceRevision{RevisionId: &r.ID, RevisionSummary: some(r.Summary), RevisionUrl: some(r.URL)}
}

func stageExplanation(v *engine.StageView) wire.StageExplanation {
	return wire.StageExplanation{
		StageName: &v.Name, Deleted: &v.Gone, Executions: append([]string{}, v.Inside...), Since: moment(v.Since),
		Waiting: append([]string{}, v.Waiting...), Inbound: transition(v.Inbound), Outbound: transition(v.Outbound),
	}
}

func transition(t engine.Transition) *wire.Transition {
	out := &wire.Transition{Enabled: new(!t.Disabled), Since: moment(t.At), By: some(t.By)}
	if t.Disabled {
		out.Reason = some(t.Reason)
	}
	return out
}

// some returns a pointer to a text, nil for the empty one.
func some(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// count returns a pointer to a number, nil for zero.
func count(n int) *int32 {
	if n == 0 {
		return nil
	}
	return new(int32(n))
}
