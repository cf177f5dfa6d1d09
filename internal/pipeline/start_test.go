package pipeline

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestResolveVariables follows observed.md 10.
func TestResolveVariables(t *testing.T) {
	t.Parallel()
	declared := []VariableDeclaration{{Name: "Zulu"}, {Name: "Alpha", DefaultValue: new("a")}, {Name: "Middle"}, {Name: "zulu", DefaultValue: new("low")}}
	tests := []struct {
		name                string
		given               []Variable
		resolved            []Variable
		missing, undeclared []string
		violation           string
	}{
		{name: "nothing given", missing: []string{"Zulu", "Middle"}},
		{name: "all given", given: []Variable{{"Middle", "m"}, {"Zulu", "z"}, {"Alpha", "b"}},
			resolved: []Variable{{"Zulu", "z"}, {"Alpha", "b"}, {"Middle", "m"}, {"zulu", "low"}}},
		{name: "undeclared are told", given: []Variable{{"Other", "o"}, {"Zulu", "z"}, {"Middle", "m"}, {"ALPHA", "x"}},
			resolved: []Variable{{"Zulu", "z"}, {"Alpha", "a"}, {"Middle", "m"}, {"zulu", "low"}}, undeclared: []string{"Other", "ALPHA"}},
		{name: "undeclared and missing", given: []Variable{{"Other", "o"}, {"Zulu", "z"}}, missing: []string{"Middle"}, undeclared: []string{"Other"}},
		{name: "twice", given: []Variable{{"Zulu", "z"}, {"Middle", "m"}, {"Zulu", "z"}}, violation: "Variable names must be unique. The following variable name is already in use: Zulu"},
		{name: "undeclared twice", given: []Variable{{"Other", "1"}, {"Other", "2"}}, violation: "Variable names must be unique. The following variable name is already in use: Other"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			resolved, missing, undeclared, violation := ResolveVariables(declared, test.given)
			if diff := cmp.Diff(test.resolved, resolved) + cmp.Diff(test.missing, missing) + cmp.Diff(test.undeclared, undeclared); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (violation != nil) != (test.violation != "") || violation != nil && (violation.Message != test.violation || violation.Exception != "ValidationException") {
				t.Errorf("violation %v, want %q", violation, test.violation)
			}
		})
	}
	if resolved, missing, _, violation := ResolveVariables(nil, nil); resolved != nil || missing != nil || violation != nil {
		t.Errorf("nothing declared: %v, %v, %v, want nothing", resolved, missing, violation)
	}
}

func TestCheckOverrides(t *testing.T) {
	t.Parallel()
	source := func(name, provider string) ActionDeclaration {
		return ActionDeclaration{Name: name, ActionTypeID: awsType(CategorySource, provider), OutputArtifacts: []OutputArtifact{{Name: "Out" + name}}}
	}
	bucket := func(name, allow string) ActionDeclaration {
		a := source(name, "S3")
		a.Configuration = map[string]string{"S3Bucket": "b", "S3ObjectKey": "k"}
		if allow != "" {
			a.Configuration[allowObjectKey] = allow
		}
		return a
	}
	d := with(func(d *Declaration) {
		d.Stages[0].Actions = append(d.Stages[0].Actions, source("Commit", "CodeCommit"), source("Connected", "CodeStarSourceConnection"),
			source("Image", "ECR"), bucket("Open", "true"), bucket("Closed", "false"))
	})
	plan := mustCompile(t, d)
	one := func(action string, kind RevisionType) []SourceRevisionOverride {
		return []SourceRevisionOverride{{ActionName: action, RevisionType: kind, RevisionValue: "v"}}
	}
	tests := []struct {
		name      string
		overrides []SourceRevisionOverride
		want      string // part of the text; empty: accepted
	}{
		{"none", nil, ""},
		{"commit", one("Commit", RevisionCommitID), ""},
		{"connection", one("Connected", RevisionCommitID), ""},
		{"image", one("Image", RevisionImageDigest), ""},
		{"version", one("Closed", RevisionS3ObjectVersionID), ""},
		{"key", one("Open", RevisionS3ObjectKey), ""},
		{"key and version", append(one("Open", RevisionS3ObjectKey), one("Open", RevisionS3ObjectVersionID)...), ""},
		{"several actions", append(one("Open", RevisionS3ObjectVersionID), one("Closed", RevisionS3ObjectVersionID)...), ""},
		{"unknown action", one("Nobody", RevisionCommitID), "The action name provided in the source revision is not valid. The action must be a source action in your pipeline."},
		{"build action", one("Compile", RevisionCommitID), "The action name provided in the source revision is not valid."},
		{"commit of a bucket", one("Open", RevisionCommitID), "COMMIT_ID"},
		{"image of a commit", one("Commit", RevisionImageDigest), "IMAGE_DIGEST"},
		{"version of an image", one("Image", RevisionS3ObjectVersionID), "S3_OBJECT_VERSION_ID"},
		{"key not allowed", one("Closed", RevisionS3ObjectKey), "AllowOverrideForS3ObjectKey"},
		{"key not mentioned", one("Fetch", RevisionS3ObjectKey), "AllowOverrideForS3ObjectKey"},
		{"twice", append(one("Open", RevisionS3ObjectKey), one("Open", RevisionS3ObjectKey)...), "more than once"},
		{"no such type", one("Open", "BRANCH"), "BRANCH"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := CheckOverrides(&plan, test.overrides)
			switch {
			case got == nil && test.want == "":
			case got == nil:
				t.Errorf("accepted, want a text with %q", test.want)
			case test.want == "" || !strings.Contains(got.Message, test.want) || got.Exception != "ValidationException":
				t.Errorf("%v, want %q", got, test.want)
			}
		})
	}
}

