package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
)

// gitHub is a source of GitHub, version 1, that needs no GitHub.
type gitHub struct{ pulse }

func (gitHub) Type() pipeline.ActionType {
	return pipeline.ActionType{
		ID:       pipeline.ActionTypeID{Category: "Source", Owner: "ThirdParty", Provider: "GitHub", Version: "1"},
		WhenLost: pipeline.LostAgain,
	}
}

// gitHubPipeline has the source action Pull.
func gitHubPipeline(name string) *types.PipelineDeclaration {
	source := action("Pull", "Source", "ThirdParty", "GitHub", map[string]string{
		"Owner": "octo", "Repo": "site", "Branch": "main", "OAuthToken": "ghp_s3cret", "PollForSourceChanges": "false",
	})
	return declare(name, stage("Source", outputs(source, "App")), reviewStage(nil))
}

// hook is a good webhook for a source of pipeline web.
func hook(name string) *types.WebhookDefinition {
	return &types.WebhookDefinition{
		Name: &name, TargetPipeline: aws.String("web"), TargetAction: aws.String("Pull"),
		Filters:                     []types.WebhookFilterRule{{JsonPath: aws.String("$.ref"), MatchEquals: aws.String("refs/heads/{Branch}")}},
		Authentication:              types.WebhookAuthenticationTypeGithubHmac,
		AuthenticationConfiguration: &types.WebhookAuthConfiguration{SecretToken: aws.String("s3cret-t0ken")},
	}
}

func (b *bed) putHook(d *types.WebhookDefinition, tags ...types.Tag) *types.ListWebhookItem {
	b.t.Helper()
	out, err := b.cp.PutWebhook(b.t.Context(), &cp.PutWebhookInput{Webhook: d, Tags: tags})
	b.must(err)
	return out.Webhook
}

// hooks lists all webhooks in pages of two.
func (b *bed) hooks() []types.ListWebhookItem {
	b.t.Helper()
	var list []types.ListWebhookItem
	pages := cp.NewListWebhooksPaginator(b.cp, &cp.ListWebhooksInput{MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(b.t.Context())
		b.must(err)
		list = append(list, page.Webhooks...)
	}
	return list
}

// hookBed is a server with pipeline web.
func hookBed(t *testing.T, change ...func(*server.Config)) *bed {
	t.Helper()
	b := newBed(t, change...)
	b.more = []provider.Provider{gitHub{}}
	b.restart()
	b.create(gitHubPipeline("web"))
	return b
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		webhooks(hookBed(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		webhooks(hookBed(t, onPostgres(t)))
	})
}

func webhooks(b *bed) {
	t := b.t
	made := map[string]string{}
	for _, name := range []string{"e", "d", "c", "b", "a"} {
		item := b.putHook(hook(name), types.Tag{Key: aws.String("team"), Value: &name})
		want := hook(name)
		want.AuthenticationConfiguration.SecretToken = aws.String("****")
		if diff := cmp.Diff(want, item.Definition, sameWire); diff != "" {
			t.Errorf("definition (-want +got):\n%s", diff)
		}
		if aws.ToString(item.Arn) != "arn:aws:codepipeline:"+region+":"+account+":webhook:"+name {
			t.Errorf("ARN %s", aws.ToString(item.Arn))
		}
		made[name] = secretOf(b, item)
	}
	// The endpoint of the next server is another, the rest of the URL stays.
	b.restart()
	names := ""
	for _, item := range b.hooks() {
		name := aws.ToString(item.Definition.Name)
		names += name
		if secretOf(b, &item) != made[name] || !strings.HasPrefix(aws.ToString(item.Url), b.Endpoint()+"/trigger?") {
			t.Errorf("URL of %s is %s, had the token %s", name, aws.ToString(item.Url), made[name])
		}
		if len(item.Tags) != 1 || aws.ToString(item.Tags[0].Value) != name || aws.ToString(item.Definition.AuthenticationConfiguration.SecretToken) != "****" {
			t.Errorf("listed %+v", item)
		}
	}
	if names != "abcde" {
		t.Errorf("listed %s", names)
	}
	for name, token := range made {
		revealed(b, "s3cret-t0ken", token)
		_, err := b.cp.DeleteWebhook(t.Context(), &cp.DeleteWebhookInput{Name: &name})
		b.must(err)
	}
	if again := secretOf(b, b.putHook(hook("a"))); again == made["a"] || len(b.hooks()) != 1 {
		t.Errorf("after all were deleted: %d webhooks, token %s", len(b.hooks()), again)
	}
}

// secretOf is the token in the URL of a webhook.
func secretOf(b *bed, item *types.ListWebhookItem) string {
	b.t.Helper()
	u, err := url.Parse(aws.ToString(item.Url))
	b.must(err)
	if len(u.Query().Get("t")) < 40 || u.Query().Get("v") != "1" {
		b.t.Errorf("URL %s", u)
	}
	return u.Query().Get("t")
}

// revealed fails if a file of the server holds one of the secrets.
func revealed(b *bed, secrets ...string) {
	b.t.Helper()
	b.must(filepath.WalkDir(b.cfg.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, secret := range secrets {
			if bytes.Contains(content, []byte(secret)) {
				b.t.Errorf("%s reveals %s", path, secret)
			}
		}
		return err
	}))
}

