package pipeline

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The behavioural checks C3 to C7 of execution.md 12.

func wantRule(t *testing.T, d Declaration, rule string) {
	t.Helper()
	_, got := compile(t, d)
	switch {
	case got == nil && rule != "":
		t.Errorf("compiles, want a breach of %s", rule)
	case got != nil && got.Rule != rule:
		t.Errorf("breaks %s (%s), want %q", got.Rule, got.Message, rule)
	}
}

func TestC3OneStageOnly(t *testing.T) {
	t.Parallel()
	wantRule(t, with(func(d *Declaration) { d.Stages = d.Stages[:1] }), "S1")
}

func TestC4SourcesAndOthersInTheirPlaces(t *testing.T) {
	t.Parallel()
	source := validDeclaration().Stages[0].Actions[0]
	other := manyActions(1)[0]
	stages := func(first, second ActionDeclaration) Declaration {
		return with(func(d *Declaration) {
			d.Stages = []StageDeclaration{
				{Name: "One", Actions: []ActionDeclaration{first}},
				{Name: "Two", Actions: []ActionDeclaration{second}},
			}
		})
	}
	wantRule(t, stages(source, other), "")
	wantRule(t, stages(other, other), "S3")
	wantRule(t, stages(other, source), "S3")
	wantRule(t, stages(source, source), "S5")
	mixed := stages(source, source)
	mixed.Stages[1].Actions = append(mixed.Stages[1].Actions, other)
	wantRule(t, mixed, "S4")
}

func TestC5NamesThatRepeat(t *testing.T) {
	t.Parallel()
	wantRule(t, with(func(d *Declaration) { d.Stages[2].Name = d.Stages[1].Name }), "S6")
	wantRule(t, with(func(d *Declaration) { d.Stages[2].Actions[0].Name = d.Stages[1].Actions[0].Name }), "")
}

// chained makes the second build consume the first one's artifact.
func chained(producer, consumer int, swap bool) Declaration {
	return with(func(d *Declaration) {
		actions := d.Stages[1].Actions
		actions[0].RunOrder, actions[1].RunOrder = producer, consumer
		actions[1].InputArtifacts = []InputArtifact{{Name: "Binary"}}
		if swap {
			actions[0], actions[1] = actions[1], actions[0]
		}
	})
}

func TestC6ArtifactOfTheSameRunOrder(t *testing.T) {
	t.Parallel()
	wantRule(t, chained(2, 2, false), "S38")
	wantRule(t, chained(0, 1, false), "S38")
	wantRule(t, chained(3, 2, false), "S38")
}

func TestC7ArtifactOfALowerRunOrderLaterInTheList(t *testing.T) {
	t.Parallel()
	wantRule(t, chained(1, 2, true), "")
	wantRule(t, chained(0, 2, true), "")
	wantRule(t, chained(2, 1, true), "S38")
}

// TestPlan reads a whole plan.
func TestPlan(t *testing.T) {
	t.Parallel()
	d := chained(2, 7, true)
	d.Version = 4
	d.ExecutionMode = ModeQueued
	d.Stages[1].Actions[1].EnvironmentVariables = []EnvironmentVariable{{Name: "GOAL", Value: "#{variables.Stage}", Type: "PLAINTEXT"}}
	d.Stages[1].Actions = append(d.Stages[1].Actions, ActionDeclaration{
		Name: "Lint", ActionTypeID: awsType(CategoryInvoke, "Anything"), RunOrder: 2, Region: "eu-west-1", RoleArn: "arn:role",
	})
	d.Stages[2].Actions[0].TimeoutInMinutes = 30
	d.Stages[2].Actions[0].Region = "us-east-1" // the pipeline's own
	store := *d.ArtifactStore
	d.ArtifactStores = map[string]ArtifactStore{"us-east-1": store, "eu-west-1": {Type: "S3", Location: "west"}}
	d.ArtifactStore = nil

	want := Plan{
		Name: "shop", Version: 4, Mode: ModeQueued, Type: TypeV2, RoleArn: d.RoleArn,
		Variables: d.Variables,
		Stores:    []RegionStore{{Region: "", Store: store}, {Region: "eu-west-1", Store: ArtifactStore{Type: "S3", Location: "west"}}},
		Stages: []StagePlan{
			{Name: "Source", Groups: []Group{{0, 1}}, Actions: []ActionPlan{{
				Name: "Fetch", Type: awsType(CategorySource, "S3"), RunOrder: 1, Namespace: "Fetched", Timeout: hour,
				Configuration: []ConfigurationEntry{{"S3Bucket", ParseTemplate("sources")}, {"S3ObjectKey", ParseTemplate("app.zip")}},
				Outputs:       []OutputArtifact{{Name: "App"}},
			}}},
			{Name: "Build", Groups: []Group{{0, 2}, {2, 3}}, Actions: []ActionPlan{
				{
					Name: "Compile", Type: awsType(CategoryBuild, "CodeBuild"), RunOrder: 2, Namespace: "Built", Timeout: 36 * hour, Index: 1,
					Configuration: []ConfigurationEntry{{"ProjectName", Template{Source: "app-#{variables.Stage}", Parts: []TemplatePart{
						{Literal: "app-"}, {Namespace: "variables", Key: "Stage"}}}}},
					Environment: []EnvironmentEntry{{"GOAL", "PLAINTEXT", ParseTemplate("#{variables.Stage}")}},
					Inputs:      []string{"App"}, Outputs: []OutputArtifact{{Name: "Binary"}},
				},
				{Name: "Lint", Type: awsType(CategoryInvoke, "Anything"), RunOrder: 2, Timeout: hour, Index: 2, Region: "eu-west-1", RoleArn: "arn:role"},
				{
					Name: "Test", Type: awsType(CategoryBuild, "CodeBuild"), RunOrder: 7, Timeout: 36 * hour, Index: 0,
					Configuration: []ConfigurationEntry{{"ProjectName", ParseTemplate("test")}}, Inputs: []string{"Binary"},
				},
			}},
			{Name: "Release", Groups: []Group{{0, 1}}, Actions: []ActionPlan{{
				Name: "Approve", Type: awsType(CategoryApproval, "Manual"), RunOrder: 1, Timeout: 30 * minute,
				Configuration: []ConfigurationEntry{{"CustomData", ParseTemplate("#{Fetched.VersionId} in #{codepipeline.PipelineExecutionId}")}},
			}}},
		},
	}
	got := mustCompile(t, d)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if s, ok := got.Store("eu-west-1"); !ok || s.Location != "west" {
		t.Errorf("Store(eu-west-1) = %+v, %t", s, ok)
	}
	if s, ok := got.Store("ap-east-1"); ok {
		t.Errorf("Store(ap-east-1) = %+v, want none", s)
	}
	if text, ok := got.Stages[0].Actions[0].ConfigurationText("S3ObjectKey"); !ok || text.Source != "app.zip" {
		t.Errorf("ConfigurationText(S3ObjectKey) = %+v, %t", text, ok)
	}
	if text, ok := got.Stages[0].Actions[0].ConfigurationText("S3"); ok {
		t.Errorf("ConfigurationText(S3) = %+v, want none", text)
	}
}

