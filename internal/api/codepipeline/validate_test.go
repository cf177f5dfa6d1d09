package codepipeline_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/api/codepipeline"
)

// validate decodes an input of the operation and returns the message of what
// Validate finds, empty if nothing.
func validate(t *testing.T, operation, input string) string {
	t.Helper()
	in := codepipeline.Describe(codepipeline.Unimplemented{}).Operations[operation].NewInput()
	if err := json.Unmarshal([]byte(input), in); err != nil {
		t.Fatal(err)
	}
	err := in.(api.Validator).Validate()
	if err == nil {
		return ""
	}
	exception, ok := errors.AsType[*api.ValidationError](err)
	if !ok || exception.ErrorCode() != "ValidationException" {
		t.Fatalf("Validate returned %T: %v", err, err)
	}
	return exception.ErrorMessage()
}

// stage wraps members of one action into the input of CreatePipeline.
func stage(action string) string {
	return `{"pipeline":{"name":"p","roleArn":"arn:aws:iam::123456789012:role/r","stages":[{"name":"s","actions":[{"name":"a",` +
		`"actionTypeId":{"category":"Source","owner":"AWS","provider":"S3","version":"1"},` + action + `}]}]}}`
}

// variables wraps a variable declaration into the input of CreatePipeline.
func variables(declaration string) string {
	return `{"pipeline":{"name":"p","roleArn":"arn:aws:iam::123456789012:role/r","stages":[],"variables":[` + declaration + `]}}`
}

// TestRecordedMessages holds the messages that CodePipeline itself was
// recorded to answer with.
func TestRecordedMessages(t *testing.T) {
	t.Parallel()
	const uuid = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`
	one := func(path, constraint string) string {
		return "1 validation error detected: Value at '" + path + "' failed to satisfy constraint: " + constraint
	}
	for _, test := range []struct {
		name, operation, input, want string
	}{
		{
			"pattern of a list element", "StartPipelineExecution",
			`{"name":"p","variables":[{"name":"a b","value":"v"}]}`,
			one("variables.1.member.name", `Member must satisfy regular expression pattern: [A-Za-z0-9@\-_]+`),
		},
		{
			"minimum length", "StartPipelineExecution",
			`{"name":"p","variables":[{"name":"n","value":""}]}`,
			one("variables.1.member.value", "Member must have length greater than or equal to 1"),
		},
		{
			"maximum length", "CreatePipeline",
			variables(`{"name":"` + strings.Repeat("n", 129) + `"}`),
			one("pipeline.variables.1.member.name", "Member must have length less than or equal to 128"),
		},
		{
			"maximum length of a default value", "CreatePipeline",
			variables(`{"name":"n","defaultValue":"` + strings.Repeat("n", 1001) + `"}`),
			one("pipeline.variables.1.member.defaultValue", "Member must have length less than or equal to 1000"),
		},
		{
			"maximum length of a description", "CreatePipeline",
			variables(`{"name":"n","description":"` + strings.Repeat("n", 201) + `"}`),
			one("pipeline.variables.1.member.description", "Member must have length less than or equal to 200"),
		},
		{
			"one member, two violations", "CreatePipeline",
			variables(`{"name":""}`),
			"2 validation errors detected: " +
				"Value at 'pipeline.variables.1.member.name' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
				`Value at 'pipeline.variables.1.member.name' failed to satisfy constraint: Member must satisfy regular expression pattern: [A-Za-z0-9@\-_]+`,
		},
		{
			"two null members", "ListActionExecutions",
			`{"pipelineName":"p","filter":{"latestInPipelineExecution":{}}}`,
			"2 validation errors detected: " +
				"Value at 'filter.latestInPipelineExecution.pipelineExecutionId' failed to satisfy constraint: Member must not be null; " +
				"Value at 'filter.latestInPipelineExecution.startTimeRange' failed to satisfy constraint: Member must not be null",
		},
		{
			"enum", "ListActionExecutions",
			`{"pipelineName":"p","filter":{"latestInPipelineExecution":{"pipelineExecutionId":"01234567-89ab-cdef-0123-456789abcdef","startTimeRange":"Some"}}}`,
			one("filter.latestInPipelineExecution.startTimeRange", "Member must satisfy enum value set: [All, Latest]"),
		},
		{
			"bad UUID", "RollbackStage",
			`{"pipelineName":"p","stageName":"s","targetPipelineExecutionId":"x"}`,
			one("targetPipelineExecutionId", "Member must satisfy regular expression pattern: "+uuid),
		},
		{
			"empty configuration value", "CreatePipeline",
			stage(`"configuration":{"S3Bucket":"","S3ObjectKey":"k"}`),
			one("pipeline.stages.1.member.actions.1.member.configuration", "Map value must satisfy constraint: [Member must have length less than or equal to 1000, Member must have length greater than or equal to 1]"),
		},
		{
			"namespace with a dot", "CreatePipeline",
			stage(`"namespace":"a.b"`),
			one("pipeline.stages.1.member.actions.1.member.namespace", `Member must satisfy regular expression pattern: [A-Za-z0-9@\-_]+`),
		},
		{
			"number too large", "ListPipelineExecutions",
			`{"pipelineName":"p","maxResults":101}`,
			one("maxResults", "Member must have value less than or equal to 100"),
		},
		{
			"number too small", "ListPipelineExecutions",
			`{"pipelineName":"p","maxResults":0}`,
			one("maxResults", "Member must have value greater than or equal to 1"),
		},
		{
			"list too long", "PutWebhook",
			`{"webhook":{"name":"w","targetPipeline":"p","targetAction":"a","authentication":"IP","authenticationConfiguration":{},"filters":[` +
				strings.TrimSuffix(strings.Repeat(`{"jsonPath":"$"},`, 6), ",") + `]}}`,
			one("webhook.filters", "Member must have length less than or equal to 5"),
		},
		{
			"an empty list of variables is legal", "CreatePipeline", variables(``), "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, validate(t, test.operation, test.input)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestOtherMessages holds the forms that follow from the recorded ones.
func TestOtherMessages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, operation, input, want string
	}{
		{
			"items of a list of strings", "UntagResource",
			`{"resourceArn":"arn:aws:codepipeline:us-east-1:123456789012:p","tagKeys":["k","",""]}`,
			"1 validation error detected: Value at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]",
		},
		{
			"key of a map", "PutJobSuccessResult",
			`{"jobId":"01234567-89ab-cdef-0123-456789abcdef","outputVariables":{"a b":"v"}}`,
			`1 validation error detected: Value at 'outputVariables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [A-Za-z0-9@\-_]+]`,
		},
		{
			"structure in a map", "UpdatePipeline",
			`{"pipeline":{"name":"p","roleArn":"arn:aws:iam::123456789012:role/r","stages":[],"artifactStores":{"us-east-1":{"location":"bucket","type":"Tape"}}}}`,
			"1 validation error detected: Value at 'pipeline.artifactStores.us-east-1.member.type' failed to satisfy constraint: Member must satisfy enum value set: [S3]",
		},
		{
			"a missing structure", "CreatePipeline", `{}`,
			"1 validation error detected: Value at 'pipeline' failed to satisfy constraint: Member must not be null",
		},
		{
			"second stage, second action", "CreatePipeline",
			`{"pipeline":{"name":"p","roleArn":"arn:aws:iam::123456789012:role/r","stages":[{"name":"s","actions":[]},{"name":"s","actions":[` +
				`{"name":"a","actionTypeId":{"category":"Source","owner":"AWS","provider":"S3","version":"1"}},{"name":"b"}]}]}}`,
			"1 validation error detected: Value at 'pipeline.stages.2.member.actions.2.member.actionTypeId' failed to satisfy constraint: Member must not be null",
		},
		{
			"a line break is no character of a pattern's dot", "StartPipelineExecution",
			`{"name":"p","variables":[{"name":"n","value":"a\u2028b"}]}`,
			"1 validation error detected: Value at 'variables.1.member.value' failed to satisfy constraint: Member must satisfy regular expression pattern: .*",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, validate(t, test.operation, test.input)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestManyViolations: all are counted, ten are told.
func TestManyViolations(t *testing.T) {
	t.Parallel()
	input := variables(strings.TrimSuffix(strings.Repeat(`{"name":"a b"},`, 40), ","))
	got := validate(t, "CreatePipeline", input)
	if !strings.HasPrefix(got, "40 validation errors detected: ") {
		t.Errorf("message begins %.60q", got)
	}
	if n := strings.Count(got, "failed to satisfy constraint"); n != 10 {
		t.Errorf("%d violations are told, want 10", n)
	}
}

// TestCharacters: lengths are characters, not bytes.
func TestCharacters(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]bool{1000: true, 1001: false} {
		input := stage(`"configuration":{"k":"` + strings.Repeat("é", n) + `"}`)
		if got := validate(t, "CreatePipeline", input); (got == "") != want {
			t.Errorf("%d characters: %q", n, got)
		}
	}
}

