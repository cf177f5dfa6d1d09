package server_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/document"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	cpwire "github.com/penstock-cd/penstock/internal/api/codepipeline"
)

// sameWire compares SDK structures but for the SDK's own members.
var sameWire = cmp.Options{
	cmpopts.IgnoreTypes(document.NoSerde{}), cmpopts.EquateEmpty(),
}

// TestJourney takes every operation of a pipeline's life through the official
// client, on each database.
func TestJourney(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		journey(newBed(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		journey(newBed(t, onPostgres(t)))
	})
}

func journey(b *bed) {
	t, ctx := b.t, b.t.Context()
	b.bucket("upload")
	b.bucket("site")
	version := b.put("upload", "app.zip", zipped(t, map[string]string{"index.html": "<h1>hello</h1>"}))
	declared := declare("web", sourceS3("upload", "app.zip", nil), reviewStage(map[string]string{"CustomData": "ship #{variables.Release}"}), deployS3("site", nil))
	declared.Variables = []types.PipelineVariableDeclaration{{Name: aws.String("Release"), DefaultValue: aws.String("one")}}
	created, err := b.cp.CreatePipeline(ctx, &cp.CreatePipelineInput{
		Pipeline: declared, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}},
	})
	b.must(err)
	got, err := b.cp.GetPipeline(ctx, &cp.GetPipelineInput{Name: aws.String("web")})
	b.must(err)
	if diff := cmp.Diff(created.Pipeline, got.Pipeline, sameWire); diff != "" {
		t.Errorf("GetPipeline differs from the answer of CreatePipeline (-created +got):\n%s", diff)
	}
	if !got.Metadata.Created.Equal(*got.Metadata.Updated) {
		t.Errorf("created %v, updated %v", got.Metadata.Created, got.Metadata.Updated)
	}
	first := b.newest("web")
	token := b.token("web", first)
	answered, err := b.answer("web", token, types.ApprovalStatusApproved, "fine")
	b.must(err)
	b.await("web", first, types.PipelineExecutionStatusSucceeded)
	checkApproval(b, first, *answered.ApprovedAt)
	x := b.execution("web", first)
	if len(x.ArtifactRevisions) != 1 || aws.ToString(x.ArtifactRevisions[0].RevisionId) != version {
		t.Errorf("revisions %+v, want version %s", x.ArtifactRevisions, version)
	}
	if object, _, err := b.Buckets().GetObject(ctx, "site", "index.html", ""); err != nil || object.Headers.ContentType != "text/html" {
		t.Errorf("deployed %+v, %v", object, err)
	}
	journeyOn(b, created)
}

// checkApproval checks that an answer shows everywhere with its own time.
func checkApproval(b *bed, execution string, at time.Time) {
	b.t.Helper()
	b.until("the references to be resolved", func() bool { return b.resolved("web", execution, "Review") })
	latest := b.state("web", "Gate").ActionStates[0].LatestExecution
	if latest.LastStatusChange == nil || !latest.LastStatusChange.Equal(at) || aws.ToString(latest.LastUpdatedBy) != rootARN || latest.Token != nil {
		b.t.Errorf("approved at %v, state %+v", at, latest)
	}
	for _, a := range b.actions("web", execution) {
		if aws.ToString(a.ActionName) == "Review" && (aws.ToString(a.UpdatedBy) != rootARN || !a.LastUpdateTime.Equal(at) ||
			a.Input.ResolvedConfiguration["CustomData"] != "ship one") {
			b.t.Errorf("approved at %v, history %+v", at, a)
		}
	}
}

func journeyOn(b *bed, created *cp.CreatePipelineOutput) {
	t, ctx := b.t, b.t.Context()
	name := aws.String("web")
	_, err := b.cp.DisableStageTransition(ctx, &cp.DisableStageTransitionInput{
		PipelineName: name, StageName: aws.String("Gate"), TransitionType: types.StageTransitionTypeInbound, Reason: aws.String("freeze"),
	})
	b.must(err)
	second := b.run(&cp.StartPipelineExecutionInput{Name: name, Variables: []types.PipelineVariable{{Name: aws.String("Release"), Value: aws.String("two")}}})
	b.until("the second execution to wait", func() bool {
		inbound := b.state("web", "Gate").InboundExecution
		return inbound != nil && aws.ToString(inbound.PipelineExecutionId) == second
	})
	_, err = b.cp.EnableStageTransition(ctx, &cp.EnableStageTransitionInput{
		PipelineName: name, StageName: aws.String("Gate"), TransitionType: types.StageTransitionTypeInbound,
	})
	b.must(err)
	b.token("web", second)
	_, err = b.cp.StopPipelineExecution(ctx, &cp.StopPipelineExecutionInput{PipelineName: name, PipelineExecutionId: &second, Abandon: true, Reason: aws.String("enough")})
	b.must(err)
	if x := b.await("web", second, types.PipelineExecutionStatusStopped); aws.ToString(x.StatusSummary) != "enough" {
		t.Errorf("stopped execution %+v", x)
	}
	updated, err := b.cp.UpdatePipeline(ctx, &cp.UpdatePipelineInput{Pipeline: created.Pipeline})
	b.must(err)
	want := *created.Pipeline
	want.Version = aws.Int32(2)
	if diff := cmp.Diff(&want, updated.Pipeline, sameWire); diff != "" {
		t.Errorf("an update with the same definition changed more than the version (-want +got):\n%s", diff)
	}
	list, err := b.cp.ListPipelines(ctx, &cp.ListPipelinesInput{})
	b.must(err)
	if len(list.Pipelines) != 1 || *list.Pipelines[0].Version != 2 || !list.Pipelines[0].Updated.After(*list.Pipelines[0].Created) {
		t.Errorf("pipelines %+v", list.Pipelines)
	}
	journeyTags(b)
	_, err = b.cp.DeletePipeline(ctx, &cp.DeletePipelineInput{Name: name})
	b.must(err)
	_, err = b.cp.GetPipelineState(ctx, &cp.GetPipelineStateInput{Name: name})
	if _, ok := errors.AsType[*types.PipelineNotFoundException](err); !ok {
		t.Errorf("the state of a deleted pipeline: %v", err)
	}
}

