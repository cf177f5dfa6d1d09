package pipeline

import (
	"encoding/json"
	"errors"
	"testing"
)

// typeTable is a small catalogue.
type typeTable map[ActionTypeID]ActionType

func (t typeTable) ActionType(id ActionTypeID) (ActionType, bool) {
	found, ok := t[id]
	return found, ok
}

func awsType(category, provider string) ActionTypeID {
	return ActionTypeID{Category: category, Owner: OwnerAWS, Provider: provider, Version: "1"}
}

func property(name string, required bool) ConfigurationProperty {
	return ConfigurationProperty{Name: name, Required: required, Key: true}
}

// testTypes are the types that the tests declare.
func testTypes() typeTable {
	types := []ActionType{
		{ID: awsType(CategorySource, "S3"), Outputs: ArtifactBounds{1, 1}, Properties: []ConfigurationProperty{
			property("S3Bucket", true), property("S3ObjectKey", true), property(allowObjectKey, false)}},
		{ID: awsType(CategorySource, "CodeCommit"), Outputs: ArtifactBounds{1, 1}},
		{ID: awsType(CategorySource, "ECR"), Outputs: ArtifactBounds{1, 1}},
		{ID: awsType(CategorySource, "CodeStarSourceConnection"), Outputs: ArtifactBounds{1, 1}},
		{ID: awsType(CategoryBuild, "CodeBuild"), Inputs: ArtifactBounds{1, 5}, Outputs: ArtifactBounds{0, 5}, Timeout: 36 * hour,
			Properties: []ConfigurationProperty{property("ProjectName", true), property("PrimarySource", false), property("EnvironmentVariables", false)}},
		{ID: awsType(CategoryCompute, "Commands"), Inputs: ArtifactBounds{0, 10}, Outputs: ArtifactBounds{0, 1}, V2Only: true},
		{ID: awsType(CategoryApproval, "Manual"), Properties: []ConfigurationProperty{
			property("NotificationArn", false), property("CustomData", false)}},
		{ID: awsType(CategoryInvoke, "Anything"), Inputs: ArtifactBounds{0, 9}, Outputs: ArtifactBounds{0, 9}},
		{ID: ActionTypeID{CategoryBuild, OwnerCustom, "Ours", "1"}, Inputs: ArtifactBounds{0, 5}, Outputs: ArtifactBounds{0, 5},
			Properties: []ConfigurationProperty{{Name: "Project", Required: true, Queryable: true}}},
	}
	types = append(types, ruleTypes()...)
	table := make(typeTable)
	for _, t := range types {
		t.Available = true
		table[t.ID] = t
	}
	elsewhere := ActionType{ID: awsType(CategoryDeploy, "Elsewhere"), Inputs: ArtifactBounds{0, 1}}
	table[elsewhere.ID] = elsewhere
	unheld := ActionType{ID: awsType(CategoryRule, "Unheld")}
	table[unheld.ID] = unheld
	return table
}

// ruleTypes are the rule types that the tests declare.
func ruleTypes() []ActionType {
	return []ActionType{
		{ID: awsType(CategoryRule, "VariableCheck"), Properties: []ConfigurationProperty{
			property("Variable", true), property("Value", true), property("Operator", true)}},
		{ID: awsType(CategoryRule, "DeploymentWindow"), Properties: []ConfigurationProperty{property("Cron", true), property("TimeZone", false)}},
		{ID: awsType(CategoryRule, "CloudWatchAlarm"), Properties: []ConfigurationProperty{property("AlarmName", true)}},
		{ID: awsType(CategoryRule, "LambdaInvoke"), Inputs: ArtifactBounds{0, 5}, Properties: []ConfigurationProperty{property("FunctionName", true)}},
		{ID: awsType(CategoryRule, "CodeBuild"), Inputs: ArtifactBounds{1, 5}, Properties: []ConfigurationProperty{
			property("ProjectName", true), property("PrimarySource", false)}},
		{ID: awsType(CategoryRule, "Commands"), Inputs: ArtifactBounds{0, 10}},
	}
}

func testEnvironment() Environment {
	return Environment{Types: testTypes(), Region: "us-east-1", Account: "123456789012"}
}

// validDeclaration breaks no rule: a source, a build and a test beside it, an
// approval with references.
func validDeclaration() Declaration {
	return Declaration{
		Name:          "shop",
		RoleArn:       "arn:aws:iam::123456789012:role/pipeline",
		ArtifactStore: &ArtifactStore{Type: "S3", Location: "artifacts"},
		Variables:     []VariableDeclaration{{Name: "Stage", DefaultValue: new("prod")}},
		Stages: []StageDeclaration{
			{Name: "Source", Actions: []ActionDeclaration{{
				Name: "Fetch", ActionTypeID: awsType(CategorySource, "S3"), Namespace: "Fetched",
				Configuration:   map[string]string{"S3Bucket": "sources", "S3ObjectKey": "app.zip"},
				OutputArtifacts: []OutputArtifact{{Name: "App"}},
			}}},
			{Name: "Build", Actions: []ActionDeclaration{
				{
					Name: "Compile", ActionTypeID: awsType(CategoryBuild, "CodeBuild"), Namespace: "Built",
					Configuration:   map[string]string{"ProjectName": "app-#{variables.Stage}"},
					InputArtifacts:  []InputArtifact{{Name: "App"}},
					OutputArtifacts: []OutputArtifact{{Name: "Binary"}},
				},
				{
					Name: "Test", ActionTypeID: awsType(CategoryBuild, "CodeBuild"),
					Configuration:  map[string]string{"ProjectName": "test"},
					InputArtifacts: []InputArtifact{{Name: "App"}},
				},
			}},
			{Name: "Release", Actions: []ActionDeclaration{{
				Name: "Approve", ActionTypeID: awsType(CategoryApproval, "Manual"),
				Configuration: map[string]string{"CustomData": "#{Fetched.VersionId} in #{codepipeline.PipelineExecutionId}"},
			}}},
		},
	}
}

// with returns validDeclaration changed.
func with(change func(*Declaration)) Declaration {
	d := validDeclaration()
	change(&d)
	return d
}

// compile compiles in the test environment.
func compile(t testing.TB, d Declaration) (Plan, *Violation) {
	t.Helper()
	return compileIn(t, d, testEnvironment())
}

func compileIn(t testing.TB, d Declaration, env Environment) (Plan, *Violation) {
	t.Helper()
	plan, err := Compile(d, env)
	if err == nil {
		return plan, nil
	}
	violation, ok := errors.AsType[*Violation](err)
	if !ok || violation == nil {
		t.Fatalf("Compile returned %T %v, want a *Violation", err, err)
	}
	if violation.Rule == "" || violation.Exception == "" || violation.Message == "" {
		t.Fatalf("the violation %+v says too little", violation)
	}
	return plan, violation
}

func mustCompile(t testing.TB, d Declaration) Plan {
	t.Helper()
	plan, violation := compile(t, d)
	if violation != nil {
		t.Fatal(violation)
	}
	return plan
}

// throughJSON sends a declaration over the wire and back.
func throughJSON(t testing.TB, d Declaration) Declaration {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back Declaration
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}
