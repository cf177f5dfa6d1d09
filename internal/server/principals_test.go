package server_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	pswire "github.com/penstock-cd/penstock/internal/api/penstock"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// sdk is the SDK's configuration for a key.
func (b *bed) sdk(key sigv4.Credentials) aws.Config {
	cfg := b.config(region)
	cfg.Credentials = credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, "")
	return cfg
}

// wantAPIError wants the SDK to have got a code, and a part of a text.
func wantAPIError(t *testing.T, what string, err error, code, part string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), part) {
		t.Errorf("%s: error is %v, want %s with %q", what, err, code, part)
	}
}

// TestPrincipalsWithTheSDK has an approver, a member of a team and a stranger
// use the official client.
func TestPrincipalsWithTheSDK(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	ctx := t.Context()
	id := b.create(declare("web", pulseStage(), reviewStage(nil)), types.Tag{Key: aws.String("team"), Value: aws.String("web")})
	b.create(declare("db", pulseStage(), reviewStage(nil)))
	token := b.token("web", id)

	stranger := b.principal("stranger")
	client := cp.NewFromConfig(b.sdk(stranger.key))
	_, err := client.GetPipeline(ctx, &cp.GetPipelineInput{Name: aws.String("web")})
	wantAPIError(t, "a stranger", err, "AccessDeniedException", denied("stranger", "GetPipeline", arnPrefix+"web"))

	approver := b.principal("approver")
	approver.allow(statementFor("codepipeline:PutApprovalResult", arnPrefix+"web/Gate/Review"))
	client = cp.NewFromConfig(b.sdk(approver.key))
	answer := &cp.PutApprovalResultInput{
		PipelineName: aws.String("web"), StageName: aws.String("Gate"), ActionName: aws.String("Review"), Token: &token,
		Result: &types.ApprovalResult{Status: types.ApprovalStatusApproved, Summary: aws.String("fine")},
	}
	_, err = client.PutApprovalResult(ctx, answer)
	b.must(err)
	b.await("web", id, types.PipelineExecutionStatusSucceeded)
	_, err = client.GetPipeline(ctx, &cp.GetPipelineInput{Name: aws.String("web")})
	wantAPIError(t, "an approver reads", err, "AccessDeniedException", "")
	approver.attach("AWSCodePipelineApproverAccess")
	_, err = client.GetPipeline(ctx, &cp.GetPipelineInput{Name: aws.String("web")})
	b.must(err)
	_, err = client.StartPipelineExecution(ctx, &cp.StartPipelineExecutionInput{Name: aws.String("web")})
	wantAPIError(t, "an approver starts", err, "AccessDeniedException", "")

	mate := b.principal("mate")
	mate.allow(statementFor("codepipeline:*", "*").when(`{"StringEquals":{"aws:ResourceTag/team":"web"}}`))
	client = cp.NewFromConfig(b.sdk(mate.key))
	_, err = client.GetPipeline(ctx, &cp.GetPipelineInput{Name: aws.String("web")})
	b.must(err)
	_, err = client.DisableStageTransition(ctx, &cp.DisableStageTransitionInput{
		PipelineName: aws.String("web"), StageName: aws.String("Gate"), TransitionType: types.StageTransitionTypeInbound, Reason: aws.String("r"),
	})
	b.must(err)
	for _, name := range []string{"db", "nothing"} {
		_, err = client.GetPipeline(ctx, &cp.GetPipelineInput{Name: &name})
		wantAPIError(t, "a pipeline without the tag", err, "AccessDeniedException", arnPrefix+name)
	}
}

