package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
)

// ruleOf declares a rule.
func ruleOf(name, provider string, config map[string]string) types.RuleDeclaration {
	return types.RuleDeclaration{
		Name: &name, Configuration: config,
		RuleTypeId: &types.RuleTypeId{Category: "Rule", Owner: "AWS", Provider: &provider, Version: aws.String("1")},
	}
}

// condition is a condition of rules.
func condition(result types.Result, rules ...types.RuleDeclaration) []types.Condition {
	return []types.Condition{{Result: result, Rules: rules}}
}

// rules lists the rule executions of an execution, in the order of their names.
func (b *bed) rules(name, execution string) []types.RuleExecutionDetail {
	b.t.Helper()
	out, err := b.cp.ListRuleExecutions(b.t.Context(), &cp.ListRuleExecutionsInput{
		PipelineName: &name, Filter: &types.RuleExecutionFilter{PipelineExecutionId: &execution},
	})
	b.must(err)
	slices.SortFunc(out.RuleExecutionDetails, func(x, y types.RuleExecutionDetail) int {
		return cmp.Compare(aws.ToString(x.RuleName), aws.ToString(y.RuleName))
	})
	return out.RuleExecutionDetails
}

// alarms are a CloudWatch of one alarm in each state, named after it.
func alarms(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.PostFormValue("AlarmNames.member.1")
		if !strings.Contains(r.Header.Get("Authorization"), "Credential=AKIDALARM/") || r.PostFormValue("Action") != "DescribeAlarms" {
			t.Errorf("CloudWatch was asked %v by %s", r.PostForm, r.Header.Get("Authorization"))
		}
		w.Header().Set("Content-Type", "text/xml")
		member := ""
		if name != "NONE" {
			member = fmt.Sprintf(`<member><AlarmName>%s</AlarmName><AlarmArn>arn:aws:cloudwatch:%s:%s:alarm:%s</AlarmArn><StateValue>%s</StateValue></member>`,
				name, region, account, name, name)
		}
		fmt.Fprintf(w, `<DescribeAlarmsResponse><DescribeAlarmsResult><MetricAlarms>%s</MetricAlarms></DescribeAlarmsResult></DescribeAlarmsResponse>`, member)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestAlarmRule asks the CloudWatch of the configuration: before and after a stage
// an alarm bars the way, after a failure it rolls back.
func TestAlarmRule(t *testing.T) {
	t.Parallel()
	cloudWatch := alarms(t)
	b := newBed(t, func(c *server.Config) {
		c.CloudWatch = server.CloudWatch{Endpoint: cloudWatch.URL, AccessKeyID: "AKIDALARM", SecretAccessKey: "secret"}
	})
	alarm := func(name string) types.RuleDeclaration {
		return ruleOf("Alarm", "CloudWatchAlarm", map[string]string{"AlarmName": name})
	}
	for _, test := range []struct {
		alarm     string
		execution types.PipelineExecutionStatus
		rule      types.RuleExecutionStatus
		condition types.ConditionExecutionStatus
	}{
		{"OK", types.PipelineExecutionStatusSucceeded, types.RuleExecutionStatusSucceeded, types.ConditionExecutionStatusSucceeded},
		{"ALARM", types.PipelineExecutionStatusFailed, types.RuleExecutionStatusFailed, types.ConditionExecutionStatusFailed},
		{"NONE", types.PipelineExecutionStatusFailed, types.RuleExecutionStatusFailed, types.ConditionExecutionStatusErrored},
	} {
		t.Run(test.alarm, func(t *testing.T) {
			t.Parallel()
			b := b.on(t)
			name := "on" + test.alarm
			gate := gateStage("Gate")
			gate.OnSuccess = &types.SuccessConditions{Conditions: condition(types.ResultFail, alarm(test.alarm))}
			x := b.create(declare(name, pulseStage(), gate))
			b.gate.let(x, provider.Report{Status: provider.Succeeded})
			b.await(name, x, test.execution)
			state := b.state(name, "Gate").OnSuccessConditionState
			if got := state.ConditionStates[0].LatestExecution.Status; got != test.condition || state.LatestExecution.Status != got {
				t.Errorf("the condition is %s, want %s", got, test.condition)
			}
			rules := b.rules(name, x)
			if len(rules) != 1 || rules[0].Status != test.rule {
				t.Fatalf("rules %+v, want one %s", rules, test.rule)
			}
			want := "arn:aws:cloudwatch:" + region + ":" + account + ":alarm:" + test.alarm
			if got := aws.ToString(rules[0].Output.ExecutionResult.ExternalExecutionId); got != want && test.alarm != "NONE" {
				t.Errorf("external id %q, want %q", got, want)
			}
		})
	}
	t.Run("rollback", func(t *testing.T) {
		t.Parallel()
		b := b.on(t)
		gate := gateStage("Gate")
		gate.OnFailure = &types.FailureConditions{Conditions: condition(types.ResultRollback, alarm("ALARM"))}
		good := b.create(declare("back", pulseStage(), gate))
		b.gate.let(good, provider.Report{Status: provider.Succeeded})
		b.await("back", good, types.PipelineExecutionStatusSucceeded)
		bad := b.run(&cp.StartPipelineExecutionInput{Name: aws.String("back")})
		b.gate.let(bad, provider.Failure(provider.CodeJobFailed, "The gate fell."))
		b.await("back", bad, types.PipelineExecutionStatusFailed)
		x := b.execution("back", b.newest("back"))
		if x.RollbackMetadata == nil || aws.ToString(x.RollbackMetadata.RollbackTargetPipelineExecutionId) != good {
			t.Errorf("the newest execution is %+v, want a rollback to %s", x, good)
		}
	})
}

// TestBuildRules judges a stage by commands before it and a build after it.
func TestBuildRules(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("builds run on Linux")
	}
	b := newBed(t)
	b.bucket("upload")
	b.put("upload", "app.zip", zipped(t, map[string]string{
		"index.html":    "<h1>hello</h1>\n",
		"buildspec.yml": "version: 0.2\nphases:\n  build:\n    commands:\n      - grep -q goodbye index.html\n",
	}))
	app := []types.InputArtifact{{Name: aws.String("App")}}
	commands := ruleOf("Look", "Commands", nil)
	commands.Commands, commands.InputArtifacts = []string{"grep -q hello index.html"}, app
	build := ruleOf("Probe", "CodeBuild", map[string]string{"ProjectName": "site"})
	build.InputArtifacts = app
	gate := gateStage("Gate")
	gate.BeforeEntry = &types.BeforeEntryConditions{Conditions: condition(types.ResultFail, commands)}
	gate.OnSuccess = &types.SuccessConditions{Conditions: condition(types.ResultFail, build)}
	x := b.create(declare("web", sourceS3("upload", "app.zip", nil), gate))
	b.gate.let(x, provider.Report{Status: provider.Succeeded})
	b.await("web", x, types.PipelineExecutionStatusFailed)
	rules := b.rules("web", x)
	if len(rules) != 2 || rules[0].Status != types.RuleExecutionStatusSucceeded || rules[1].Status != types.RuleExecutionStatusFailed {
		t.Fatalf("rules %+v", rules)
	}
	if in := rules[0].Input.InputArtifacts; len(in) != 1 || aws.ToString(in[0].Name) != "App" || in[0].S3location == nil {
		t.Errorf("inputs of the commands: %+v", in)
	}
	result := rules[1].Output.ExecutionResult
	if !strings.HasPrefix(aws.ToString(result.ExternalExecutionId), "site:") || !strings.Contains(aws.ToString(result.ExternalExecutionUrl), "/builds/site:") {
		t.Errorf("the build is %+v", result)
	}
	state := b.state("web", "Gate")
	if got := state.BeforeEntryConditionState.LatestExecution.Status; got != types.ConditionExecutionStatusSucceeded {
		t.Errorf("the entry condition is %s", got)
	}
	probe := state.OnSuccessConditionState.ConditionStates[0].RuleStates[0]
	if !strings.HasSuffix(aws.ToString(probe.EntityUrl), "/projects/site/view") || state.OnSuccessConditionState.LatestExecution.Status != types.ConditionExecutionStatusFailed {
		t.Errorf("the success condition is %+v with %+v", state.OnSuccessConditionState.LatestExecution, probe)
	}
	// A person knows better.
	_, err := b.cp.OverrideStageCondition(t.Context(), &cp.OverrideStageConditionInput{
		PipelineName: aws.String("web"), StageName: aws.String("Gate"), PipelineExecutionId: &x, ConditionType: types.ConditionTypeOnSuccess,
	})
	b.must(err)
	b.await("web", x, types.PipelineExecutionStatusSucceeded)
}