// TestWebhookRegistration asks for what this version refuses: it cannot talk to
// GitHub, and takes no requests at the URLs.
func TestWebhookRegistration(t *testing.T) {
	t.Parallel()
	b := hookBed(t)
	item := b.putHook(hook("push"))
	for name, err := range map[string]error{
		"register": func() error {
			_, err := b.cp.RegisterWebhookWithThirdParty(t.Context(), &cp.RegisterWebhookWithThirdPartyInput{WebhookName: aws.String("push")})
			return err
		}(),
		"deregister": func() error {
			_, err := b.cp.DeregisterWebhookWithThirdParty(t.Context(), &cp.DeregisterWebhookWithThirdPartyInput{WebhookName: aws.String("push")})
			return err
		}(),
	} {
		e, ok := errors.AsType[smithy.APIError](err)
		if !ok || e.ErrorCode() != "UnknownOperationException" || !strings.Contains(e.ErrorMessage(), "this version of Penstock cannot "+name+" webhooks with GitHub") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		r, err := http.NewRequestWithContext(t.Context(), method, aws.ToString(item.Url), strings.NewReader("{}"))
		b.must(err)
		response, body := send(t, r)
		if response.StatusCode != http.StatusNotFound || !strings.Contains(string(body), "does not take webhook requests") {
			t.Errorf("%s: %s %s", method, response.Status, body)
		}
	}
	// A webhook outlives its target; it can no longer be for GitHub then.
	_, err := b.cp.DeletePipeline(t.Context(), &cp.DeletePipelineInput{Name: aws.String("web")})
	b.must(err)
	_, err = b.cp.RegisterWebhookWithThirdParty(t.Context(), &cp.RegisterWebhookWithThirdPartyInput{WebhookName: aws.String("push")})
	if e, ok := errors.AsType[*types.ValidationException](err); !ok || len(b.hooks()) != 1 {
		t.Errorf("%v, %v", e, err)
	}
}