// TestTagConditions has a principal that may tag in its own way only.
func TestTagConditions(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	ctx := t.Context()
	m := b.principal("m")
	m.allow(
		statementFor("codepipeline:CreatePipeline", "*").when(`{"StringEquals":{"aws:RequestTag/team":"${aws:username}"},"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost"]}}`),
		statementFor("codepipeline:TagResource", "*").when(`{"ForAllValues:StringEquals":{"aws:TagKeys":["cost"]},"StringEquals":{"aws:ResourceTag/team":"m"}}`),
		statementFor("codepipeline:UntagResource", "*").when(`{"ForAllValues:StringEquals":{"aws:TagKeys":["cost"]}}`),
		statementFor("iam:PassRole", "*").when(`{"StringEquals":{"iam:PassedToService":"codepipeline.amazonaws.com"}}`),
	)
	client := cp.NewFromConfig(b.sdk(m.key))
	tag := func(pairs ...string) []types.Tag {
		var list []types.Tag
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
		}
		return list
	}
	create := func(name string, tags []types.Tag) error {
		_, err := client.CreatePipeline(ctx, &cp.CreatePipelineInput{Pipeline: declare(name, pulseStage(), reviewStage(nil)), Tags: tags})
		return err
	}
	for _, tags := range [][]types.Tag{nil, tag("team", "others"), tag("cost", "1"), tag("team", "m", "owner", "x")} {
		wantAPIError(t, "created with other tags", create("mine", tags), "AccessDeniedException", "codepipeline:CreatePipeline")
	}
	b.must(create("mine", tag("team", "m", "cost", "1")))
	arn := aws.String(arnPrefix + "mine")
	_, err := client.TagResource(ctx, &cp.TagResourceInput{ResourceArn: arn, Tags: tag("cost", "2")})
	b.must(err)
	_, err = client.TagResource(ctx, &cp.TagResourceInput{ResourceArn: arn, Tags: tag("cost", "2", "team", "others")})
	wantAPIError(t, "another key", err, "AccessDeniedException", "codepipeline:TagResource")
	_, err = client.UntagResource(ctx, &cp.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"team"}})
	wantAPIError(t, "removing another key", err, "AccessDeniedException", "codepipeline:UntagResource")
	_, err = client.UntagResource(ctx, &cp.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"cost"}})
	b.must(err)
}

func TestPrincipalsAndObjects(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	ctx := t.Context()
	bucket := b.bucket("codepipeline-mine")
	b.put(bucket, "in/a", "content")
	m := b.principal("m")
	client := s3.NewFromConfig(b.sdk(m.key), func(o *s3.Options) { o.UsePathStyle = true })
	get := func(key string) error {
		out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err == nil {
			err = out.Body.Close()
		}
		return err
	}
	wantAPIError(t, "an object", get("in/a"), "AccessDenied", "is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::codepipeline-mine/in/a")
	m.allow(statementFor("s3:GetObject", "arn:aws:s3:::codepipeline-mine/in/*"))
	b.must(get("in/a"))
	wantAPIError(t, "another object", get("out/a"), "AccessDenied", "s3:GetObject")
}

// TestKeysOfPrincipals goes through the life of a key.
func TestKeysOfPrincipals(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	ctx := t.Context()
	m := b.principal("m")
	m.attach("AWSCodePipeline_ReadOnlyAccess")
	list := func(key sigv4.Credentials) error {
		_, err := cp.NewFromConfig(b.sdk(key)).ListPipelines(ctx, &cp.ListPipelinesInput{})
		return err
	}
	set := func(key sigv4.Credentials, status pswire.AccessKeyStatus) {
		t.Helper()
		b.must(b.penstock.Call(ctx, "UpdateAccessKey", &pswire.UpdateAccessKeyInput{AccessKeyId: &key.AccessKeyID, Status: status}, nil))
	}
	const invalid = "The security token included in the request is invalid."
	b.must(list(m.key))
	second := b.newKey("m") // a rotation: both keys work for a while
	b.must(list(second))
	set(m.key, pswire.AccessKeyStatusInactive)
	wantAPIError(t, "disabled", list(m.key), "UnrecognizedClientException", invalid)
	b.restart()
	wantAPIError(t, "disabled, after a restart", list(m.key), "UnrecognizedClientException", invalid)
	b.must(list(second))
	set(m.key, pswire.AccessKeyStatusActive)
	b.must(list(m.key))
	b.must(b.penstock.Call(ctx, "DeleteAccessKey", &pswire.DeleteAccessKeyInput{AccessKeyId: &m.key.AccessKeyID}, nil))
	wantAPIError(t, "deleted", list(m.key), "UnrecognizedClientException", invalid)
	b.stop()
	stored := b.stored()
	for _, key := range []sigv4.Credentials{m.key, second} {
		if strings.Contains(stored, key.SecretAccessKey) {
			t.Errorf("the secret of %s is readable in the data directory", key.AccessKeyID)
		}
	}
	if !strings.Contains(stored, second.AccessKeyID) {
		t.Error("the keys are not in the data directory: the test looks in the wrong place")
	}
	b.start()
	var keys pswire.ListAccessKeysOutput
	b.must(b.penstock.Call(ctx, "ListAccessKeys", &pswire.ListAccessKeysInput{PrincipalName: &m.name}, &keys))
	if len(keys.AccessKeys) != 1 || keys.AccessKeys[0].LastUsed == nil || *keys.AccessKeys[0].LastUsedService != "codepipeline" {
		t.Errorf("keys after a restart: %+v", keys.AccessKeys)
	}
}

