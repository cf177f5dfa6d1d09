package engine_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// environment knows four types of actions and rules: enough for the engine.
var environment = pipeline.Environment{Types: kinds{}, Region: "eu-west-1", Account: "123456789012"}

type kinds struct{}

func (kinds) ActionType(id pipeline.ActionTypeID) (pipeline.ActionType, bool) {
	t := pipeline.ActionType{
		ID: id, Available: true, Timeout: 60 * 60_000,
		Inputs: pipeline.ArtifactBounds{Max: 5}, Outputs: pipeline.ArtifactBounds{Max: 5},
	}
	t.Properties = []pipeline.ConfigurationProperty{{Name: "PrimarySource"}}
	if id.Category == pipeline.CategoryRule {
		t.Properties = []pipeline.ConfigurationProperty{{Name: "Variable"}, {Name: "Operator"}, {Name: "Value"}}
	}
	if id.Category == pipeline.CategoryApproval {
		t.Properties = []pipeline.ConfigurationProperty{{Name: "IsSummaryRequired"}, {Name: "CustomData"}}
		t.Timeout = 7 * 24 * 60 * 60_000
	}
	return t, true
}

// define reads the lines of a scenario's definition.
func define(t testing.TB, text string) pipeline.Declaration {
	d := pipeline.Declaration{
		Name: "pipe", RoleArn: "arn:aws:iam::123456789012:role/r", PipelineType: pipeline.TypeV2,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "store"},
	}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if words[0] == "var" {
			v := pipeline.VariableDeclaration{}
			name, value, given := strings.Cut(words[1], "=")
			v.Name = name
			if given {
				v.DefaultValue = &value
			}
			d.Variables = append(d.Variables, v)
			continue
		}
		if words[0] == "mode" {
			d.ExecutionMode = pipeline.ExecutionMode(words[1])
			continue
		}
		if gate := words[1]; gate == pipeline.GateBeforeEntry || gate == pipeline.GateOnSuccess || gate == pipeline.GateOnFailure {
			defineGate(t, &d, words)
			continue
		}
		stage, action := defineAction(t, words)
		i := len(d.Stages) - 1
		if i < 0 || d.Stages[i].Name != stage {
			d.Stages = append(d.Stages, pipeline.StageDeclaration{Name: stage})
			i++
		}
		d.Stages[i].Actions = append(d.Stages[i].Actions, action)
	}
	return d
}

// defineGate reads "Stage gate RESULT [rule [minutes=n] [in=a,b] ...] [retry=MODE]"
// into a stage that is already there; without rules the result follows at once.
func defineGate(t testing.TB, d *pipeline.Declaration, words []string) {
	i := slices.IndexFunc(d.Stages, func(s pipeline.StageDeclaration) bool { return s.Name == words[0] })
	if i < 0 {
		t.Fatalf("gate of an unknown stage: %q", words)
	}
	s := &d.Stages[i]
	condition := pipeline.Condition{Result: words[2]}
	var retry *pipeline.RetryConfiguration
	for _, w := range words[3:] {
		key, value, given := strings.Cut(w, "=")
		switch {
		case key == "retry":
			retry = &pipeline.RetryConfiguration{RetryMode: value}
		case key == "minutes":
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(fmt.Errorf("%s: %w", w, err))
			}
			condition.Rules[len(condition.Rules)-1].TimeoutInMinutes = n
		case key == "in":
			rule := &condition.Rules[len(condition.Rules)-1]
			for name := range strings.SplitSeq(value, ",") {
				rule.InputArtifacts = append(rule.InputArtifacts, pipeline.InputArtifact{Name: name})
			}
		case given:
			t.Fatalf("unknown word %q", w)
		default:
			condition.Rules = append(condition.Rules, pipeline.RuleDeclaration{
				Name:       w,
				RuleTypeID: pipeline.RuleTypeID{Category: pipeline.CategoryRule, Owner: pipeline.OwnerRule, Provider: "VariableCheck", Version: "1"},
				Configuration: map[string]string{
					"Variable": "#{codepipeline.PipelineExecutionId}", "Operator": "EQ", "Value": "x",
				},
			})
		}
	}
	switch words[1] {
	case pipeline.GateBeforeEntry:
		s.BeforeEntry = &pipeline.Conditions{Conditions: []pipeline.Condition{condition}}
	case pipeline.GateOnSuccess:
		s.OnSuccess = &pipeline.Conditions{Conditions: []pipeline.Condition{condition}}
	default:
		s.OnFailure = &pipeline.FailureConditions{RetryConfiguration: retry}
		if len(condition.Rules) == 0 {
			s.OnFailure.Result = condition.Result
		} else {
			s.OnFailure.Conditions = []pipeline.Condition{condition}
		}
	}
}

func defineAction(t testing.TB, words []string) (stage string, a pipeline.ActionDeclaration) {
	stage, a.Name, _ = strings.Cut(words[0], "/")
	switch words[1] {
	case "source":
		a.ActionTypeID = pipeline.ActionTypeID{Category: "Source", Owner: "AWS", Provider: "CodeCommit", Version: "1"}
	case "build":
		a.ActionTypeID = pipeline.ActionTypeID{Category: "Build", Owner: "AWS", Provider: "CodeBuild", Version: "1"}
	case "approval":
		a.ActionTypeID = pipeline.ActionTypeID{Category: "Approval", Owner: "AWS", Provider: "Manual", Version: "1"}
	default:
		t.Fatalf("unknown kind of action %q", words[1])
	}
	for _, w := range words[2:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "order", "minutes":
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(fmt.Errorf("%s: %w", w, err))
			}
			if key == "order" {
				a.RunOrder = n
			} else {
				a.TimeoutInMinutes = n
			}
		case "in":
			for name := range strings.SplitSeq(value, ",") {
				a.InputArtifacts = append(a.InputArtifacts, pipeline.InputArtifact{Name: name})
			}
		case "out":
			for name := range strings.SplitSeq(value, ",") {
				a.OutputArtifacts = append(a.OutputArtifacts, pipeline.OutputArtifact{Name: name})
			}
		case "ns":
			a.Namespace = value
		default:
			a.Configuration = map[string]string{key: value}
		}
	}
	return stage, a
}
