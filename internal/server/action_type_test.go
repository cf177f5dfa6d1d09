package server_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/server"
)

// custom is the creation of a custom action type.
func custom(version string) *cp.CreateCustomActionTypeInput {
	return &cp.CreateCustomActionTypeInput{
		Category: types.ActionCategoryBuild, Provider: aws.String("Make"), Version: &version,
		InputArtifactDetails:  &types.ArtifactDetails{MinimumCount: 0, MaximumCount: 5},
		OutputArtifactDetails: &types.ArtifactDetails{MinimumCount: 0, MaximumCount: 1},
		Settings:              &types.ActionTypeSettings{EntityUrlTemplate: aws.String("https://{region}.example/{Config:Project}")},
		ConfigurationProperties: []types.ActionConfigurationProperty{
			{Name: aws.String("Project"), Required: true, Key: true, Queryable: true, Description: aws.String("The project."), Type: types.ActionConfigurationPropertyTypeString},
		},
	}
}

// listTypes lists action types page by page.
func (b *bed) listTypes(in *cp.ListActionTypesInput) (list []types.ActionType, pages int) {
	b.t.Helper()
	for p := cp.NewListActionTypesPaginator(b.cp, in); p.HasMorePages(); pages++ {
		page, err := p.NextPage(b.t.Context())
		b.must(err)
		list = append(list, page.ActionTypes...)
	}
	return list, pages
}

// exceptionOf returns the code of an answer, empty if it is no error.
func exceptionOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

// TestBuiltinActionTypes: what this server can run is listed as CodePipeline
// lists it, what it cannot run is absent.
func TestBuiltinActionTypes(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	list, pages := b.listTypes(&cp.ListActionTypesInput{ActionOwnerFilter: types.ActionOwnerAws, RegionFilter: aws.String("us-east-1")})
	var ids []string
	byID := map[string]types.ActionType{}
	for _, a := range list {
		id := string(a.Id.Category) + "/" + *a.Id.Provider
		ids = append(ids, id)
		byID[id] = a
		if a.Id.Owner != types.ActionOwnerAws || *a.Id.Version != "1" || a.Settings == nil {
			t.Errorf("listed %s: %+v", id, a)
		}
		for _, p := range a.ActionConfigurationProperties {
			if p.Type != "" || p.Secret || p.Queryable || p.Description == nil {
				t.Errorf("property %s of %s: %+v", *p.Name, id, p)
			}
		}
	}
	want := []string{
		"Source/S3", "Source/CodeCommit", "Source/CodeStarSourceConnection", "Build/CodeBuild", "Test/CodeBuild", "Compute/Commands",
		"Approval/Manual", "Invoke/Lambda", "Deploy/S3",
	}
	if diff := cmp.Diff(want, ids); diff != "" || pages != 1 {
		t.Errorf("%d pages of (-want +got):\n%s", pages, diff)
	}
	deploy := byID["Deploy/S3"]
	var properties []string
	for _, p := range deploy.ActionConfigurationProperties {
		properties = append(properties, fmt.Sprintln(*p.Name, p.Required, p.Key))
	}
	wantProperties := []string{
		"BucketName true true\n", "ObjectKey false true\n", "KMSEncryptionKeyARN false true\n", "Extract true true\n",
		"CannedACL false true\n", "CacheControl false true\n",
	}
	if diff := cmp.Diff(wantProperties, properties); diff != "" || deploy.InputArtifactDetails.MinimumCount != 1 || deploy.OutputArtifactDetails.MaximumCount != 0 {
		t.Errorf("Deploy/S3: %+v (-want +got):\n%s", deploy, diff)
	}
	if got := aws.ToString(deploy.Settings.EntityUrlTemplate); got != "https://console.aws.amazon.com/s3/buckets/{Config:BucketName}/?region=us-east-1&tab=overview" {
		t.Errorf("entityUrlTemplate %q", got)
	}
	if s := byID["Compute/Commands"].Settings; s.EntityUrlTemplate != nil || s.ExecutionUrlTemplate != nil {
		t.Errorf("settings of Commands: %+v", s)
	}
	// Without filters the region is the caller's.
	all, _ := b.listTypes(&cp.ListActionTypesInput{})
	if got := aws.ToString(all[0].Settings.EntityUrlTemplate); got != "https://console.aws.amazon.com/s3/home?region="+region+"#" {
		t.Errorf("in the caller's region: %q", got)
	}
}

