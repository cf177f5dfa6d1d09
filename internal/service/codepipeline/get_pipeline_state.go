package codepipeline

import (
	"context"
	"slices"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	triggers "github.com/penstock-cd/penstock/internal/trigger"
)

// GetPipelineState shows what each stage last did and what waits for it
// (execution.md 2.11, observed.md 11).
func (s *Service) GetPipelineState(ctx context.Context, c api.Caller, in *wire.GetPipelineStateInput) (*wire.GetPipelineStateOutput, error) {
	name := text(in.Name)
	if err := s.allow(c, "GetPipelineState", name); err != nil {
		return nil, err
	}
	p, state, err := s.dispatch.PipelineState(ctx, keyOf(c, name))
	if err != nil {
		return nil, exception(c, name, err)
	}
	plan, err := s.dispatch.Plan(p, p.Version)
	if err != nil {
		return nil, err
	}
	out, ok := s.rendered.state(p, state)
	if !ok {
		if out, err = s.renderState(ctx, p, plan, state); err != nil {
			return nil, err
		}
	}
	failures, err := s.triggers.PollFailures(ctx, p, plan)
	if err != nil || len(failures) == 0 {
		return out, err
	}
	return withPollFailures(out, failures), nil
}

// withPollFailures is a state with source actions that could not be polled since
// they ran last: without an execution, and without a revision (observed.md 15).
func withPollFailures(state *wire.GetPipelineStateOutput, failures map[string]triggers.PollFailure) *wire.GetPipelineStateOutput {
	out := *state // what is remembered of the state is shared
	if len(out.StageStates) == 0 {
		return state
	}
	out.StageStates = slices.Clone(out.StageStates)
	first := &out.StageStates[0] // sources are nowhere else
	first.ActionStates = slices.Clone(first.ActionStates)
	for i := range first.ActionStates {
		a := &first.ActionStates[i]
		f, failed := failures[text(a.ActionName)]
		last := a.LatestExecution
		if !failed || last != nil && last.LastStatusChange != nil && last.LastStatusChange.UnixMilli() > f.At {
			continue
		}
		a.CurrentRevision, a.RevisionUrl = nil, nil
		a.LatestExecution = &wire.ActionExecution{
			Status: wire.ActionExecutionStatusFailed, LastStatusChange: api.TimestampOf(f.At),
			ErrorDetails: &wire.ErrorDetails{Code: some(f.Code), Message: some(f.Message)},
		}
	}
	return &out
}

// renderState makes the answer from a state, and remembers it where it may.
func (s *Service) renderState(ctx context.Context, p dispatch.Pipeline, plan *pipeline.Plan, state dispatch.State) (*wire.GetPipelineStateOutput, error) {
	out := &wire.GetPipelineStateOutput{
		PipelineName:    some(p.Name),
		PipelineVersion: new(int32(p.Version)),
		Created:         api.TimestampOf(p.Created),
		Updated:         api.TimestampOf(p.Updated),
		StageStates:     []wire.StageState{},
	}
	if plan.Mode == pipeline.ModeParallel {
		return out, nil // executions that are independent have no common state
	}
	types, err := s.dispatch.TypesOf(ctx, p.Account, p.Region, typesIn(plan)...)
	if err != nil {
		return nil, err
	}
	jobs := withJobs(&state, plan, types != s.types)
	if state.Progress, err = s.dispatch.JobProgress(ctx, jobs); err != nil {
		return nil, err
	}
	for i := range plan.Stages {
		stage, err := s.stageState(ctx, p, plan, types, i, &state)
		if err != nil {
			return nil, err
		}
		out.StageStates = append(out.StageStates, *stage)
	}
	// The types that are not built in may be changed, also those of older versions,
	// and what jobs show changes without the version.
	if len(jobs) == 0 && state.Settled && types == s.types && ofVersion(p.Version, &state) {
		s.rendered.keepState(p, state, out)
	}
	return out, nil
}

// ofVersion reports whether all actions of a state ran under one version.
func ofVersion(version int, state *dispatch.State) bool {
	for _, attempts := range state.Actions { //floors:ordered a question about all of them
		if slices.ContainsFunc(attempts, func(a dispatch.ActionExecution) bool { return a.Version != version }) {
			return false
		}
	}
	return true
}

