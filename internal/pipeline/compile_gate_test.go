package pipeline

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ruleOf(name, provider string, configuration map[string]string) RuleDeclaration {
	return RuleDeclaration{Name: name, RuleTypeID: RuleTypeID{Category: CategoryRule, Owner: OwnerRule, Provider: provider, Version: "1"}, Configuration: configuration}
}

// TestGatePlan reads the plans of all gates.
func TestGatePlan(t *testing.T) {
	t.Parallel()
	d := with(func(d *Declaration) {
		entry := ruleOf("Window", "DeploymentWindow", map[string]string{"TimeZone": "UTC", "Cron": "* * 9-17 ? * MON-FRI *"})
		entry.TimeoutInMinutes = 7
		d.Stages[2].BeforeEntry = &Conditions{Conditions: []Condition{{Result: ResultFail, Rules: []RuleDeclaration{entry}}}}
		check := ruleOf("Check", "VariableCheck", map[string]string{
			"Variable": "#{Fetched.VersionId}", "Operator": "EQ", "Value": "1"})
		check.RuleTypeID.Owner, check.RuleTypeID.Version = "", ""
		try := ruleOf("Try", "Commands", nil)
		try.Commands, try.InputArtifacts = []string{"make"}, []InputArtifact{{Name: "App"}}
		try.Region, try.RoleArn = "eu-west-1", "arn:role"
		d.Stages[2].OnSuccess = &Conditions{Conditions: []Condition{{Result: ResultRollback, Rules: []RuleDeclaration{check, try}}}}
		d.Stages[2].OnFailure = &FailureConditions{Result: ResultRetry}
		d.Stages[0].OnSuccess = &Conditions{Conditions: []Condition{{Rules: []RuleDeclaration{ruleOf("Silent", "VariableCheck", nil)}}}}
		d.Stages[1].OnFailure = &FailureConditions{
			RetryConfiguration: &RetryConfiguration{RetryMode: RetryAllActions},
			Conditions:         []Condition{{Result: ResultRetry, Rules: []RuleDeclaration{ruleOf("Alarm", "CloudWatchAlarm", map[string]string{"AlarmName": "a"})}}},
		}
		d.Stages[1].BeforeEntry, d.Stages[1].OnSuccess = &Conditions{}, &Conditions{Conditions: []Condition{}}
		d.Stages[0].OnFailure = &FailureConditions{}
	})
	rule := func(provider string) ActionTypeID { return awsType(CategoryRule, provider) }
	stages := CompileStored(d, testEnvironment()).Stages
	got := [][]*GatePlan{}
	for i := range stages {
		got = append(got, []*GatePlan{stages[i].Gate(GateBeforeEntry), stages[i].Gate(GateOnSuccess), stages[i].Gate(GateOnFailure)})
	}
	want := [][]*GatePlan{
		{nil, {
			Conditions: []ConditionPlan{{ResultFail, 0, 1}},
			Rules:      []ActionPlan{{Name: "Silent", Type: rule("VariableCheck"), RunOrder: 1, Timeout: hour}},
		}, nil},
		{nil, nil, {
			RetryMode: RetryAllActions, Conditions: []ConditionPlan{{ResultRetry, 0, 1}},
			Rules: []ActionPlan{{
				Name: "Alarm", Type: rule("CloudWatchAlarm"), RunOrder: 1, Timeout: 24 * hour,
				Configuration: []ConfigurationEntry{{"AlarmName", ParseTemplate("a")}},
			}},
		}},
		{
			{
				Conditions: []ConditionPlan{{ResultFail, 0, 1}},
				Rules: []ActionPlan{{
					Name: "Window", Type: rule("DeploymentWindow"), RunOrder: 1, Timeout: 7 * minute,
					Configuration: []ConfigurationEntry{{"Cron", ParseTemplate("* * 9-17 ? * MON-FRI *")}, {"TimeZone", ParseTemplate("UTC")}},
				}},
			},
			{
				Conditions: []ConditionPlan{{ResultRollback, 0, 2}},
				Rules: []ActionPlan{
					{
						Name: "Check", Type: rule("VariableCheck"), RunOrder: 1, Timeout: hour,
						Configuration: []ConfigurationEntry{{"Operator", ParseTemplate("EQ")}, {"Value", ParseTemplate("1")},
							{"Variable", Template{Source: "#{Fetched.VersionId}", Parts: []TemplatePart{{Namespace: "Fetched", Key: "VersionId"}}}}},
					},
					{
						Name: "Try", Type: rule("Commands"), RunOrder: 1, Timeout: 55 * minute, Index: 1, Commands: []string{"make"},
						Inputs: []string{"App"}, Region: "eu-west-1", RoleArn: "arn:role",
					},
				},
			},
			{Result: ResultRetry, RetryMode: RetryFailedActions},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("gates (-want +got):\n%s", diff)
	}
	if a := stages[2].Attempted(GateOnSuccess, "Try"); a == nil || a.Name != "Try" {
		t.Errorf("Attempted(onSuccess, Try) = %+v", a)
	}
	if a := stages[2].Attempted("", "Try"); a != nil {
		t.Errorf("a rule is an action: %+v", a)
	}
}

func TestRuleTimeout(t *testing.T) {
	t.Parallel()
	limits := map[string]int64{
		"DeploymentWindow": 24 * hour, "LambdaInvoke": 24 * hour, "CloudWatchAlarm": 24 * hour,
		"Commands": 55 * minute, "CodeBuild": 8 * hour, "VariableCheck": hour,
	}
	for provider, want := range limits {
		id := awsType(CategoryRule, provider)
		if got := ruleTimeout(id, 0, 0); got != want {
			t.Errorf("%s: %d ms, want %d", provider, got, want)
		}
		if got := ruleTimeout(id, 1234, 0); got != 1234 {
			t.Errorf("%s of a catalogue: %d ms, want 1234", provider, got)
		}
		if got := ruleTimeout(id, 1234, 5); got != 5*minute {
			t.Errorf("%s of 5 minutes: %d ms", provider, got)
		}
	}
}