// TestActionTypePages: more types than a page holds, with a token that continues
// its own list only, stable while others come.
func TestActionTypePages(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *server.Config) { c.Quotas.CustomActionTypes = 250 })
	ctx := t.Context()
	for i := range 210 {
		_, err := b.cp.CreateCustomActionType(ctx, custom(fmt.Sprintf("v%03d", 2*i)))
		b.must(err)
	}
	list, pages := b.listTypes(&cp.ListActionTypesInput{ActionOwnerFilter: types.ActionOwnerCustom})
	if pages != 3 || len(list) != 212 { // and the two of the tests
		t.Errorf("%d types on %d pages", len(list), pages)
	}
	first, err := b.cp.ListActionTypes(ctx, &cp.ListActionTypesInput{ActionOwnerFilter: types.ActionOwnerCustom})
	b.must(err)
	last := first.ActionTypes[99].Id
	for _, version := range []string{"a", "v191"} { // before and behind the page's end
		_, err := b.cp.CreateCustomActionType(ctx, custom(version))
		b.must(err)
	}
	_, err = b.cp.DeleteCustomActionType(ctx, &cp.DeleteCustomActionTypeInput{Category: last.Category, Provider: last.Provider, Version: last.Version})
	b.must(err)
	_, err = b.cp.DeleteCustomActionType(ctx, &cp.DeleteCustomActionTypeInput{Category: last.Category, Provider: last.Provider, Version: last.Version})
	b.must(err)
	second, err := b.cp.ListActionTypes(ctx, &cp.ListActionTypesInput{ActionOwnerFilter: types.ActionOwnerCustom, NextToken: first.NextToken})
	b.must(err)
	if *last.Version != "v194" || *second.ActionTypes[0].Id.Version != "v196" {
		t.Errorf("the first page ends with %s, the second begins with %s", *last.Version, *second.ActionTypes[0].Id.Version)
	}
	foreign := []*cp.ListActionTypesInput{
		{NextToken: first.NextToken},
		{NextToken: first.NextToken, ActionOwnerFilter: types.ActionOwnerAws},
		{NextToken: first.NextToken, ActionOwnerFilter: types.ActionOwnerCustom, RegionFilter: aws.String("us-east-1")},
	}
	for _, in := range foreign {
		if _, err := b.cp.ListActionTypes(ctx, in); exceptionOf(err) != "InvalidNextTokenException" {
			t.Errorf("a token of another list: %v", err)
		}
	}
	_, err = b.cp.ListPipelines(ctx, &cp.ListPipelinesInput{NextToken: first.NextToken})
	if exceptionOf(err) != "InvalidNextTokenException" {
		t.Errorf("a token of another operation: %v", err)
	}
}

// TestCustomActionTypeLife is what Terraform asks of a custom action type:
// create with tags, find it in the list, tags by an ARN it builds itself, delete.
func TestCustomActionTypeLife(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *server.Config) { c.Quotas.CustomActionTypes = 1 })
	ctx := t.Context()
	in := custom("1")
	in.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}}
	created, err := b.cp.CreateCustomActionType(ctx, in)
	b.must(err)
	if diff := cmp.Diff(in.Tags, created.Tags, sameWire); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	list, _ := b.listTypes(&cp.ListActionTypesInput{ActionOwnerFilter: types.ActionOwnerCustom})
	i := slices.IndexFunc(list, func(a types.ActionType) bool { return *a.Id.Provider == "Make" })
	if i < 0 {
		t.Fatalf("not listed: %+v", list)
	}
	if diff := cmp.Diff(*created.ActionType, list[i], sameWire); diff != "" {
		t.Errorf("listed (-created +listed):\n%s", diff)
	}
	// What the author wrote is shown as it was written, but for the property's type.
	want := in.ConfigurationProperties
	want[0].Type = ""
	if diff := cmp.Diff(in.Settings, list[i].Settings, sameWire) + cmp.Diff(want, list[i].ActionConfigurationProperties, sameWire); diff != "" {
		t.Errorf("definition (-sent +listed):\n%s", diff)
	}
	arn := "arn:aws:codepipeline:" + region + ":" + account + ":actiontype:Custom/Build/Make/1"
	tags, err := b.cp.ListTagsForResource(ctx, &cp.ListTagsForResourceInput{ResourceArn: &arn})
	b.must(err)
	if diff := cmp.Diff(in.Tags, tags.Tags, sameWire); diff != "" {
		t.Errorf("tags by ARN (-want +got):\n%s", diff)
	}
	_, err = b.cp.CreateCustomActionType(ctx, custom("2"))
	if exceptionOf(err) != "LimitExceededException" || !strings.Contains(err.Error(), "(1)") {
		t.Errorf("one too many: %v", err)
	}
	many := custom("1")
	for i := range 50 {
		many.Tags = append(many.Tags, types.Tag{Key: aws.String(fmt.Sprint("k", i)), Value: aws.String("")})
	}
	if _, err := b.cp.CreateCustomActionType(ctx, many); exceptionOf(err) != "TooManyTagsException" {
		t.Errorf("51 tags in all: %v", err)
	}
	b.restart()
	_, err = b.cp.DeleteCustomActionType(ctx, &cp.DeleteCustomActionTypeInput{Category: in.Category, Provider: in.Provider, Version: in.Version})
	b.must(err)
	_, err = b.cp.ListTagsForResource(ctx, &cp.ListTagsForResourceInput{ResourceArn: &arn})
	if exceptionOf(err) != "ResourceNotFoundException" {
		t.Errorf("tags after deletion: %v", err)
	}
}