func (s *Service) stageState(ctx context.Context, p dispatch.Pipeline, plan *pipeline.Plan, types pipeline.ActionTypes, i int, state *dispatch.State) (*wire.StageState, error) {
	name := plan.Stages[i].Name
	out := &wire.StageState{
		StageName:              some(name),
		InboundExecutions:      []wire.StageExecution{},
		InboundTransitionState: inbound(plan, i, state),
		ActionStates:           []wire.ActionState{},
	}
	st := stageOf(state, name)
	var attempts []dispatch.ActionExecution
	if st != nil {
		out.LatestExecution = latest(st, state)
		showInbound(out, plan.Mode, st, state)
		attempts = attemptsIn(st, state)
		if err := s.showRecord(out, p, st, state); err != nil {
			return nil, err
		}
	}
	// Actions are listed as declared, not as they run.
	states := make([]wire.ActionState, len(plan.Stages[i].Actions))
	for j := range plan.Stages[i].Actions {
		a := &plan.Stages[i].Actions[j]
		kind, _ := types.ActionType(a.Type)
		attempt := lastAttempt(attempts, a.Name)
		index := a.Index
		if attempt != nil && attempt.Version != p.Version {
			// It shows what it did, not what the present definition would have it do.
			var err error
			if a, kind, err = s.actionPlan(ctx, p, attempt); err != nil {
				return nil, err
			}
		}
		states[index] = *s.actionState(p, a, kind, attempt, st, state)
	}
	out.ActionStates = append(out.ActionStates, states...)
	return out, nil
}

// showInbound shows who waits to enter: the one execution that may in SUPERSEDED
// mode, or that was stopped there, and the whole queue in QUEUED mode
// (observed.md 0).
func showInbound(out *wire.StageState, mode pipeline.ExecutionMode, st *engine.Stage, state *dispatch.State) {
	if mode != pipeline.ModeQueued {
		if e, ok := state.Executions[st.LastInbound]; ok {
			out.InboundExecution = stageExecution(&e, e.Status)
		}
		return
	}
	for _, id := range st.Waiting {
		if e, ok := state.Executions[id]; ok {
			out.InboundExecutions = append(out.InboundExecutions, *stageExecution(&e, e.Status))
		}
	}
}

// stageExecution shows an execution at a stage. Only rollbacks show a type
// (observed.md 0).
func stageExecution(e *engine.Execution, status engine.Status) *wire.StageExecution {
	return &wire.StageExecution{
		PipelineExecutionId: some(e.ID), Status: wire.StageExecutionStatus(status), Type: wire.ExecutionType(e.Type),
	}
}

// record is the stage execution of the execution that entered the stage last.
func record(st *engine.Stage, state *dispatch.State) *engine.StageRecord {
	e := state.Executions[st.Latest]
	for i := range e.Stages {
		if e.Stages[i].Name == st.Name {
			return &e.Stages[i]
		}
	}
	return nil
}

// typesIn lists the types of the actions of a plan.
func typesIn(plan *pipeline.Plan) []pipeline.ActionTypeID {
	var ids []pipeline.ActionTypeID
	for i := range plan.Stages {
		for j := range plan.Stages[i].Actions {
			ids = append(ids, plan.Stages[i].Actions[j].Type)
		}
	}
	return ids
}

func stageOf(state *dispatch.State, name string) *engine.Stage {
	for i := range state.Pipeline.Stages {
		if state.Pipeline.Stages[i].Name == name {
			return &state.Pipeline.Stages[i]
		}
	}
	return nil
}

// latest is the stage execution of the execution that entered last.
func latest(st *engine.Stage, state *dispatch.State) *wire.StageExecution {
	e, ok := state.Executions[st.Latest]
	if !ok {
		return nil
	}
	var status engine.Status
	if r := record(st, state); r != nil {
		status = r.Status
	}
	return stageExecution(&e, status)
}

// inbound shows both transitions in front of a stage as one: its own inbound
// side and the outbound side of the stage before (execution.md 4.7). Of two the
// one that keeps executions out is shown, else the one that changed last.
func inbound(plan *pipeline.Plan, i int, state *dispatch.State) *wire.TransitionState {
	var t engine.Transition
	if st := stageOf(state, plan.Stages[i].Name); st != nil {
		t = st.Inbound
	}
	if i > 0 && !t.Disabled {
		if st := stageOf(state, plan.Stages[i-1].Name); st != nil && (st.Outbound.Disabled || st.Outbound.At > t.At) {
			t = st.Outbound
		}
	}
	out := &wire.TransitionState{Enabled: new(!t.Disabled), LastChangedBy: some(t.By)}
	if t.At != 0 {
		out.LastChangedAt = api.TimestampOf(t.At)
	}
	if t.Disabled {
		out.DisabledReason = some(t.Reason)
	}
	return out
}

// attemptsIn are the attempts that a stage shows: of an execution that has not
// left it those of its present run, because a retry blanks what it runs again,
// as entering a stage does (observed.md 7, 11).
func attemptsIn(st *engine.Stage, state *dispatch.State) []dispatch.ActionExecution {
	e, list := state.Executions[st.Latest], state.Actions[st.Name]
	if n := len(e.Stages); n == 0 || e.Stages[n-1].Name != st.Name {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(a dispatch.ActionExecution) bool {
		return !slices.ContainsFunc(e.Actions, func(run engine.Action) bool { return run.ID == a.ID })
	})
}

func lastAttempt(attempts []dispatch.ActionExecution, name string) *dispatch.ActionExecution {
	var last *dispatch.ActionExecution
	for i := range attempts {
		if attempts[i].Action == name {
			last = &attempts[i]
		}
	}
	return last
}

