package simtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// gateDraw is what bounds the gates that a stage may have.
type gateDraw struct {
	temper *temper
	mode   pipeline.ExecutionMode
	first  bool
	// before and after are the artifacts that exist before and after the stage.
	before, after []string
	rules         int // names are unique in a stage
}

// drawGates gives a stage none to three gates.
func drawGates(rng *rand.Rand, stage *pipeline.StageDeclaration, g gateDraw) {
	if rng.IntN(4) == 0 {
		result := pick(rng, pipeline.ResultFail, pipeline.ResultSkip)
		stage.BeforeEntry = &pipeline.Conditions{Conditions: g.condition(rng, result, g.before)}
	}
	if rng.IntN(4) == 0 {
		result := pipeline.ResultFail
		if !g.first {
			result = pick(rng, pipeline.ResultFail, pipeline.ResultRollback)
		}
		if g.mode == pipeline.ModeParallel {
			result = pipeline.ResultFail
		}
		stage.OnSuccess = &pipeline.Conditions{Conditions: g.condition(rng, result, g.after)}
	}
	if rng.IntN(2) == 0 {
		stage.OnFailure = g.failure(rng)
	}
}

// failure draws what follows a failure: a result at once, or one behind rules.
func (g *gateDraw) failure(rng *rand.Rand) *pipeline.FailureConditions {
	results := []string{pipeline.ResultFail, pipeline.ResultSkip, pipeline.ResultRetry, pipeline.ResultRetry}
	if !g.first && g.mode != pipeline.ModeParallel {
		results = append(results, pipeline.ResultRollback, pipeline.ResultRollback)
	}
	result := pick(rng, results...)
	f := &pipeline.FailureConditions{}
	if result == pipeline.ResultRetry && rng.IntN(3) > 0 {
		mode := pick(rng, pipeline.RetryAllActions, pipeline.RetryFailedActions)
		f.RetryConfiguration = &pipeline.RetryConfiguration{RetryMode: mode}
	}
	if rng.IntN(2) == 0 {
		f.Result = result
	} else {
		f.Conditions = g.condition(rng, result, g.before)
	}
	return f
}

func (g *gateDraw) condition(rng *rand.Rand, result string, artifacts []string) []pipeline.Condition {
	c := pipeline.Condition{Result: result}
	for range 1 + rng.IntN(2) {
		providers := []string{"VariableCheck", "LambdaInvoke", "CodeBuild"}
		if result == pipeline.ResultSkip {
			providers = providers[:2]
		}
		rule := pipeline.RuleDeclaration{
			Name:       fmt.Sprintf("R%d", g.rules),
			RuleTypeID: pipeline.RuleTypeID{Category: "Rule", Owner: "AWS", Provider: pick(rng, providers...), Version: "1"},
		}
		g.rules++
		if t := g.temper; t.jobs > 0 && rule.RuleTypeID.Provider == lambdaRule && rng.IntN(10) < t.jobs {
			rule.Configuration = map[string]string{"FunctionName": functionName}
		}
		if rng.IntN(2) == 0 {
			rule.TimeoutInMinutes = 5
		}
		if len(artifacts) > 0 && rng.IntN(4) == 0 {
			rule.InputArtifacts = []pipeline.InputArtifact{{Name: pick(rng, artifacts...)}}
		}
		c.Rules = append(c.Rules, rule)
	}
	return []pipeline.Condition{c}
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }
