package penstocktest_test

import (
	"context"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/penstock-cd/penstock/penstocktest"
)

// release is code to be tested: it releases a version with CodePipeline.
func release(ctx context.Context, client *codepipeline.Client, version string) (executionID string, err error) {
	out, err := client.StartPipelineExecution(ctx, &codepipeline.StartPipelineExecutionInput{
		Name:      aws.String("shop"),
		Variables: []types.PipelineVariable{{Name: aws.String("Version"), Value: &version}},
	})
	if err != nil {
		return "", err
	}
	return *out.PipelineExecutionId, nil
}

// TestRelease tests release against a server with a source and a deploy action
// of its own.
func TestRelease(t *testing.T) {
	t.Parallel()
	deployed := make(chan string, 1)
	p := penstocktest.Start(t,
		penstocktest.WithAction("Source", "Shelf", func(_ context.Context, a penstocktest.Action) (penstocktest.Result, error) {
			files := fstest.MapFS{"image.txt": {Data: []byte("image of " + a.Configuration["Product"])}}
			return penstocktest.Result{RevisionID: "r7", Outputs: map[string]fs.FS{"App": files}}, nil
		}, "Product"),
		penstocktest.WithAction("Deploy", "ECS", func(ctx context.Context, a penstocktest.Action) (penstocktest.Result, error) {
			app, err := a.Input(ctx, "App")
			if err != nil {
				return penstocktest.Result{}, err
			}
			image, err := fs.ReadFile(app, "image.txt")
			if err != nil {
				return penstocktest.Result{}, err
			}
			deployed <- a.Configuration["ServiceName"] + ": " + string(image)
			return penstocktest.Result{Summary: "rolled out"}, nil
		}))

	client := codepipeline.NewFromConfig(p.Config)
	if _, err := client.CreatePipeline(t.Context(), &codepipeline.CreatePipelineInput{Pipeline: shop()}); err != nil {
		t.Fatal(err)
	}
	id, err := release(t.Context(), client, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	execution, err := p.Wait(t.Context(), "shop", id)
	if err != nil {
		t.Fatal(err)
	}
	if execution.Status != types.PipelineExecutionStatusSucceeded {
		t.Errorf("the release is %s", execution.Status)
	}
	if got := <-deployed; got != "shop-1.2.3: image of shop" {
		t.Errorf("deployed %q", got)
	}
}

// shop is a pipeline of two stages. The version has no default, so that the
// execution that CreatePipeline starts fails: only releases deploy.
func shop() *types.PipelineDeclaration {
	return &types.PipelineDeclaration{
		Name: aws.String("shop"), RoleArn: aws.String("arn:aws:iam::000000000000:role/pipeline"),
		PipelineType:  types.PipelineTypeV2,
		Variables:     []types.PipelineVariableDeclaration{{Name: aws.String("Version")}},
		ArtifactStore: &types.ArtifactStore{Type: types.ArtifactStoreTypeS3, Location: aws.String("artifacts")},
		Stages: []types.StageDeclaration{
			{Name: aws.String("Source"), Actions: []types.ActionDeclaration{{
				Name:            aws.String("Fetch"),
				ActionTypeId:    &types.ActionTypeId{Category: "Source", Owner: "Custom", Provider: aws.String("Shelf"), Version: aws.String("1")},
				Configuration:   map[string]string{"Product": "shop"},
				OutputArtifacts: []types.OutputArtifact{{Name: aws.String("App")}},
			}}},
			{Name: aws.String("Deploy"), Actions: []types.ActionDeclaration{{
				Name:           aws.String("Roll"),
				ActionTypeId:   &types.ActionTypeId{Category: "Deploy", Owner: "AWS", Provider: aws.String("ECS"), Version: aws.String("1")},
				Configuration:  map[string]string{"ClusterName": "main", "ServiceName": "shop-#{variables.Version}"},
				InputArtifacts: []types.InputArtifact{{Name: aws.String("App")}},
			}}},
		},
	}
}