func (s *Service) actionState(p dispatch.Pipeline, plan *pipeline.ActionPlan, kind pipeline.ActionType, a *dispatch.ActionExecution, st *engine.Stage, state *dispatch.State) *wire.ActionState {
	out := &wire.ActionState{ActionName: some(plan.Name)}
	config := resolvedConfiguration(a, plan)
	if url, ok := pipeline.ExpandURL(kind.Settings.EntityURLTemplate, config, p.Region, "", ""); ok {
		out.EntityUrl = some(url)
	}
	if a == nil || plan.IsApproval() && a.Status == engine.InProgress && !resolved(a, plan) {
		// An approval shows itself with its token, once people can read what it
		// asks (observed.md 9).
		return out
	}
	out.LatestExecution = actionExecution(a, plan, kind, p.Region)
	if progress, ok := state.Progress[a.ID]; ok && (a.Status == engine.InProgress || a.Status == engine.Abandoned) {
		showProgress(out.LatestExecution, progress, a, plan, kind, p.Region)
	}
	if !plan.IsSource() || a.Status != engine.Succeeded {
		return out
	}
	// Not what the execution says of itself: a rollback keeps saying what its
	// target fetched (observed.md 8).
	for _, artifact := range state.Executions[st.Latest].Artifacts {
		if len(plan.Outputs) == 0 || artifact.Name != plan.Outputs[0].Name || artifact.Revision == "" {
			continue
		}
		out.CurrentRevision = &wire.ActionRevision{RevisionId: some(artifact.Revision)}
		if url, ok := pipeline.ExpandURL(kind.Settings.RevisionURLTemplate, config, p.Region, "", artifact.Revision); ok {
			out.RevisionUrl = some(url)
		}
	}
	return out
}

// resolved reports whether the references of an action's configuration have got
// their values.
func resolved(a *dispatch.ActionExecution, plan *pipeline.ActionPlan) bool {
	for _, entry := range plan.Configuration {
		if len(entry.Text.References()) > 0 {
			return a.Resolved != nil
		}
	}
	return true
}

// actionExecution is the latest attempt as the state shows it. A waiting
// approval shows its token; one that was answered shows who answered and what
// they said; one that was canceled shows no time (observed.md 0, 9, 11).
func actionExecution(a *dispatch.ActionExecution, plan *pipeline.ActionPlan, kind pipeline.ActionType, region string) *wire.ActionExecution {
	o := &a.Outcome
	out := &wire.ActionExecution{
		ActionExecutionId: some(a.ID),
		Status:            wire.ActionExecutionStatus(a.Status),
		Summary:           some(o.Summary),
		LastUpdatedBy:     some(a.UpdatedBy),
		LastStatusChange:  api.TimestampOf(a.LastUpdate),
	}
	if plan.IsApproval() {
		if a.Status == engine.InProgress {
			out.Token = some(a.ID)
		}
		if a.UpdatedBy == "" && o.ErrorCode == "" {
			out.LastStatusChange = nil
		}
	} else {
		out.ExternalExecutionId = some(o.ExternalExecutionID)
		out.ExternalExecutionUrl = some(executionURL(a, plan, kind, region))
	}
	if o.ErrorCode != "" {
		out.ErrorDetails = &wire.ErrorDetails{Code: some(o.ErrorCode), Message: some(o.ErrorMessage)}
		out.Summary = nil
	}
	return out
}

// withJobs lists the action executions that show what is known of their jobs: those
// in progress of types with job workers, if there are any, and those that invoke,
// which keep it when they are abandoned (observed.md 6).
func withJobs(state *dispatch.State, plan *pipeline.Plan, workers bool) []string {
	var ids []string
	for i := range plan.Stages {
		for j := range plan.Stages[i].Actions {
			p := &plan.Stages[i].Actions[j]
			invokes := p.Type.Category == pipeline.CategoryInvoke && p.Type.Provider == "Lambda"
			if !invokes && !workers {
				continue
			}
			for _, a := range state.Actions[plan.Stages[i].Name] {
				if a.Action == p.Name && (a.Status == engine.InProgress || invokes && a.Status == engine.Abandoned) {
					ids = append(ids, a.ID)
				}
			}
		}
	}
	return ids
}

// showProgress shows what the worker of an action in progress said of it.
func showProgress(out *wire.ActionExecution, p engine.JobProgress, a *dispatch.ActionExecution, plan *pipeline.ActionPlan, kind pipeline.ActionType, region string) {
	out.Summary, out.ExternalExecutionId = some(p.Summary), some(p.ExternalExecutionID)
	if p.Percent != nil {
		out.PercentComplete = new(int32(*p.Percent))
	}
	said := *a // what is remembered of the state is shared
	said.Outcome.ExternalExecutionID = p.ExternalExecutionID
	out.ExternalExecutionUrl = some(executionURL(&said, plan, kind, region))
}
