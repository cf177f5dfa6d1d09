package server_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/penstock-cd/penstock/internal/api"
	cpwire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	pswire "github.com/penstock-cd/penstock/internal/api/penstock"
	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

const arnPrefix = "arn:aws:codepipeline:" + region + ":" + account + ":"

// guarded is an operation with a request, and what it must ask for: its own
// action on each of the resources, as triggers.md 5.2 has it.
type guarded struct {
	input     string
	resources []string
	// passes are roles that the caller must be allowed to pass besides.
	passes []string
}

func guardedOperations() map[string]guarded {
	const (
		declaration = `{"pipeline":{"name":"web","roleArn":"arn:aws:iam::111122223333:role/pipeline","artifactStore":{"type":"S3","location":"bucket"},"stages":[` +
			`{"name":"A","actions":[{"name":"a","roleArn":"arn:aws:iam::111122223333:role/action","actionTypeId":{"category":"Source","owner":"AWS","provider":"S3","version":"1"}}],` +
			`"onSuccess":{"conditions":[{"rules":[{"name":"r","roleArn":"arn:aws:iam::111122223333:role/rule","ruleTypeId":{"category":"Rule","provider":"X"}}]}]}},` +
			`{"name":"B","actions":[]}]}}`
		stage     = `"pipelineName":"web","stageName":"Gate"`
		execution = `"pipelineExecutionId":"11111111-1111-1111-1111-111111111111"`
		job       = `"jobId":"11111111-1111-1111-1111-111111111111"`
		partner   = `"jobId":"1","clientToken":"t"`
		tool      = `{"category":"Build","owner":"Custom","provider":"Tool","version":"1"}`
		theirs    = `{"category":"Build","owner":"ThirdParty","provider":"Tool","version":"1"}`
		failure   = `"failureDetails":{"type":"JobFailed","message":"m"}`
		bounds    = `{"minimumCount":0,"maximumCount":1}`
	)
	all := []string{arnPrefix + "*"}
	web, gate, review := []string{arnPrefix + "web"}, []string{arnPrefix + "web/Gate"}, []string{arnPrefix + "web/Gate/Review"}
	actionType, hook := []string{arnPrefix + "actiontype:Custom/Build/Tool/1"}, []string{arnPrefix + "webhook:push"}
	roles := []string{"arn:aws:iam::111122223333:role/pipeline", "arn:aws:iam::111122223333:role/action", "arn:aws:iam::111122223333:role/rule"}
	return map[string]guarded{
		"AcknowledgeJob":                   {`{` + job + `,"nonce":"1"}`, all, nil},
		"AcknowledgeThirdPartyJob":         {`{` + partner + `,"nonce":"1"}`, all, nil},
		"CreateCustomActionType":           {`{"category":"Build","provider":"Tool","version":"1","inputArtifactDetails":` + bounds + `,"outputArtifactDetails":` + bounds + `}`, actionType, nil},
		"CreatePipeline":                   {declaration, web, roles},
		"DeleteCustomActionType":           {`{"category":"Build","provider":"Tool","version":"1"}`, actionType, nil},
		"DeletePipeline":                   {`{"name":"web"}`, web, nil},
		"DeleteWebhook":                    {`{"name":"push"}`, hook, nil},
		"DeregisterWebhookWithThirdParty":  {`{"webhookName":"push"}`, hook, nil},
		"DisableStageTransition":           {`{` + stage + `,"transitionType":"Inbound","reason":"r"}`, gate, nil},
		"EnableStageTransition":            {`{` + stage + `,"transitionType":"Inbound"}`, gate, nil},
		"GetActionType":                    {theirs, all, nil},
		"GetJobDetails":                    {`{` + job + `}`, all, nil},
		"GetPipeline":                      {`{"name":"web"}`, web, nil},
		"GetPipelineExecution":             {`{"pipelineName":"web",` + execution + `}`, web, nil},
		"GetPipelineState":                 {`{"name":"web"}`, web, nil},
		"GetThirdPartyJobDetails":          {`{` + partner + `}`, all, nil},
		"ListActionExecutions":             {`{"pipelineName":"web"}`, web, nil},
		"ListActionTypes":                  {`{}`, all, nil},
		"ListDeployActionExecutionTargets": {`{"pipelineName":"web","actionExecutionId":"11111111-1111-1111-1111-111111111111"}`, web, nil},
		"ListPipelineExecutions":           {`{"pipelineName":"web"}`, web, nil},
		"ListPipelines":                    {`{}`, all, nil},
		"ListRuleExecutions":               {`{"pipelineName":"web"}`, web, nil},
		"ListRuleTypes":                    {`{}`, all, nil},
		"ListTagsForResource":              {`{"resourceArn":"` + web[0] + `"}`, web, nil},
		"ListWebhooks":                     {`{}`, []string{arnPrefix + "webhook:*"}, nil},
		"OverrideStageCondition":           {`{` + stage + `,` + execution + `,"conditionType":"BEFORE_ENTRY"}`, gate, nil},
		"PollForJobs":                      {`{"actionTypeId":` + tool + `}`, actionType, nil},
		"PollForThirdPartyJobs":            {`{"actionTypeId":` + theirs + `}`, all, nil},
		"PutActionRevision":                {`{` + stage + `,"actionName":"Review","actionRevision":{"revisionId":"1","revisionChangeId":"1","created":1}}`, review, nil},
		"PutApprovalResult":                {`{` + stage + `,"actionName":"Review","token":"11111111-1111-1111-1111-111111111111","result":{"summary":"s","status":"Approved"}}`, review, nil},
		"PutJobFailureResult":              {`{` + job + `,` + failure + `}`, all, nil},
		"PutJobSuccessResult":              {`{` + job + `}`, all, nil},
		"PutThirdPartyJobFailureResult":    {`{` + partner + `,` + failure + `}`, all, nil},
		"PutThirdPartyJobSuccessResult":    {`{` + partner + `}`, all, nil},
		"PutWebhook": {`{"webhook":{"name":"push","targetPipeline":"web","targetAction":"a","filters":[{"jsonPath":"$.ref"}],"authentication":"UNAUTHENTICATED","authenticationConfiguration":{}}}`,
			[]string{hook[0], web[0]}, nil},
		"RegisterWebhookWithThirdParty": {`{"webhookName":"push"}`, hook, nil},
		"RetryStageExecution":           {`{` + stage + `,` + execution + `,"retryMode":"FAILED_ACTIONS"}`, gate, nil},
		"RollbackStage":                 {`{` + stage + `,"targetPipelineExecutionId":"11111111-1111-1111-1111-111111111111"}`, gate, nil},
		"StartPipelineExecution":        {`{"name":"web"}`, web, nil},
		"StopPipelineExecution":         {`{"pipelineName":"web",` + execution + `}`, web, nil},
		"TagResource":                   {`{"resourceArn":"` + web[0] + `","tags":[{"key":"k","value":"v"}]}`, web, nil},
		"UntagResource":                 {`{"resourceArn":"` + web[0] + `","tagKeys":["k"]}`, web, nil},
		"UpdateActionType": {`{"actionType":{"id":` + theirs + `,"executor":{"type":"JobWorker","configuration":{"jobWorkerExecutorConfiguration":{"pollingAccounts":["` + account + `"]}}},"inputArtifactDetails":` + bounds + `,"outputArtifactDetails":` + bounds + `}}`,
			[]string{arnPrefix + "actiontype:ThirdParty/Build/Tool/1"}, nil},
		"UpdatePipeline": {declaration, web, roles},
	}
}