func TestEffectiveType(t *testing.T) {
	t.Parallel()
	plain := func(d *Declaration) {
		d.Variables = nil
		d.Stages[1].Actions[0].Configuration["ProjectName"] = "app"
	}
	tests := []struct {
		name   string
		change func(*Declaration)
		want   PipelineType
	}{
		{"nothing", func(*Declaration) {}, TypeV1},
		{"explicit V1", func(d *Declaration) { d.PipelineType = TypeV1 }, TypeV1},
		{"explicit V2", func(d *Declaration) { d.PipelineType = TypeV2 }, TypeV2},
		{"explicit V1 and variables", func(d *Declaration) { d.PipelineType, d.Variables = TypeV1, validDeclaration().Variables }, TypeV1},
		{"variables", func(d *Declaration) { d.Variables = validDeclaration().Variables }, TypeV2},
		{"no variables", func(d *Declaration) { d.Variables = []VariableDeclaration{} }, TypeV1},
		{"triggers", func(d *Declaration) { d.Triggers = []TriggerDeclaration{{}} }, TypeV2},
		{"no triggers", func(d *Declaration) { d.Triggers = []TriggerDeclaration{} }, TypeV1},
		{"superseded", func(d *Declaration) { d.ExecutionMode = ModeSuperseded }, TypeV1},
		{"queued", func(d *Declaration) { d.ExecutionMode = ModeQueued }, TypeV2},
		{"entry", func(d *Declaration) { d.Stages[1].BeforeEntry = gateOf(ResultFail) }, TypeV2},
		{"success", func(d *Declaration) { d.Stages[1].OnSuccess = gateOf(ResultFail) }, TypeV2},
		{"failure", func(d *Declaration) { d.Stages[1].OnFailure = &FailureConditions{} }, TypeV2},
		{"commands", func(d *Declaration) { d.Stages[1].Actions[0].ActionTypeID = awsType(CategoryCompute, "Commands") }, TypeV2},
	}
	for _, test := range tests {
		d := with(plain)
		test.change(&d)
		if got := EffectiveType(d, testTypes()); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	if got := EffectiveType(with(plain), nil); got != TypeV1 {
		t.Errorf("without types: %s, want V1", got)
	}
}

// TestNormalise follows observed.md 2: these are filled in and nothing else.
func TestNormalise(t *testing.T) {
	t.Parallel()
	d := validDeclaration()
	d.Stages[1].Actions[1].RunOrder = 3
	d.Version = 7
	want := throughJSON(t, d)
	want.ExecutionMode, want.PipelineType = ModeSuperseded, TypeV2
	for i := range want.Stages {
		for j := range want.Stages[i].Actions {
			a := &want.Stages[i].Actions[j]
			a.RunOrder = max(a.RunOrder, 1)
			if a.InputArtifacts == nil {
				a.InputArtifacts = []InputArtifact{}
			}
			if a.OutputArtifacts == nil {
				a.OutputArtifacts = []OutputArtifact{}
			}
		}
	}
	before := throughJSON(t, d)
	got := Normalise(d, testTypes())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, d); diff != "" {
		t.Errorf("the argument changed (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(got, Normalise(got, testTypes())); diff != "" {
		t.Errorf("twice is not the same as once:\n%s", diff)
	}
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	if got := Unsupported(validDeclaration(), false); len(got) != 0 {
		t.Errorf("a plain pipeline asks for %q", got)
	}
	tests := []struct {
		change func(*Declaration)
		want   string
	}{
		{func(d *Declaration) {
			d.Stages[1].Actions[0].ActionTypeID.Category = CategoryApproval
			d.Stages[1].Actions[0].Configuration = map[string]string{"NotificationArn": "arn:aws:sns:eu-west-1:111122223333:t"}
		}, "notification (NotificationArn) of approval"},
		{func(d *Declaration) { d.Triggers = []TriggerDeclaration{trigger("Fetch")} }, "trigger on source action 'Fetch'"},
	}
	all := validDeclaration()
	for _, test := range tests {
		test.change(&all)
		got := Unsupported(with(test.change), false)
		if len(got) != 1 || !strings.Contains(got[0], test.want) {
			t.Errorf("%q, want one feature with %q", got, test.want)
		}
	}
	if got := Unsupported(all, false); len(got) != len(tests) {
		t.Errorf("%q, want every feature", got)
	}
	for _, feature := range Unsupported(all, true) {
		if strings.Contains(feature, "trigger") {
			t.Errorf("%q although triggers may be inert", feature)
		}
	}
	if got := Unsupported(all, true); len(got) != len(tests)-1 {
		t.Errorf("%q, want every feature but triggers", got)
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	d := with(func(d *Declaration) {
		d.Stages[1].Actions[1].ActionTypeID = awsType(CategoryDeploy, "Elsewhere")
		d.Stages[2].Actions[0].ActionTypeID = awsType(CategoryDeploy, "Nowhere")
		d.Stages[0].OnSuccess = gateOf(ResultFail, "VariableCheck", "Unheld")
		d.Stages[1].BeforeEntry = gateOf(ResultFail, "Oracle")
	})
	want := []ActionRef{
		{"Source", GateOnSuccess, "Unheld", awsType(CategoryRule, "Unheld")},
		{"Build", "", "Test", awsType(CategoryDeploy, "Elsewhere")},
		{"Build", GateBeforeEntry, "Oracle", awsType(CategoryRule, "Oracle")},
		{"Release", "", "Approve", awsType(CategoryDeploy, "Nowhere")},
	}
	if diff := cmp.Diff(want, Unavailable(d, testTypes())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