// TestConditionsExample is examples/conditions on a server: a bad release goes
// back to the good one before it.
func TestConditionsExample(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("builds run on Linux")
	}
	base := t.TempDir()
	b := newBed(t, func(c *server.Config) { c.Connections = map[string]server.Connection{"*": {URL: base}} })
	dir := filepath.Join(base, "example", "conditions")
	b.must(os.CopyFS(dir, os.DirFS("../../examples/conditions")))
	repository(t, filepath.Join(base, "example"), "conditions")
	text, err := os.ReadFile(filepath.Join(dir, "pipeline.json"))
	b.must(err)
	wire := &awsjson.Client{
		Endpoint: b.Endpoint(), Region: region, Service: "codepipeline", TargetPrefix: "CodePipeline_20150709", Credentials: b.Root(),
	}
	b.must(wire.Call(t.Context(), "CreatePipeline", json.RawMessage(text), nil))
	const name = "conditions"
	good := b.newest(name)
	b.await(name, good, types.PipelineExecutionStatusSucceeded)
	if meta := b.state(name, "Test").RetryStageMetadata; meta == nil || aws.ToInt32(meta.AutoStageRetryAttempt) != 1 {
		t.Errorf("the test was retried: %+v", meta)
	}
	bad := b.run(&cp.StartPipelineExecutionInput{
		Name: aws.String(name), Variables: []types.PipelineVariable{{Name: aws.String("Health"), Value: aws.String("bad")}},
	})
	b.await(name, bad, types.PipelineExecutionStatusFailed)
	back := b.await(name, b.newest(name), types.PipelineExecutionStatusSucceeded)
	if back.ExecutionType != types.ExecutionTypeRollback || aws.ToString(back.RollbackMetadata.RollbackTargetPipelineExecutionId) != good {
		t.Errorf("the newest execution is %+v, want a rollback to %s", back, good)
	}
}