// TestOperationsAskForTheirAction lets a principal call every operation: with no
// policy, with its action on something else, and with just what it needs. An
// operation that is not built yet asks nothing and answers
// UnknownOperationException.
func TestOperationsAskForTheirAction(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	alice := b.principal("alice")
	operations := slices.Sorted(maps.Keys(cpwire.Describe(cpwire.Unimplemented{}).Operations))
	table := guardedOperations()
	asked := 0
	for _, operation := range operations {
		g, ok := table[operation]
		if !ok {
			t.Errorf("%s is not in the table", operation)
			continue
		}
		err := alice.call(operation, g.input)
		if code(err) == "UnknownOperationException" {
			continue
		}
		asked++
		wantText(t, operation+" without a policy", err, denied("alice", operation, g.resources[0]))
		alice.allow(statementFor("codepipeline:"+operation, arnPrefix+"other"), statementFor("iam:PassRole", "*"))
		wantText(t, operation+" on something else", alice.call(operation, g.input), denied("alice", operation, g.resources[0]))
		alice.allow(statementFor("codepipeline:*", "*").deny(), statementFor("*", "*"))
		wantText(t, operation+" with a deny", alice.call(operation, g.input), "User: arn:aws:iam::"+account+":user/alice is not authorized to perform: codepipeline:"+operation+
			" on resource: "+g.resources[0]+" with an explicit deny in an identity-based policy")
		for i, role := range g.passes {
			alice.allow(statementFor("codepipeline:"+operation, g.resources...), statementFor("iam:PassRole", append([]string{"arn:aws:iam::111122223333:role/none"}, g.passes[:i]...)...))
			wantText(t, operation+" without the role", alice.call(operation, g.input),
				"User: arn:aws:iam::"+account+":user/alice is not authorized to perform: iam:PassRole on resource: "+role)
		}
		just := []policyStatement{statementFor("codepipeline:"+operation, g.resources...)}
		if len(g.passes) > 0 {
			just = append(just, statementFor("iam:PassRole", g.passes...))
		}
		alice.allow(just...)
		err = alice.call(operation, g.input)
		switch code(err) {
		case "AccessDeniedException", "ValidationException", "InternalFailure", "SerializationException":
			t.Errorf("%s with just its action: %v", operation, err)
		}
		alice.allow(statementFor("penstock:X", "*"))
	}
	if asked < 17 {
		t.Errorf("%d operations asked; 17 are built", asked)
	}
	for operation := range table {
		if !slices.Contains(operations, operation) {
			t.Errorf("%s is in the table only", operation)
		}
	}
}

