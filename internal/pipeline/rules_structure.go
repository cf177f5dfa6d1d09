package pipeline

import (
	"fmt"
	"slices"
)

// S12 to S15 speak about an explicit V1: a declaration without a type that uses
// any of these is V2.

func modeNeedsV2(v *view) string {
	if v.kind == TypeV1 && v.mode != ModeSuperseded {
		return "QUEUED or PARALLEL mode can only be used with V2 pipelines"
	}
	return ""
}

func variablesNeedV2(v *view) string {
	if v.kind == TypeV1 && len(v.d.Variables) > 0 {
		return "Pipeline variable can only be used with V2 pipelines"
	}
	return ""
}

func triggersNeedV2(v *view) string {
	if v.kind == TypeV1 && len(v.d.Triggers) > 0 {
		return "Triggers on tag can only be used with V2 pipelines"
	}
	return ""
}

func conditionsNeedV2(v *view) string {
	if v.kind == TypeV1 && slices.ContainsFunc(v.d.Stages, func(s StageDeclaration) bool { return s.hasGates() }) {
		return "Stage level conditions can only be used with V2 pipelines."
	}
	return ""
}

func enoughStages(v *view) string {
	if n := len(v.d.Stages); n < v.env.Limits.MinStages {
		return fmt.Sprintf("Pipeline has only %d stage(s). There should be a minimum of %d stages in a pipeline", n, v.env.Limits.MinStages)
	}
	return ""
}

func fewStages(v *view) string {
	if len(v.d.Stages) > v.env.Limits.MaxStages {
		return fmt.Sprintf("Pipeline has too many stages. There can only be up to %d stages in a pipeline", v.env.Limits.MaxStages)
	}
	return ""
}

func firstStageSources(v *view) string {
	actions := v.d.Stages[0].Actions
	if len(actions) == 0 || slices.ContainsFunc(actions, func(a ActionDeclaration) bool { return !a.isSource() }) {
		return "Pipeline should start with a stage that only contains source actions"
	}
	return ""
}

func (a *ActionDeclaration) isSource() bool { return a.ActionTypeID.Category == CategorySource }

func notOnlySources(v *view) string {
	if !slices.ContainsFunc(v.actions, func(l located) bool { return !l.isSource() }) {
		return "Pipeline should contain at least 1 action whose category is not Source"
	}
	return ""
}

func sourcesFirst(v *view) string {
	if slices.ContainsFunc(v.actions, func(l located) bool { return l.isSource() && l.stage > 0 }) {
		return "Source actions can only be included in the first stage of the pipeline"
	}
	return ""
}

func stageNamesUnique(v *view) string {
	seen := make(map[string]bool, len(v.d.Stages))
	for i := range v.d.Stages {
		name := v.d.Stages[i].Name
		if seen[name] {
			return fmt.Sprintf("Stage name '%s' is used more than once", name)
		}
		seen[name] = true
	}
	return ""
}

// stageActionCount is S8. A stage of at most 50 actions cannot have more than
// 50 in parallel or in sequence either.
func stageActionCount(v *view) string {
	for i := range v.d.Stages {
		s := &v.d.Stages[i]
		if len(s.Actions) == 0 {
			return fmt.Sprintf("Stage '%s' does not contain any action. There should be a minimum of 1 action in a stage", s.Name)
		}
		if len(s.Actions) > v.env.Limits.MaxStageActions {
			return fmt.Sprintf("Stage '%s' has too many actions. There can only be up to %d actions in a stage", s.Name, v.env.Limits.MaxStageActions)
		}
	}
	return ""
}

func pipelineActionCount(v *view) string {
	if len(v.actions) > v.env.Limits.MaxActions {
		return fmt.Sprintf("Pipeline has too many actions. There can only be up to %d actions in a pipeline", v.env.Limits.MaxActions)
	}
	return ""
}

func actionNamesUnique(v *view) string {
	type place struct {
		stage int
		name  string
	}
	seen := make(map[place]bool, len(v.actions))
	for i := range v.actions {
		l := &v.actions[i]
		at := place{l.stage, l.Name}
		if seen[at] {
			return fmt.Sprintf("Action name '%s' is used more than once in stage '%s'", l.Name, v.stageName(l))
		}
		seen[at] = true
	}
	return ""
}

func noBlockers(v *view) string {
	for i := range v.d.Stages {
		if len(v.d.Stages[i].Blockers) > 0 {
			return fmt.Sprintf("Stage '%s' declares a blocker. Blockers are reserved for future use", v.d.Stages[i].Name)
		}
	}
	return ""
}