// TestRuleMinutes: timeoutInMinutes of a rule comes back as it went in, created and
// updated, and without it there is none.
func TestRuleMinutes(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	timed, untimed := ruleOf("Timed", "VariableCheck", nil), ruleOf("Untimed", "VariableCheck", nil)
	for _, r := range []*types.RuleDeclaration{&timed, &untimed} {
		r.Configuration = map[string]string{"Variable": "a", "Operator": "EQ", "Value": "a"}
	}
	for _, minutes := range []int32{7, 9} {
		timed.TimeoutInMinutes = aws.Int32(minutes)
		gated := reviewStage(nil)
		gated.BeforeEntry = &types.BeforeEntryConditions{Conditions: []types.Condition{{
			Result: types.ResultFail, Rules: []types.RuleDeclaration{timed, untimed},
		}}}
		declared := declare("gated", pulseStage(), gated)
		if minutes == 7 {
			b.create(declared)
		} else {
			_, err := b.cp.UpdatePipeline(t.Context(), &cp.UpdatePipelineInput{Pipeline: declared})
			b.must(err)
		}
		got, err := b.cp.GetPipeline(t.Context(), &cp.GetPipelineInput{Name: aws.String("gated")})
		b.must(err)
		rules := got.Pipeline.Stages[1].BeforeEntry.Conditions[0].Rules
		if aws.ToInt32(rules[0].TimeoutInMinutes) != minutes || rules[1].TimeoutInMinutes != nil {
			t.Errorf("rules %+v, want %d minutes and none", rules, minutes)
		}
	}
}