func journeyTags(b *bed) {
	ctx := b.t.Context()
	arn := aws.String("arn:aws:codepipeline:" + region + ":" + account + ":web")
	_, err := b.cp.TagResource(ctx, &cp.TagResourceInput{ResourceArn: arn, Tags: []types.Tag{{Key: aws.String("cost"), Value: aws.String("7")}}})
	b.must(err)
	_, err = b.cp.UntagResource(ctx, &cp.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"team"}})
	b.must(err)
	tags, err := b.cp.ListTagsForResource(ctx, &cp.ListTagsForResourceInput{ResourceArn: arn})
	b.must(err)
	if diff := cmp.Diff([]types.Tag{{Key: aws.String("cost"), Value: aws.String("7")}}, tags.Tags, sameWire); diff != "" {
		b.t.Errorf("tags (-want +got):\n%s", diff)
	}
	var many []types.Tag
	for i := range 50 {
		many = append(many, types.Tag{Key: aws.String(fmt.Sprint("k", i)), Value: aws.String("")})
	}
	_, err = b.cp.TagResource(ctx, &cp.TagResourceInput{ResourceArn: arn, Tags: many})
	if e, ok := errors.AsType[*types.TooManyTagsException](err); !ok || e.ErrorMessage() != "Tag limit exceeded for resource ["+*arn+"]." {
		b.t.Errorf("51 tags: %v", err)
	}
	_, err = b.cp.TagResource(ctx, &cp.TagResourceInput{ResourceArn: arn, Tags: many[:49]})
	b.must(err)
}

// TestBuilt calls every operation with a request that breaks no constraint: none
// of them is unknown.
func TestBuilt(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	operations := cpwire.Describe(cpwire.Unimplemented{}).Operations
	if len(operations) != 44 {
		t.Errorf("%d operations, want 44", len(operations))
	}
	client := reflect.ValueOf(b.cp)
	for name := range operations {
		method := client.MethodByName(name)
		if !method.IsValid() {
			t.Errorf("the SDK has no operation %s", name)
			continue
		}
		input := reflect.New(method.Type().In(1).Elem())
		fill(input.Elem(), "")
		err, _ := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), input})[1].Interface().(error)
		code := ""
		if e, ok := errors.AsType[smithy.APIError](err); ok {
			code = e.ErrorCode()
		} else if err != nil {
			t.Errorf("%s never reached the server: %v", name, err)
		}
		if code == "UnknownOperationException" {
			t.Errorf("%s answers %q, %v", name, code, err)
		}
	}
}

// sample is a value that passes the constraints of a member where "name", 1 and
// the first value of an enum do not; nil if they do.
func sample(member string) any {
	return map[string]any{
		"Version": "1", "Owner": "AWS", "ResourceArn": "arn:aws:codepipeline:eu-west-1:111122223333:p",
		"LambdaFunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:f", "PollingAccounts": account, "AllowedAccounts": account,
		"JobTimeout": 60, "JobId": sampleID, "ClientToken": sampleID, "Token": sampleID, "Nonce": "1",
		"PipelineExecutionId": sampleID, "TargetPipelineExecutionId": sampleID, "ActionExecutionId": sampleID,
	}[member]
}

const sampleID = "11111111-2222-3333-4444-555555555555"

// fill gives an input, and everything in it, values that pass the constraints;
// member is the name of the member that v is of.
func fill(v reflect.Value, member string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), member)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_800_000_000, 0)))
			return
		}
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).CanSet() && name != "NextToken" {
				fill(v.Field(i), name)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), member)
	case reflect.String:
		text, ok := sample(member).(string)
		if values := v.MethodByName("Values"); values.IsValid() {
			v.Set(values.Call(nil)[0].Index(0))
			return
		}
		if !ok {
			text = "name"
		}
		v.SetString(text)
	case reflect.Int32, reflect.Int64:
		n, ok := sample(member).(int)
		if !ok {
			n = 1
		}
		v.SetInt(int64(n))
	}
}