// TestLimits: the server may allow longer configuration values than the model,
// and says so in the message.
func TestLimits(t *testing.T) {
	t.Parallel()
	limits := api.Limits{"ActionConfigurationValue": 50000}
	for n, want := range map[int]string{
		50000: "",
		50001: "1 validation error detected: Value at 'pipeline.stages.1.member.actions.1.member.configuration' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 50000, Member must have length greater than or equal to 1]",
	} {
		var in codepipeline.CreatePipelineInput
		if err := json.Unmarshal([]byte(stage(`"configuration":{"k":"`+strings.Repeat("x", n)+`"}`)), &in); err != nil {
			t.Fatal(err)
		}
		got := ""
		if exception, ok := errors.AsType[*api.ValidationError](in.ValidateUnder(limits)); ok {
			got = exception.ErrorMessage()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestUnimplemented(t *testing.T) {
	t.Parallel()
	operations := codepipeline.Describe(codepipeline.Unimplemented{}).Operations
	if len(operations) != 44 {
		t.Errorf("%d operations, want 44", len(operations))
	}
	for name, op := range operations {
		out, err := op.Call(t.Context(), api.Caller{}, op.NewInput())
		exception, ok := errors.AsType[api.Exception](err)
		if !ok || exception.ErrorCode() != "UnknownOperationException" || out != nil || op.Name != name {
			t.Errorf("%s (%s) answers %v, %v", name, op.Name, out, err)
		}
	}
}

func TestCredentialsAreHidden(t *testing.T) {
	t.Parallel()
	secret := codepipeline.AWSSessionCredentials{SecretAccessKey: new("hunter2")}
	if got := secret.String() + secret.GoString() + secret.LogValue().String(); strings.Contains(got, "hunter2") {
		t.Errorf("printed: %s", got)
	}
}