// TestWebhookExceptions meets every declared exception as the SDK's own type.
func TestWebhookExceptions(t *testing.T) {
	t.Parallel()
	b := hookBed(t, func(c *server.Config) { c.Quotas.Webhooks = 1 })
	b.putHook(hook("push"))
	put := func(change func(*cp.PutWebhookInput)) error {
		in := &cp.PutWebhookInput{Webhook: hook("push")}
		change(in)
		_, err := b.cp.PutWebhook(t.Context(), in)
		return err
	}
	err := put(func(in *cp.PutWebhookInput) { in.Webhook.Name = aws.String("second") })
	if e, ok := errors.AsType[*types.LimitExceededException](err); !ok ||
		e.ErrorMessage() != "The account with id '"+account+"' already has the maximum number of webhooks (1) in region '"+region+"'" {
		t.Errorf("one too many: %v", err)
	}
	err = put(func(in *cp.PutWebhookInput) { in.Webhook.Filters[0].JsonPath = aws.String("$[") })
	if _, ok := errors.AsType[*types.InvalidWebhookFilterPatternException](err); !ok {
		t.Errorf("filter: %v", err)
	}
	err = put(func(in *cp.PutWebhookInput) { in.Webhook.AuthenticationConfiguration.SecretToken = nil })
	if _, ok := errors.AsType[*types.InvalidWebhookAuthenticationParametersException](err); !ok {
		t.Errorf("authentication: %v", err)
	}
	err = put(func(in *cp.PutWebhookInput) { in.Webhook.TargetPipeline = aws.String("none") })
	if _, ok := errors.AsType[*types.PipelineNotFoundException](err); !ok {
		t.Errorf("pipeline: %v", err)
	}
	many := func(in *cp.PutWebhookInput) {
		for i := range 51 {
			in.Tags = append(in.Tags, types.Tag{Key: aws.String(fmt.Sprint("k", i)), Value: aws.String("v")})
		}
	}
	if _, ok := errors.AsType[*types.TooManyTagsException](put(many)); !ok {
		t.Errorf("tags: %v", put(many))
	}
	_, err = b.cp.DeregisterWebhookWithThirdParty(t.Context(), &cp.DeregisterWebhookWithThirdPartyInput{WebhookName: aws.String("none")})
	if _, ok := errors.AsType[*types.WebhookNotFoundException](err); !ok {
		t.Errorf("deregister: %v", err)
	}
}

// TestWebhookTags keeps fifty tags and shows them with the webhook.
func TestWebhookTags(t *testing.T) {
	t.Parallel()
	b := hookBed(t)
	arn := b.putHook(hook("push"), types.Tag{Key: aws.String("team"), Value: aws.String("a")}).Arn
	_, err := b.cp.TagResource(t.Context(), &cp.TagResourceInput{ResourceArn: arn, Tags: []types.Tag{{Key: aws.String("cost"), Value: aws.String("7")}}})
	b.must(err)
	_, err = b.cp.UntagResource(t.Context(), &cp.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"team"}})
	b.must(err)
	want := []types.Tag{{Key: aws.String("cost"), Value: aws.String("7")}}
	if diff := cmp.Diff(want, b.hooks()[0].Tags, sameWire); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	var many []types.Tag
	for i := range 50 {
		many = append(many, types.Tag{Key: aws.String(fmt.Sprint("k", i)), Value: aws.String("v")})
	}
	_, err = b.cp.TagResource(t.Context(), &cp.TagResourceInput{ResourceArn: arn, Tags: many})
	if _, ok := errors.AsType[*types.TooManyTagsException](err); !ok {
		t.Errorf("51 tags: %v", err)
	}
}

// TestWebhooksBoto3 pages with boto3, whose paginator knows the capitals.
func TestWebhooksBoto3(t *testing.T) {
	t.Parallel()
	b := hookBed(t)
	sigv4test.Boto3(t)
	for _, name := range []string{"c", "b", "a"} {
		b.putHook(hook(name))
	}
	out, err := b.tool(t.TempDir(), "python3", "-c", `
import boto3
pages = boto3.client("codepipeline").get_paginator("list_webhooks").paginate(PaginationConfig={"PageSize": 1})
print("".join(w["definition"]["name"] for page in pages for w in page["webhooks"]))`)
	if err != nil || out != "abc" {
		t.Errorf("boto3 says %s, %v", out, err)
	}
}