// TestDeclaredActionTypeRoundTrip: both executors come back as they were sent.
func TestDeclaredActionTypeRoundTrip(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	declared := func(provider string, executor *types.ActionTypeExecutor) *types.ActionTypeDeclaration {
		return &types.ActionTypeDeclaration{
			Id:       &types.ActionTypeIdentifier{Category: types.ActionCategoryTest, Owner: aws.String("ThirdParty"), Provider: &provider, Version: aws.String("1")},
			Executor: executor, InputArtifactDetails: &types.ActionTypeArtifactDetails{MaximumCount: 10}, OutputArtifactDetails: &types.ActionTypeArtifactDetails{},
			Description: aws.String("Checks."), Permissions: &types.ActionTypePermissions{AllowedAccounts: []string{account}},
			Properties: []types.ActionTypeProperty{{Name: aws.String("Suite"), Key: true, Queryable: true}, {Name: aws.String("Token"), NoEcho: true, Optional: true}},
			Urls:       &types.ActionTypeUrls{EntityUrlTemplate: aws.String("https://check.example/{Config:Suite}")},
		}
	}
	for _, d := range []*types.ActionTypeDeclaration{
		declared("Worker", &types.ActionTypeExecutor{
			Type: types.ExecutorTypeJobWorker, JobTimeout: aws.Int32(43200), PolicyStatementsTemplate: aws.String("{}"),
			Configuration: &types.ExecutorConfiguration{JobWorkerExecutorConfiguration: &types.JobWorkerExecutorConfiguration{
				PollingAccounts: []string{account}, PollingServicePrincipals: []string{"check.example"},
			}},
		}),
		declared("Function", &types.ActionTypeExecutor{
			Type: types.ExecutorTypeLambda,
			Configuration: &types.ExecutorConfiguration{LambdaExecutorConfiguration: &types.LambdaExecutorConfiguration{
				LambdaFunctionArn: aws.String("arn:aws:lambda:" + region + ":" + account + ":function:check"),
			}},
		}),
	} {
		_, err := b.cp.UpdateActionType(t.Context(), &cp.UpdateActionTypeInput{ActionType: d})
		b.must(err)
		got, err := b.cp.GetActionType(t.Context(), &cp.GetActionTypeInput{
			Category: d.Id.Category, Owner: d.Id.Owner, Provider: d.Id.Provider, Version: d.Id.Version,
		})
		b.must(err)
		if diff := cmp.Diff(d, got.ActionType, sameWire); diff != "" {
			t.Errorf("declaration (-sent +got):\n%s", diff)
		}
	}
}

func TestPipelineQuotas(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *server.Config) { c.Quotas.Pipelines, c.Quotas.ConfigurationValue = 1, 2000 })
	ctx := t.Context()
	long := strings.Repeat("x", 2000)
	source := stage("Source", outputs(action("Pulse", "Source", "Custom", "Pulse", nil), "App"))
	_, err := b.cp.CreatePipeline(ctx, &cp.CreatePipelineInput{Pipeline: declare("one", source, reviewStage(map[string]string{"CustomData": long}))})
	b.must(err)
	_, err = b.cp.CreatePipeline(ctx, &cp.CreatePipelineInput{Pipeline: declare("two", source, reviewStage(nil))})
	if exceptionOf(err) != "LimitExceededException" {
		t.Errorf("one too many: %v", err)
	}
	// A smaller quota refuses what comes in, not what is there.
	b.cfg.Quotas.ConfigurationValue = 1999
	b.restart()
	got, err := b.cp.GetPipeline(ctx, &cp.GetPipelineInput{Name: aws.String("one")})
	b.must(err)
	if got.Pipeline.Stages[1].Actions[0].Configuration["CustomData"] != long {
		t.Error("the stored value changed")
	}
	_, err = b.cp.UpdatePipeline(ctx, &cp.UpdatePipelineInput{Pipeline: got.Pipeline})
	if exceptionOf(err) != "ValidationException" || !strings.Contains(err.Error(), "length less than or equal to 1999") {
		t.Errorf("a value that is too long: %v", err)
	}
}
