package pipeline

import "slices"

// EffectiveMode is the execution mode in force: SUPERSEDED unless declared.
func EffectiveMode(d Declaration) ExecutionMode {
	if d.ExecutionMode == "" {
		return ModeSuperseded
	}
	return d.ExecutionMode
}

// EffectiveType is the pipeline type in force. A declaration that names none is
// V2 if it uses anything that only V2 has, else V1 (reference: execution.md
// 1.6). An empty list of variables or triggers uses nothing. types tells which
// action types only V2 has; nil: none.
func EffectiveType(d Declaration, types ActionTypes) PipelineType {
	if d.PipelineType != "" {
		return d.PipelineType
	}
	mode := EffectiveMode(d)
	if mode != ModeSuperseded || len(d.Variables) > 0 || len(d.Triggers) > 0 {
		return TypeV2
	}
	for i := range d.Stages {
		if d.Stages[i].hasGates() || slices.ContainsFunc(d.Stages[i].Actions, func(a ActionDeclaration) bool {
			if types == nil {
				return false
			}
			t, ok := types.ActionType(a.ActionTypeID)
			return ok && t.V2Only
		}) {
			return TypeV2
		}
	}
	return TypeV1
}

// hasGates reports whether the stage declares any condition, or a result of
// its failure.
func (s *StageDeclaration) hasGates() bool {
	return s.BeforeEntry != nil || s.OnSuccess != nil || s.OnFailure != nil
}

// Normalise returns the declaration as answers show it: what the author left
// out and CodePipeline fills in is filled in (runOrder, the artifact lists, the
// execution mode and the pipeline type in force), and nothing else is (reference:
// observed.md 2). Secrets are masked. The argument is not changed; what is not
// filled in is shared.
func Normalise(d Declaration, types ActionTypes) Declaration {
	d.PipelineType = EffectiveType(d, types)
	d.ExecutionMode = EffectiveMode(d)
	d.Stages = slices.Clone(d.Stages)
	if d.Stages == nil {
		d.Stages = []StageDeclaration{}
	}
	for i := range d.Stages {
		d.Stages[i].Actions = normaliseActions(d.Stages[i].Actions)
	}
	return d
}

func normaliseActions(declared []ActionDeclaration) []ActionDeclaration {
	actions := make([]ActionDeclaration, len(declared))
	for i, a := range declared {
		if a.RunOrder == 0 {
			a.RunOrder = 1
		}
		if a.InputArtifacts == nil {
			a.InputArtifacts = []InputArtifact{}
		}
		if a.OutputArtifacts == nil {
			a.OutputArtifacts = []OutputArtifact{}
		}
		a.Configuration = MaskSecrets(a.Configuration)
		actions[i] = a
	}
	return actions
}