// TestPlanSharesNothing: a plan must not change with its declaration.
func TestPlanSharesNothing(t *testing.T) {
	t.Parallel()
	d := validDeclaration()
	d.Stages[1].Actions[0].Commands = []string{"make"}
	plan := mustCompile(t, d)
	want := mustCompile(t, d)
	d.Variables[0].Name = "Other"
	d.ArtifactStore.Location = "other"
	a := &d.Stages[1].Actions[0]
	a.Commands[0], a.InputArtifacts[0].Name, a.OutputArtifacts[0].Name = "rm", "X", "Y"
	a.Configuration["ProjectName"] = "other"
	if diff := cmp.Diff(want, plan); diff != "" {
		t.Errorf("the plan changed with its declaration (-want +got):\n%s", diff)
	}
}

// TestCompileStored: what was accepted stays what it was, even when its types
// are gone.
func TestCompileStored(t *testing.T) {
	t.Parallel()
	d := chained(2, 7, true)
	if diff := cmp.Diff(mustCompile(t, d), CompileStored(d, testEnvironment())); diff != "" {
		t.Errorf("not the plan it was accepted with (-accepted +stored):\n%s", diff)
	}
	env := testEnvironment()
	env.Types, env.Limits = typeTable{}, Limits{MaxStages: 1}
	got := CompileStored(d, env)
	if n := len(got.Stages); n != 3 {
		t.Fatalf("%d stages, want 3", n)
	}
	if limit := got.Stages[2].Actions[0].Timeout; limit != ApprovalTimeout {
		t.Errorf("the approval ends after %d ms, want %d", limit, ApprovalTimeout)
	}
	if build := got.Stages[1].Actions[0]; build.Name != "Compile" || build.Timeout != DefaultTimeout {
		t.Errorf("first build %+v, want Compile with the default limit", build)
	}
}

func TestActionTimeout(t *testing.T) {
	t.Parallel()
	manual, other := awsType(CategoryApproval, "Manual"), awsType(CategoryBuild, "CodeBuild")
	tests := []struct {
		name     string
		id       ActionTypeID
		declared int64
		minutes  int
		want     int64
	}{
		{"approval", manual, 0, 0, 604800000},
		{"approval of a catalogue", manual, 5, 0, 5},
		{"approval of 60 days", manual, 5, 86400, 5184000000},
		{"type's own", other, 1234, 0, 1234},
		{"minutes are for approvals", other, 1234, 5, 1234},
		{"nothing said", other, 0, 0, 3600000},
	}
	for _, test := range tests {
		if got := actionTimeout(test.id, test.declared, test.minutes); got != test.want {
			t.Errorf("%s: %d ms, want %d", test.name, got, test.want)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	d, env := validDeclaration(), testEnvironment()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(d, env); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompileLargest(b *testing.B) {
	d, env := validDeclaration(), testEnvironment()
	d.Stages = append(manyStages(11, 49), StageDeclaration{Name: "X", Actions: manyActions(9)})
	d.Variables = nil
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(d, env); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompileRefused(b *testing.B) {
	d, env := validDeclaration(), testEnvironment()
	d.Stages = manyStages(1000, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(d, env); err == nil {
			b.Fatal("a thousand stages compile")
		}
	}
}
