package server_test

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// pulse is a source that succeeds at once with an empty artifact.
type pulse struct{}

func (pulse) Type() pipeline.ActionType {
	return pipeline.ActionType{
		ID:      pipeline.ActionTypeID{Category: "Source", Owner: "Custom", Provider: "Pulse", Version: "1"},
		Outputs: pipeline.ArtifactBounds{Min: 1, Max: 1}, WhenLost: pipeline.LostAgain,
	}
}

func (pulse) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	if err := a.Artifacts.Put(ctx, a.Outputs[0].Location, strings.NewReader("PK\x05\x06"+strings.Repeat("\x00", 18))); err != nil {
		return provider.Report{}, err
	}
	return provider.Report{
		Status: provider.Succeeded, Summary: "beat", Produced: []string{a.Outputs[0].Name},
		Revision: &pipeline.Revision{ID: "r1", Summary: "beat"},
	}, nil
}

func (p pulse) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return p.Start(ctx, a)
}

func (pulse) Stop(context.Context, provider.Attempt) error { return nil }

// gate is an action that runs until the test lets it end.
type gate struct {
	mu   sync.Mutex
	open map[string]chan provider.Report // by execution id
}

func newGate() *gate { return &gate{open: map[string]chan provider.Report{}} }

func (g *gate) door(execution string) chan provider.Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[execution] == nil {
		g.open[execution] = make(chan provider.Report, 1)
	}
	return g.open[execution]
}

// let ends the gate of an execution, now or when it comes to it.
func (g *gate) let(execution string, r provider.Report) { g.door(execution) <- r }

func (*gate) Type() pipeline.ActionType {
	return pipeline.ActionType{
		ID:     pipeline.ActionTypeID{Category: "Test", Owner: "Custom", Provider: "Gate", Version: "1"},
		Inputs: pipeline.ArtifactBounds{Max: 1}, WhenLost: pipeline.LostAgain,
	}
}

func (g *gate) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	fmt.Fprintln(a.Log, "the gate is closed")
	select {
	case r := <-g.door(a.ExecutionID):
		fmt.Fprint(a.Log, "the gate opens\nwithout a last newline")
		return r, nil
	case <-ctx.Done():
		return provider.Report{}, context.Cause(ctx)
	}
}

func (g *gate) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return g.Start(ctx, a)
}

func (*gate) Stop(context.Context, provider.Attempt) error { return nil }

// declare makes a declaration of stages.
func declare(name string, stages ...types.StageDeclaration) *types.PipelineDeclaration {
	return &types.PipelineDeclaration{
		Name: &name, RoleArn: aws.String("arn:aws:iam::" + account + ":role/pipeline"), Stages: stages,
		ArtifactStore: &types.ArtifactStore{Type: types.ArtifactStoreTypeS3, Location: aws.String("artifacts")},
		PipelineType:  types.PipelineTypeV2,
	}
}

func stage(name string, actions ...types.ActionDeclaration) types.StageDeclaration {
	return types.StageDeclaration{Name: &name, Actions: actions}
}

func action(name string, category types.ActionCategory, owner types.ActionOwner, provider string, config map[string]string) types.ActionDeclaration {
	return types.ActionDeclaration{
		Name: &name, Configuration: config,
		ActionTypeId: &types.ActionTypeId{Category: category, Owner: owner, Provider: &provider, Version: aws.String("1")},
	}
}

// outputs adds an output artifact.
func outputs(a types.ActionDeclaration, name string) types.ActionDeclaration {
	a.OutputArtifacts = append(a.OutputArtifacts, types.OutputArtifact{Name: &name})
	return a
}

// inputs adds an input artifact.
func inputs(a types.ActionDeclaration, name string) types.ActionDeclaration {
	a.InputArtifacts = append(a.InputArtifacts, types.InputArtifact{Name: &name})
	return a
}

// pulseStage is a source stage that takes no time.
func pulseStage() types.StageDeclaration {
	return stage("Source", outputs(action("Pulse", "Source", "Custom", "Pulse", nil), "App"))
}

// reviewStage is the stage Gate with the approval Review.
func reviewStage(config map[string]string) types.StageDeclaration {
	return stage("Gate", action("Review", "Approval", "AWS", "Manual", config))
}

// gateStage is a stage whose action ends when the test says so.
func gateStage(name string) types.StageDeclaration {
	return stage(name, inputs(action("Hold", "Test", "Custom", "Gate", nil), "App"))
}

// sourceS3 is a source stage that reads an object.
func sourceS3(bucket, key string, more map[string]string) types.StageDeclaration {
	config := map[string]string{"S3Bucket": bucket, "S3ObjectKey": key, "PollForSourceChanges": "false"}
	for k, v := range more {
		config[k] = v
	}
	return stage("Source", outputs(action("Fetch", "Source", "AWS", "S3", config), "App"))
}

// deployS3 is a stage that writes the artifact to a bucket.
func deployS3(bucket string, more map[string]string) types.StageDeclaration {
	config := map[string]string{"BucketName": bucket, "Extract": "true"}
	for k, v := range more {
		config[k] = v
	}
	return stage("Deploy", inputs(action("Publish", "Deploy", "AWS", "S3", config), "App"))
}
