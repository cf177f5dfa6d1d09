package trigger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// pollForSourceChanges is the trigger type of executions that a changed source
// started. Its detail is the name of the source action (observed.md 15).
const pollForSourceChanges = "PollForSourceChanges"

// object is where an S3 source reads.
type object struct{ bucket, key string }

// source is an S3 source action of a pipeline that changes of its object start.
type source struct {
	// pipeline is without its definition, of which mode is all that counts.
	pipeline dispatch.Pipeline
	mode     pipeline.ExecutionMode
	action   string
	object
	// number counts the sources of the pipeline with the same object from 0.
	number int
}

func sourcesOf(p dispatch.Pipeline) []source {
	var list []source
	for _, stage := range p.Declaration.Stages {
		for _, a := range stage.Actions {
			list = appendSource(list, p, a.Name, a.ActionTypeID, a.Configuration)
		}
	}
	return list
}

// sourcesIn is sourcesOf for a pipeline whose plan is at hand.
func sourcesIn(p dispatch.Pipeline, plan *pipeline.Plan) []source {
	var list []source
	for i := range plan.Stages {
		actions := plan.Stages[i].Actions
		if !slices.ContainsFunc(actions, func(a pipeline.ActionPlan) bool { return a.IsSource() && a.Type.Provider == "S3" }) {
			continue // as almost everywhere, and many ask
		}
		declared := make([]*pipeline.ActionPlan, len(actions))
		for j := range actions {
			declared[actions[j].Index] = &actions[j]
		}
		for _, a := range declared {
			configuration := map[string]string{}
			for _, entry := range a.Configuration {
				configuration[entry.Key] = entry.Text.Source
			}
			list = appendSource(list, p, a.Name, a.Type, configuration)
		}
	}
	return list
}

// appendSource appends an action if it is a source that is watched.
func appendSource(list []source, p dispatch.Pipeline, action string, id pipeline.ActionTypeID, configuration map[string]string) []source {
	if id.Category != pipeline.CategorySource || id.Owner != pipeline.OwnerAWS || id.Provider != "S3" || !polled(configuration) {
		return list
	}
	src := source{
		pipeline: p, mode: p.Declaration.ExecutionMode, action: action,
		object: object{configuration["S3Bucket"], configuration["S3ObjectKey"]},
	}
	src.pipeline.Declaration = pipeline.Declaration{}
	for _, before := range list {
		if before.object == src.object {
			src.number++
		}
	}
	return append(list, src)
}

// polled reports whether a source action is watched without anybody's doing: it is
// if it does not say, or says true in any case (observed.md 15).
func polled(configuration map[string]string) bool {
	value, ok := configuration["PollForSourceChanges"]
	return !ok || strings.EqualFold(value, "true")
}

// start starts the execution of a source's pipeline for a version of its object.
// The same version again starts nothing more. In PARALLEL mode the action fetches
// what is newest when it runs (actions.md A.1), otherwise that very version.
func (s *Store) start(ctx context.Context, src source, version string) error {
	request := dispatch.StartRequest{
		Trigger: engine.Trigger{Type: pollForSourceChanges, Detail: src.action},
		// A colon keeps the token apart from all that clients can send.
		Token: "source:" + hash(strings.Join([]string{src.pipeline.ID, src.action, src.bucket, src.key, version}, "\x00")),
	}
	if src.mode != pipeline.ModeParallel {
		request.Overrides = []pipeline.SourceRevisionOverride{{
			ActionName: src.action, RevisionType: pipeline.RevisionS3ObjectVersionID, RevisionValue: version,
		}}
	}
	id, err := s.Dispatch.StartExecution(ctx, src.pipeline.Key, request)
	_, invalid := errors.AsType[*pipeline.Violation](err)
	switch {
	case errors.Is(err, dispatch.ErrPipelineNotFound), invalid: // it was deleted, or changed: there is no such action any more
		s.Logger.Info("a changed source starts nothing", "pipeline", src.pipeline.Name, "action", src.action, "reason", err)
		return nil
	case err != nil:
		return fmt.Errorf("starting pipeline %s for version %s of %s/%s: %w", src.pipeline.Name, version, src.bucket, src.key, err)
	}
	s.Logger.Info("a changed source starts a pipeline",
		"pipeline", src.pipeline.Name, "action", src.action, "version", version, "execution", id)
	return nil
}

// recent is how many executions are looked at for what they fetched.
const recent = 20

// fetched tells whether one of the newest executions is for a version of a source,
// or fetched it; unsure says that the newest one may yet fetch it.
func (s *Store) fetched(ctx context.Context, src source, version string) (known, unsure bool, err error) {
	list, err := s.Dispatch.Executions(ctx, src.pipeline, dispatch.Place{}, recent)
	if err != nil {
		return false, false, err
	}
	for i := range list {
		mine := false
		for _, r := range list[i].Revisions {
			mine = mine || r.Action == src.action
			known = known || r.Revision.ID == version
		}
		for _, o := range list[i].Overrides {
			known = known || o.ActionName == src.action && o.RevisionValue == version
		}
		unsure = unsure || i == 0 && !mine && !list[i].Ended()
	}
	return known, unsure, nil
}