// stored is the content of all files of the data directory.
func (b *bed) stored() string {
	b.t.Helper()
	var all strings.Builder
	b.must(filepath.WalkDir(b.cfg.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	}))
	return all.String()
}

// TestPrincipalOperations goes through the operations of principals and their
// exceptions.
func TestPrincipalOperations(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *server.Config) {
		c.Principals = []server.Principal{{Name: "fixed", AccessKeyID: "FIXED", SecretAccessKey: "s"}}
	})
	ctx := t.Context()
	alice := b.principal("alice")
	const good, bad = `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, `{"Statement":{"Effect":"Allow"}}`
	b.must(b.penstock.Call(ctx, "PutPrincipalPolicy", &pswire.PutPrincipalPolicyInput{PrincipalName: new("alice"), PolicyName: new("p"), PolicyDocument: new(good)}, nil))
	b.newKey("alice")
	for _, tt := range []struct {
		operation string
		input     any
		want      string
	}{
		{"CreatePrincipal", map[string]any{"name": "alice"}, "PrincipalAlreadyExistsException"},
		{"CreatePrincipal", map[string]any{"name": "fixed"}, "PrincipalAlreadyExistsException"},
		{"CreatePrincipal", map[string]any{"name": "a/b"}, "ValidationException"},
		{"CreatePrincipal", map[string]any{"name": "bob", "managedPolicies": []string{"Admin"}}, "PolicyNotFoundException"},
		{"CreatePrincipal", map[string]any{"name": "bob", "policies": []any{map[string]string{"policyName": "p", "policyDocument": bad}}}, "MalformedPolicyDocumentException"},
		{"CreatePrincipal", map[string]any{"name": "bob", "policies": []any{map[string]string{"policyName": "p", "policyDocument": good}, map[string]string{"policyName": "p", "policyDocument": good}}}, "ValidationException"},
		{"GetPrincipal", map[string]any{"name": "bob"}, "PrincipalNotFoundException"},
		{"DeletePrincipal", map[string]any{"name": "bob"}, "PrincipalNotFoundException"},
		{"DeletePrincipal", map[string]any{"name": "fixed"}, "PrincipalConfiguredException"},
		{"PutPrincipalPolicy", map[string]any{"principalName": "alice", "policyName": "q", "policyDocument": bad}, "MalformedPolicyDocumentException"},
		{"PutPrincipalPolicy", map[string]any{"principalName": "bob", "policyName": "q", "policyDocument": good}, "PrincipalNotFoundException"},
		{"PutPrincipalPolicy", map[string]any{"principalName": "fixed", "policyName": "q", "policyDocument": good}, "PrincipalConfiguredException"},
		{"AttachPrincipalPolicy", map[string]any{"principalName": "alice", "managedPolicy": "Admin"}, "PolicyNotFoundException"},
		{"DeletePrincipalPolicy", map[string]any{"principalName": "alice", "policy": "q"}, "PolicyNotFoundException"},
		{"CreateAccessKey", map[string]any{"principalName": "bob"}, "PrincipalNotFoundException"},
		{"CreateAccessKey", map[string]any{"principalName": "alice"}, "LimitExceededException"},
		{"UpdateAccessKey", map[string]any{"accessKeyId": "AKIAAAAAAAAAAAAAAAAA", "status": "Active"}, "AccessKeyNotFoundException"},
		{"UpdateAccessKey", map[string]any{"accessKeyId": "FIXED", "status": "Inactive"}, "PrincipalConfiguredException"},
		{"UpdateAccessKey", map[string]any{"accessKeyId": "FIXED", "status": "Off"}, "ValidationException"},
		{"DeleteAccessKey", map[string]any{"accessKeyId": b.Root().AccessKeyID}, "AccessKeyNotFoundException"},
		{"ListAccessKeys", map[string]any{"principalName": "bob"}, "PrincipalNotFoundException"},
		{"ListAccessKeys", map[string]any{"nextToken": "x"}, "InvalidNextTokenException"},
		{"ListPrincipals", map[string]any{"nextToken": "eHgK"}, "InvalidNextTokenException"},
	} {
		if err := b.penstock.Call(ctx, tt.operation, tt.input, nil); code(err) != tt.want {
			t.Errorf("%s %v: error is %v, want %s", tt.operation, tt.input, err, tt.want)
		}
	}
	b.must(b.penstock.Call(ctx, "DeletePrincipalPolicy", map[string]any{"principalName": "alice", "policy": "p"}, nil))
	b.must(b.penstock.Call(ctx, "DeletePrincipal", map[string]any{"name": "alice"}, nil))
	if err := alice.call("ListPipelines", `{}`); code(err) != "UnrecognizedClientException" {
		t.Errorf("the key of a removed principal: %v", err)
	}
}

// TestPrincipalOperationsAreAuthorized: what root alone may do until a policy
// says otherwise.
func TestPrincipalOperationsAreAuthorized(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	ctx := t.Context()
	m, other := b.principal("m"), b.principal("other")
	key := map[string]any{"accessKeyId": other.key.AccessKeyID, "status": "Active"}
	requests := map[string]map[string]any{
		"CreatePrincipal": {"name": "other"}, "GetPrincipal": {"name": "other"}, "DeletePrincipal": {"name": "other"}, "ListPrincipals": {},
		"PutPrincipalPolicy":    {"principalName": "other", "policyName": "p", "policyDocument": "x"},
		"AttachPrincipalPolicy": {"principalName": "other", "managedPolicy": "x"}, "DeletePrincipalPolicy": {"principalName": "other", "policy": "x"},
		"CreateAccessKey": {"principalName": "other"}, "UpdateAccessKey": key, "DeleteAccessKey": key, "ListAccessKeys": {"principalName": "other"},
		"GetServerInfo": {}, "GetActionLog": {"pipelineName": "web", "actionExecutionId": "x"},
	}
	// A new operation belongs into the table above, or asks for something else.
	for operation := range pswire.Describe(pswire.Unimplemented{}).Operations {
		if strings.Contains(operation, "Principal") || strings.Contains(operation, "AccessKey") {
			if requests[operation] == nil {
				t.Errorf("%s is not in the table", operation)
			}
		}
	}
	full := b.principal("full")
	full.attach("AWSCodePipeline_FullAccess")
	m.allow(statementFor("penstock:*", iam.UserARN(account, "m")))
	for operation, input := range requests {
		for _, who := range []*member{m, full} {
			if err := who.penstock().Call(ctx, operation, input, nil); code(err) != "AccessDeniedException" {
				t.Errorf("%s of %s: error is %v", operation, who.name, err)
			}
		}
	}
	b.must(m.penstock().Call(ctx, "GetPrincipal", map[string]any{"name": "m"}, nil))
	m.allow(statementFor("penstock:*", "*"))
	b.must(m.penstock().Call(ctx, "UpdateAccessKey", key, nil))
	b.must(m.penstock().Call(ctx, "DeletePrincipal", requests["DeletePrincipal"], nil))
}

func TestListPrincipalsPages(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, name := range []string{"c", "a", "b"} {
		b.principal(name)
	}
	var names []string
	in := &pswire.ListPrincipalsInput{MaxResults: new(int32(2))}
	for {
		var out pswire.ListPrincipalsOutput
		b.must(b.penstock.Call(t.Context(), "ListPrincipals", in, &out))
		for _, p := range out.Principals {
			names = append(names, *p.Name)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
		// A token of one list is none of another.
		if err := b.penstock.Call(t.Context(), "ListAccessKeys", &pswire.ListAccessKeysInput{NextToken: in.NextToken}, nil); code(err) != "InvalidNextTokenException" {
			t.Errorf("a token of another list: %v", err)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// TestConfiguredPrincipalsSignIn reads principals from a configuration file.
func TestConfiguredPrincipalsSignIn(t *testing.T) {
	const text = `
