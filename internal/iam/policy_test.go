package iam_test

import (
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/iam"
)

// statement is a policy of one statement that allows everything but for what is
// given.
func statement(members string) string {
	return `{"Version":"2012-10-17","Statement":{` + members + `}}`
}

func TestPolicyRefusals(t *testing.T) {
	t.Parallel()
	const any = `"Action":"*","Resource":"*"`
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	tests := []struct{ name, document, want string }{
		{"empty", ``, "not JSON"},
		{"not JSON", `{"Version":`, "not JSON"},
		{"more after the end", `{} {}`, "not JSON"},
		{"not UTF-8", "{\"Version\":\"\xff\"}", "not UTF-8"},
		{"a list", `[]`, "not a JSON object"},
		{"no statement", `{"Version":"2012-10-17"}`, "has no Statement"},
		{"empty statements", `{"Statement":[]}`, "has no Statement"},
		{"null statement", `{"Statement":null}`, "has no Statement"},
		{"statement no object", `{"Statement":["x"]}`, "statement 1: an object is needed"},
		{"version", `{"Version":"2012-10-18","Statement":{"Effect":"Allow",` + any + `}}`, `element Version: 2012-10-18 is neither`},
		{"version in small letters", `{"version":"2012-10-17","Statement":{"Effect":"Allow",` + any + `}}`, `"version" is no element of a policy`},
		{"id", `{"Id":1,"Statement":{"Effect":"Allow",` + any + `}}`, "element Id: a string is needed"},
		{"second statement", `{"Statement":[{"Effect":"Allow",` + any + `},{"Effect":"Allow"}]}`, "statement 2: one of Action and NotAction"},
		{"no effect", statement(any), "there is no Effect"},
		{"effect", statement(`"Effect":"allow",` + any), `Effect: allow is neither "Allow" nor "Deny"`},
		{"effect twice", statement(`"Effect":"Deny","Effect":"Allow",` + any), `"Effect" stands twice`},
		{"no action", statement(`"Effect":"Allow","Resource":"*"`), "one of Action and NotAction"},
		{"both actions", statement(`"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"`), "one of Action and NotAction"},
		{"no resource", statement(`"Effect":"Allow","Action":"*"`), "one of Resource and NotResource"},
		{"both resources", statement(`"Effect":"Allow","Action":"*","Resource":"*","NotResource":"*"`), "one of Resource and NotResource"},
		{"action without service", statement(`"Effect":"Allow","Action":"GetPipeline","Resource":"*"`), `Action: "GetPipeline": an action is "*" or has a service prefix`},
		{"action without name", statement(`"Effect":"Allow","Action":"codepipeline:","Resource":"*"`), "has a service prefix"},
		{"action of an object", statement(`"Effect":"Allow","Action":{},"Resource":"*"`), "Action: a string or a list of strings is needed"},
		{"no actions", statement(`"Effect":"Allow","Action":[],"Resource":"*"`), "Action: the list is empty"},
		{"empty action", statement(`"Effect":"Allow","Action":"","Resource":"*"`), "has a service prefix"},
		{"resource no ARN", statement(`"Effect":"Allow","Action":"*","Resource":"my-pipeline"`), `Resource: "my-pipeline" is neither an ARN nor "*"`},
		{"empty resource", statement(`"Effect":"Allow","Action":"*","Resource":""`), `neither an ARN`},
		{"short resource", statement(`"Effect":"Allow","Action":"*","Resource":"arn:aws:codepipeline:eu-west-1:p"`), "fewer than six parts"},
		{"variable without end", statement(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username"`), "policy variable without an end"},
		{"empty variable", statement(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${}"`), "${} is no policy variable"},
		{"default without quotes", statement(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username, x}"`), "single quotes"},
		{"sid", statement(`"Sid":"a b","Effect":"Allow",` + any), "Sid: a b is not made of letters and digits"},
		{"sid twice", `{"Statement":[{"Sid":"A","Effect":"Allow",` + any + `},{"Sid":"A","Effect":"Allow",` + any + `}]}`, `statement 2: Sid: "A" stands twice`},
		{"principal", statement(`"Effect":"Allow","Principal":"*",` + any), "names no principal"},
		{"unknown element", statement(`"Effect":"Allow","Actions":"*",` + any), "Actions: no element of a statement"},
		{"condition", statement(`"Effect":"Allow","Condition":[],` + any), "Condition: an object of operators is needed"},
		{"operator", statement(`"Effect":"Allow","Condition":{"StringIs":{"aws:username":"x"}},` + any), "StringIs: aws:username: the operator is unknown"},
		{"operator without keys", statement(`"Effect":"Allow","Condition":{"StringLike":"x"},` + any), "StringLike: an object of condition keys is needed"},
		{"key", statement(`"Effect":"Allow","Condition":{"StringLike":{"username":"x"}},` + any), "a condition key has a prefix"},
		{"no values", statement(`"Effect":"Allow","Condition":{"StringLike":{"aws:username":[]}},` + any), "the list is empty"},
		{"null value", statement(`"Effect":"Allow","Condition":{"StringLike":{"aws:username":null}},` + any), "a string or a list of strings is needed"},
		{"bool", statement(`"Effect":"Allow","Condition":{"Bool":{"aws:SecureTransport":"yes"}},` + any), `"yes" is neither "true" nor "false"`},
		{"number", statement(`"Effect":"Allow","Condition":{"NumericLessThan":{"s3:max-keys":"ten"}},` + any), `"ten" is no number`},
		{"number out of range", statement(`"Effect":"Allow","Condition":{"NumericLessThan":{"s3:max-keys":"1e999"}},` + any), `"1e999" is out of range`},
		{"not a number", statement(`"Effect":"Allow","Condition":{"NumericEquals":{"s3:max-keys":"NaN"}},` + any), `"NaN" is no number`},
		{"date", statement(`"Effect":"Allow","Condition":{"DateLessThan":{"aws:CurrentTime":"tomorrow"}},` + any), `"tomorrow" is no time`},
		{"address", statement(`"Effect":"Allow","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}},` + any), "neither an IP address nor a range"},
		{"ARN", statement(`"Effect":"Allow","Condition":{"ArnLike":{"aws:PrincipalArn":"alice"}},` + any), `"alice" is neither an ARN`},
		{"null with a set", statement(`"Effect":"Allow","Condition":{"ForAnyValue:Null":{"aws:TagKeys":"true"}},` + any), "neither ForAnyValue nor ForAllValues"},
		{"null with if exists", statement(`"Effect":"Allow","Condition":{"NullIfExists":{"aws:TagKeys":"true"}},` + any), "the operator is unknown"},
		{"null with a text", statement(`"Effect":"Allow","Condition":{"Null":{"aws:TagKeys":"x"}},` + any), `"x" is neither`},
		{"null with two", statement(`"Effect":"Allow","Condition":{"Null":{"aws:TagKeys":["true","false"]}},` + any), "one value is needed"},
		{"deep", `{"Statement":` + deep + `}`, "nests more than"},
		{"long", statement(`"Effect":"Allow",`+any) + strings.Repeat(" ", iam.MaxPolicyBytes), "bytes long"},
	}
	for _, tt := range tests {
		if _, err := iam.ParsePolicy([]byte(tt.document)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error is %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

// ask evaluates one document, or several.
func ask(t *testing.T, r iam.Request, documents ...string) iam.Decision {
	t.Helper()
	var policies []*iam.Policy
	for _, d := range documents {
		p, err := iam.ParsePolicy([]byte(d))
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		policies = append(policies, p)
	}
	return iam.Evaluate(policies, r)
}

const (
	region      = "eu-west-1"
	arnPrefix   = "arn:aws:codepipeline:" + region + ":" + account + ":"
	pipelineARN = arnPrefix + "web"
	stageARN    = arnPrefix + "web/Prod"
	actionARN   = arnPrefix + "web/Prod/Approve"
)

func TestActionsAndResources(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, members    string
		action, resource string
		want             bool
	}{
		{"exact", `"Action":"codepipeline:GetPipeline","Resource":"` + pipelineARN + `"`, "codepipeline:GetPipeline", pipelineARN, true},
		{"other action", `"Action":"codepipeline:GetPipeline","Resource":"*"`, "codepipeline:GetPipelineState", pipelineARN, false},
		{"other resource", `"Action":"*","Resource":"` + pipelineARN + `"`, "codepipeline:GetPipeline", arnPrefix + "web2", false},
		{"a pipeline is not its stages", `"Action":"*","Resource":"` + pipelineARN + `"`, "codepipeline:RetryStageExecution", stageARN, false},
		{"stages of a pipeline", `"Action":"*","Resource":"` + pipelineARN + `/*"`, "codepipeline:RetryStageExecution", stageARN, true},
		{"actions of a pipeline", `"Action":"*","Resource":"` + pipelineARN + `/*"`, "codepipeline:PutApprovalResult", actionARN, true},
		{"stages are not the pipeline", `"Action":"*","Resource":"` + pipelineARN + `/*"`, "codepipeline:GetPipeline", pipelineARN, false},
		{"any case of an action", `"Action":"CodePipeline:gETpipeline","Resource":"*"`, "codepipeline:GetPipeline", pipelineARN, true},
		{"case of a resource", `"Action":"*","Resource":"` + arnPrefix + `WEB"`, "codepipeline:GetPipeline", pipelineARN, false},
		{"wildcards in an action", `"Action":"codepipeline:Get*","Resource":"*"`, "codepipeline:GetPipelineState", pipelineARN, true},
		{"one character", `"Action":"codepipeline:GetPipelin?","Resource":"*"`, "codepipeline:GetPipeline", pipelineARN, true},
		{"one character is not none", `"Action":"codepipeline:GetPipeline?","Resource":"*"`, "codepipeline:GetPipeline", pipelineARN, false},
		{"other service", `"Action":"s3:*","Resource":"*"`, "codepipeline:GetPipeline", pipelineARN, false},
		{"list of actions", `"Action":["s3:*","codepipeline:*"],"Resource":"*"`, "codepipeline:GetPipeline", pipelineARN, true},
		{"not action", `"NotAction":"codepipeline:Delete*","Resource":"*"`, "codepipeline:GetPipeline", pipelineARN, true},
		{"not this action", `"NotAction":"codepipeline:Delete*","Resource":"*"`, "codepipeline:DeletePipeline", pipelineARN, false},
		{"not resource", `"Action":"*","NotResource":"` + arnPrefix + `prod-*"`, "codepipeline:GetPipeline", pipelineARN, true},
		{"not this resource", `"Action":"*","NotResource":["` + arnPrefix + `prod-*","` + arnPrefix + `web"]`, "codepipeline:GetPipeline", pipelineARN, false},
		{"any region and account", `"Action":"*","Resource":"arn:aws:codepipeline:*:*:web"`, "codepipeline:GetPipeline", pipelineARN, true},
		{"a * stays between colons", `"Action":"*","Resource":"arn:aws:codepipeline:*:*:*:web"`, "codepipeline:GetPipeline", pipelineARN, false},
		{"cut off with a *", `"Action":"*","Resource":"arn:aws:codepipeline:*"`, "codepipeline:GetPipeline", pipelineARN, true},
		{"another region cut off", `"Action":"*","Resource":"arn:aws:codepipeline:us-*"`, "codepipeline:GetPipeline", pipelineARN, false},
		{"no resource", `"Action":"*","Resource":"arn:aws:codepipeline:*"`, "codepipeline:X", "*", false},
		{"no resource, everything", `"Action":"*","Resource":"*"`, "codepipeline:X", "*", true},
		{"list of a region", `"Action":"*","Resource":"` + arnPrefix + `web*"`, "codepipeline:ListPipelines", arnPrefix + "*", false},
		{"list, everything", `"Action":"*","Resource":"` + arnPrefix + `*"`, "codepipeline:ListPipelines", arnPrefix + "*", true},
		{"actiontype", `"Action":"*","Resource":"` + arnPrefix + `actionType:Custom/*/Tool/?"`, "codepipeline:PollForJobs", arnPrefix + "actiontype:Custom/Build/Tool/1", true},
		{"actiontype the other way", `"Action":"*","Resource":"` + arnPrefix + `actiontype:Custom/*"`, "codepipeline:PollForJobs", arnPrefix + "actionType:Custom/Build/Tool/1", true},
		{"the rest of an actiontype minds case", `"Action":"*","Resource":"` + arnPrefix + `actiontype:custom/*"`, "codepipeline:PollForJobs", arnPrefix + "actiontype:Custom/Build/Tool/1", false},
		{"webhook", `"Action":"*","Resource":"` + arnPrefix + `webhook:*"`, "codepipeline:DeleteWebhook", arnPrefix + "webhook:push", true},
		{"webhook is no pipeline", `"Action":"*","Resource":"` + arnPrefix + `Webhook:*"`, "codepipeline:DeleteWebhook", arnPrefix + "webhook:push", false},
		{"object", `"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"`, "s3:GetObject", "arn:aws:s3:::bucket/a/b:c", true},
		{"username", `"Action":"*","Resource":"` + arnPrefix + `${aws:username}-*"`, "codepipeline:GetPipeline", arnPrefix + "alice-web", true},
		{"username of another", `"Action":"*","Resource":"` + arnPrefix + `${aws:username}-*"`, "codepipeline:GetPipeline", arnPrefix + "bob-web", false},
		{"a value has no wildcards", `"Action":"*","Resource":"` + arnPrefix + `${test:star}"`, "codepipeline:GetPipeline", arnPrefix + "web", false},
		{"a value is literal", `"Action":"*","Resource":"` + arnPrefix + `${test:star}"`, "codepipeline:ListPipelines", arnPrefix + "*", true},
		{"variable without value", `"Action":"*","Resource":"` + arnPrefix + `${aws:nothing}*"`, "codepipeline:GetPipeline", pipelineARN, false},
		{"variable with two values", `"Action":"*","Resource":"` + arnPrefix + `${test:two}"`, "codepipeline:GetPipeline", arnPrefix + "one", false},
		{"variable with a default", `"Action":"*","Resource":"` + arnPrefix + `${aws:nothing, 'web'}"`, "codepipeline:GetPipeline", pipelineARN, true},
		{"default not used", `"Action":"*","Resource":"` + arnPrefix + `${aws:username, 'web'}"`, "codepipeline:GetPipeline", pipelineARN, false},
		{"escaped star", `"Action":"*","Resource":"` + arnPrefix + `${*}"`, "codepipeline:GetPipeline", pipelineARN, false},
		{"escaped dollar", `"Action":"*","Resource":"` + arnPrefix + `a${$}{b}"`, "codepipeline:GetPipeline", arnPrefix + "a${b}", true},
	}
	for _, tt := range tests {
		r := iam.Request{Action: tt.action, Resource: tt.resource, Context: map[string][]string{
			"aws:username": {"alice"}, "test:star": {"*"}, "test:two": {"one", "two"},
		}}
		allowed := ask(t, r, statement(`"Effect":"Allow",`+tt.members)) == iam.Allowed
		if allowed != tt.want {
			t.Errorf("%s: allowed is %v", tt.name, allowed)
		}
		denied := ask(t, r, statement(`"Effect":"Allow","Action":"*","Resource":"*"`), statement(`"Effect":"Deny",`+tt.members)) == iam.Denied
		if denied != tt.want {
			t.Errorf("%s: denied is %v", tt.name, denied)
		}
	}
}

func TestVersion2008HasNoVariables(t *testing.T) {
	t.Parallel()
	for _, head := range []string{``, `"Version":"2008-10-17",`} {
		document := `{` + head + `"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}"}}`
		with := map[string][]string{"aws:username": {"alice"}}
		if got := ask(t, iam.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::alice", Context: with}, document); got != iam.NotAllowed {
			t.Errorf("%s: the variable was replaced", document)
		}
		if got := ask(t, iam.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::${aws:username}", Context: with}, document); got != iam.Allowed {
			t.Errorf("%s: the text is not taken as it is", document)
		}
	}
}

func TestDenyWins(t *testing.T) {
	t.Parallel()
	allow := statement(`"Effect":"Allow","Action":"*","Resource":"*"`)
	deny := statement(`"Effect":"Deny","Action":"codepipeline:Delete*","Resource":"*"`)
	both := `{"Statement":[{"Effect":"Deny","Action":"codepipeline:DeletePipeline","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	r := iam.Request{Action: "codepipeline:DeletePipeline", Resource: pipelineARN}
	for _, documents := range [][]string{{allow, deny}, {deny, allow}, {both}, {deny}} {
		if got := ask(t, r, documents...); got != iam.Denied {
			t.Errorf("%v: decision %d", documents, got)
		}
	}
	r.Action = "codepipeline:GetPipeline"
	if got := ask(t, r, deny, allow); got != iam.Allowed {
		t.Errorf("another action: decision %d", got)
	}
	if got := ask(t, r); got != iam.NotAllowed {
		t.Errorf("without policies: decision %d", got)
	}
}

func TestManagedPolicies(t *testing.T) {
	t.Parallel()
	documents := map[string]string{}
	for _, p := range iam.ManagedPolicies() {
		documents[p.Name] = p.Document
		for _, name := range []string{p.Name, "arn:aws:iam::aws:policy/" + p.Name} {
			if got, err := iam.ManagedPolicyARN(name); err != nil || got != p.ARN {
				t.Errorf("%s is %s, %v", name, got, err)
			}
		}
	}
	if _, err := iam.ManagedPolicyARN("AdministratorAccess"); err == nil {
		t.Error("an unknown policy has an ARN")
	}
	const full, read, approver, worker = "AWSCodePipeline_FullAccess", "AWSCodePipeline_ReadOnlyAccess", "AWSCodePipelineApproverAccess", "AWSCodePipelineCustomActionAccess"
	for _, tt := range []struct {
		action  string
		allowed []string
	}{
		{"codepipeline:GetPipeline", []string{full, read, approver}},
		{"codepipeline:ListPipelines", []string{full, read, approver}},
		{"codepipeline:ListTagsForResource", []string{full, read}},
		{"codepipeline:ListActionExecutions", []string{full, read}},
		{"codepipeline:PutApprovalResult", []string{full, approver}},
		{"codepipeline:PollForJobs", []string{full, worker}},
		{"codepipeline:PutJobSuccessResult", []string{full, worker}},
		{"codepipeline:DeletePipeline", []string{full}},
		{"penstock:CreatePrincipal", nil},
	} {
		for _, name := range []string{full, read, approver, worker} {
			want := iam.NotAllowed
			for _, allowed := range tt.allowed {
				if allowed == name {
					want = iam.Allowed
				}
			}
			if got := ask(t, iam.Request{Action: tt.action, Resource: actionARN}, documents[name]); got != want {
				t.Errorf("%s: %s: decision %d, want %d", name, tt.action, got, want)
			}
		}
	}
	pass := iam.Request{Action: "iam:PassRole", Resource: "arn:aws:iam::1:role/r", Context: map[string][]string{"iam:PassedToService": {"codepipeline.amazonaws.com"}}}
	if got := ask(t, pass, documents[full]); got != iam.Allowed {
		t.Errorf("passing a role to CodePipeline: decision %d", got)
	}
	pass.Context["iam:PassedToService"] = []string{"ec2.amazonaws.com"}
	if got := ask(t, pass, documents[full]); got != iam.NotAllowed {
		t.Errorf("passing a role to EC2: decision %d", got)
	}
}
