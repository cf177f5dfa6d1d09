package simtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// types knows every action type that a shape may use. The provider's name says
// what follows a lost node.
type types struct{}

func (types) ActionType(id pipeline.ActionTypeID) (pipeline.ActionType, bool) {
	t := pipeline.ActionType{
		ID: id, Available: true, Timeout: 60 * minute, WhenLost: whenLost(id.Provider),
		Inputs: pipeline.ArtifactBounds{Max: 5}, Outputs: pipeline.ArtifactBounds{Max: 5},
	}
	if id.Provider == lambdaRule {
		t.Properties = []pipeline.ConfigurationProperty{{Name: "FunctionName"}}
	}
	if id.Category == pipeline.CategoryApproval {
		t.Timeout = 7 * 24 * hour
	}
	return t, true
}

// whenLost says what follows a lost node: an action's provider is named after
// it, rules have the providers that an entry condition may skip a stage by.
func whenLost(provider string) pipeline.WhenLost {
	switch provider {
	case "VariableCheck":
		return pipeline.LostAgain
	case "LambdaInvoke":
		return pipeline.LostFind
	case "CodeBuild":
		return pipeline.LostFail
	}
	return pipeline.WhenLost(provider)
}

// Durations in milliseconds.
const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// stagePool is how many stage names there are.
const stagePool = 6

func stageName(i int) string { return fmt.Sprintf("S%d", i) }

// shape draws a definition: a mode, stages of run-order groups with artifacts
// handed from one to the next, approvals, gates with rules, and variables with
// and without defaults. Stage names come from a small pool, so that an update
// keeps some of them, moves some and removes some.
func shape(rng *rand.Rand, name string, t *temper) *pipeline.Plan {
	d := pipeline.Declaration{
		Name: name, RoleArn: "arn:aws:iam::123456789012:role/r", PipelineType: pipeline.TypeV2,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "store"},
		ExecutionMode: pick(rng, t.modes...),
	}
	for i := range rng.IntN(3) {
		v := pipeline.VariableDeclaration{Name: fmt.Sprintf("V%d", i)}
		if rng.IntN(8) > 0 {
			v.DefaultValue = new("default")
		}
		d.Variables = append(d.Variables, v)
	}
	names := rng.Perm(t.pool)
	var artifacts []string
	for i := range 2 + rng.IntN(3) {
		stage := pipeline.StageDeclaration{Name: stageName(names[i])}
		before := artifacts
		if i == 0 {
			stage.Actions, artifacts = drawSources(rng, t)
		} else {
			stage.Actions, artifacts = drawActions(rng, t, artifacts)
		}
		drawGates(rng, &stage, gateDraw{temper: t, mode: d.ExecutionMode, first: i == 0, before: before, after: artifacts})
		d.Stages = append(d.Stages, stage)
	}
	plan, err := pipeline.Compile(d, pipeline.Environment{Types: types{}, Region: "eu-west-1", Account: "123456789012"})
	if err != nil {
		panic(fmt.Sprintf("shape: %v", err))
	}
	return &plan
}

func drawSources(rng *rand.Rand, t *temper) (actions []pipeline.ActionDeclaration, artifacts []string) {
	for i := range 1 + rng.IntN(2) {
		artifact := fmt.Sprintf("src%d", i)
		actions = append(actions, pipeline.ActionDeclaration{
			Name: fmt.Sprintf("Fetch%d", i), ActionTypeID: typeOf(rng, t, pipeline.CategorySource),
			RunOrder: 1 + rng.IntN(2), OutputArtifacts: []pipeline.OutputArtifact{{Name: artifact}},
		})
		artifacts = append(artifacts, artifact)
	}
	return actions, artifacts
}

// drawActions makes one to three groups; what a group makes is there for the
// next one.
func drawActions(rng *rand.Rand, t *temper, artifacts []string) ([]pipeline.ActionDeclaration, []string) {
	var actions []pipeline.ActionDeclaration
	order := 0
	for range 1 + rng.IntN(3) {
		order += 1 + rng.IntN(3)
		made := artifacts
		for range 1 + rng.IntN(2) {
			a := pipeline.ActionDeclaration{Name: fmt.Sprintf("A%d", len(actions)), RunOrder: order}
			if rng.IntN(4) == 0 {
				a.ActionTypeID = pipeline.ActionTypeID{Category: "Approval", Owner: "AWS", Provider: "Manual", Version: "1"}
				if rng.IntN(2) == 0 {
					a.TimeoutInMinutes = 5
				}
				actions = append(actions, a)
				continue
			}
			a.ActionTypeID = typeOf(rng, t, pipeline.CategoryBuild)
			if rng.IntN(3) > 0 {
				a.InputArtifacts = []pipeline.InputArtifact{{Name: artifacts[rng.IntN(len(artifacts))]}}
			}
			if rng.IntN(2) == 0 {
				artifact := fmt.Sprintf("art%d", len(made))
				a.OutputArtifacts = []pipeline.OutputArtifact{{Name: artifact}}
				made = append(made[:len(made):len(made)], artifact)
			}
			actions = append(actions, a)
		}
		artifacts = made
	}
	return actions, artifacts
}

// typeOf draws an action type. Sources are done by job workers less often, as nothing
// else begins before they end, and never by functions.
func typeOf(rng *rand.Rand, t *temper, category string) pipeline.ActionTypeID {
	if t.jobs > 0 && rng.IntN(10) < t.jobs {
		kinds := []pipeline.ActionTypeID{
			{Category: category, Owner: pipeline.OwnerThirdParty, Provider: partnerProvider, Version: "1"},
			{Category: category, Owner: pipeline.OwnerCustom, Provider: workerProvider, Version: "1"},
			{Category: pipeline.CategoryInvoke, Owner: pipeline.OwnerAWS, Provider: lambdaProvider, Version: "1"},
			{Category: category, Owner: pipeline.OwnerThirdParty, Provider: functionProvider, Version: "1"},
		}
		k := rng.IntN(len(kinds))
		switch {
		case t.functions:
			k = 2 + k%2
		case t.workers:
			k %= 2
		}
		if category != pipeline.CategorySource || k < 2 {
			return kinds[k]
		}
	}
	lost := []pipeline.WhenLost{pipeline.LostAgain, pipeline.LostFind, pipeline.LostFail}[rng.IntN(3)]
	return pipeline.ActionTypeID{Category: category, Owner: "Custom", Provider: string(lost), Version: "1"}
}