principals:
  - name: ci
    managedPolicies: [AWSCodePipeline_ReadOnlyAccess]
    accessKeyId: AKIDCI
    secretAccessKeyEnv: TEST_CI_SECRET
    policies:
      starts:
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Action: codepipeline:StartPipelineExecution
            Resource: arn:aws:codepipeline:*:*:web
            Condition: {Bool: {aws:MultiFactorAuthPresent: false}}
          - Effect: Deny
            Action: [codepipeline:GetPipelineState]
            Resource: "*"
  - name: json
    accessKeyId: AKIDJSON
    secretAccessKey: json-secret
    policies:
      all: '{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
`
	t.Setenv("TEST_CI_SECRET", "ci-secret")
	var parsed server.Config
	if err := yaml.Unmarshal([]byte(text), &parsed); err != nil {
		t.Fatal(err)
	}
	b := newBed(t, func(c *server.Config) { c.Principals = parsed.Principals })
	ctx := t.Context()
	ci := cp.NewFromConfig(b.sdk(sigv4.Credentials{AccessKeyID: "AKIDCI", SecretAccessKey: "ci-secret"}))
	_, err := ci.ListPipelines(ctx, &cp.ListPipelinesInput{})
	b.must(err)
	_, err = ci.GetPipelineState(ctx, &cp.GetPipelineStateInput{Name: aws.String("web")})
	wantAPIError(t, "a deny of the configuration", err, "AccessDeniedException", "with an explicit deny in an identity-based policy")
	json := cp.NewFromConfig(b.sdk(sigv4.Credentials{AccessKeyID: "AKIDJSON", SecretAccessKey: "json-secret"}))
	_, err = json.GetPipelineState(ctx, &cp.GetPipelineStateInput{Name: aws.String("web")})
	wantAPIError(t, "a policy in JSON", err, "PipelineNotFoundException", "")

	for want, p := range map[string]server.Principal{
		"is not set":       {Name: "a", AccessKeyID: "AKIDA", SecretAccessKeyEnv: "TEST_NOTHING"},
		"not both":         {Name: "a", AccessKeyID: "AKIDA", SecretAccessKey: "s", SecretAccessKeyEnv: "TEST_CI_SECRET"},
		"given together":   {Name: "a", AccessKeyID: "AKIDA"},
		"invalid name":     {Name: "a b"},
		"is not JSON":      {Name: "a", Policies: map[string]server.PolicyDocument{"p": "x"}},
		"no such policy":   {Name: "a", ManagedPolicies: []string{"Admin"}},
		"has no Statement": {Name: "a", Policies: map[string]server.PolicyDocument{"p": "{}"}},
		"name of a policy": {Name: "a", Policies: map[string]server.PolicyDocument{"p/q": "{}"}},
	} {
		cfg := b.cfg
		cfg.Principals = []server.Principal{p}
		if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error is %v, want one with %q", p, err, want)
		}
	}
	for want, text := range map[string]string{
		"stands twice": "policies: {p: {Effect: Allow, Effect: Deny}}",
		"aliases":      "name: &x a\npolicies: {p: {Effect: *x}}",
	} {
		if err := yaml.Unmarshal([]byte(text), new(server.Principal)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want one with %q", text, err, want)
		}
	}
}