func denied(name, operation, resource string) string {
	return "User: arn:aws:iam::" + account + ":user/" + name + " is not authorized to perform: codepipeline:" + operation + " on resource: " + resource +
		" because no identity-based policy allows the codepipeline:" + operation + " action"
}

// code is the code of an exception, or empty.
func code(err error) string {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e.Code
	}
	return ""
}

func wantText(t *testing.T, what string, err error, want string) {
	t.Helper()
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Code != "AccessDeniedException" || e.Message != want {
		t.Errorf("%s: error is\n %v, want\n AccessDeniedException: %s", what, err, want)
	}
}

// member is a principal with a key of its own.
type member struct {
	b    *bed
	name string
	key  sigv4.Credentials
}

// principal makes a principal without a policy.
func (b *bed) principal(name string) *member {
	b.t.Helper()
	b.must(b.penstock.Call(b.t.Context(), "CreatePrincipal", &pswire.CreatePrincipalInput{Name: &name}, nil))
	return &member{b: b, name: name, key: b.newKey(name)}
}

func (b *bed) newKey(name string) sigv4.Credentials {
	b.t.Helper()
	var out pswire.CreateAccessKeyOutput
	b.must(b.penstock.Call(b.t.Context(), "CreateAccessKey", &pswire.CreateAccessKeyInput{PrincipalName: &name}, &out))
	return sigv4.Credentials{AccessKeyID: *out.AccessKey.AccessKeyId, SecretAccessKey: *out.SecretAccessKey}
}

// call sends a request of the principal to CodePipeline.
func (m *member) call(operation, input string) error {
	c := awsjson.Client{Endpoint: m.b.Endpoint(), Region: region, Service: "codepipeline", TargetPrefix: "CodePipeline_20150709", Credentials: m.key}
	return c.Call(m.b.t.Context(), operation, json.RawMessage(input), nil)
}

// penstock is a client of the principal for Penstock's own operations.
func (m *member) penstock() *awsjson.Client {
	return &awsjson.Client{Endpoint: m.b.Endpoint(), Region: region, Service: "penstock", TargetPrefix: "Penstock_2026", Credentials: m.key}
}

// policyStatement is a statement of a policy.
type policyStatement struct {
	Effect    string
	Action    string
	Resource  []string
	Condition json.RawMessage `json:",omitempty"`
}

func statementFor(action string, resources ...string) policyStatement {
	return policyStatement{Effect: "Allow", Action: action, Resource: resources}
}

func (s policyStatement) deny() policyStatement {
	s.Effect = "Deny"
	return s
}

func (s policyStatement) when(condition string) policyStatement {
	s.Condition = json.RawMessage(condition)
	return s
}

// allow gives the principal one policy, in place of the one before.
func (m *member) allow(statements ...policyStatement) {
	m.b.t.Helper()
	document, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	m.b.must(err)
	m.b.must(m.b.penstock.Call(m.b.t.Context(), "PutPrincipalPolicy", &pswire.PutPrincipalPolicyInput{
		PrincipalName: &m.name, PolicyName: new("test"), PolicyDocument: new(string(document)),
	}, nil))
}

// attach gives the principal a managed policy.
func (m *member) attach(policy string) {
	m.b.t.Helper()
	m.b.must(m.b.penstock.Call(m.b.t.Context(), "AttachPrincipalPolicy", &pswire.AttachPrincipalPolicyInput{PrincipalName: &m.name, ManagedPolicy: &policy}, nil))
}
