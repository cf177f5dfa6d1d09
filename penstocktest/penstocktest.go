// Package penstocktest runs a Penstock server in a Go test, for code that talks
// to AWS CodePipeline.
//
//	func TestRelease(t *testing.T) {
//		p := penstocktest.Start(t,
//			penstocktest.WithAction("Deploy", "ECS", func(ctx context.Context, a penstocktest.Action) (penstocktest.Result, error) {
//				return penstocktest.Result{Summary: "rolled out"}, nil
//			}))
//		client := codepipeline.NewFromConfig(p.Config)
//		...
//	}
//
// The server is the real one, on a loopback port and a temporary directory: what
// it validates, orders, supersedes and records is what Penstock does, S3 and
// builds included. It ends with the test. An action succeeds only if it did its
// work: the function given for its type returned without an error and produced
// every output artifact that the action declares.
package penstocktest

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/penstock-cd/penstock/internal/server"
)

// The account and the region of a server, unless options say otherwise.
const (
	DefaultAccount = server.DefaultAccount
	DefaultRegion  = server.DefaultRegion
)

// shutdown is how long the end of a test waits for requests that run.
const shutdown = 10 * time.Second

// Server is a running server. It is safe for concurrent use.
type Server struct {
	// Endpoint is the base URL of every service, CodePipeline and S3.
	Endpoint string
	Account  string
	Region   string
	// AccessKeyID and SecretAccessKey are the key pair that may do everything.
	AccessKeyID     string
	SecretAccessKey string
	// Config makes clients of the AWS SDK for this server:
	// codepipeline.NewFromConfig(s.Config), s3.NewFromConfig(s.Config).
	Config aws.Config
}

// Option changes a server before it starts.
type Option func(*options)

type options struct {
	account, region string
	actions         []*function
}

// WithAccount sets the account, twelve digits.
func WithAccount(account string) Option { return func(o *options) { o.account = account } }

// WithRegion sets the region.
func WithRegion(region string) Option { return func(o *options) { o.region = region } }

// Start starts a server, which ends with the test. A server that cannot start
// ends the test.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	o := options{account: DefaultAccount, region: DefaultRegion}
	for _, opt := range opts {
		opt(&o)
	}
	providers, err := o.providers()
	if err != nil {
		t.Fatalf("penstocktest: %v", err)
	}
	running, err := server.Start(t.Context(), server.Config{
		Listen: "127.0.0.1:0", Data: t.TempDir(), Account: o.account, Region: o.region,
	}, server.Options{
		Version: "penstocktest", Providers: providers,
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatalf("penstocktest: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdown)
		defer cancel()
		if err := running.Close(ctx); err != nil {
			t.Errorf("penstocktest: closing the server: %v", err)
		}
	})
	root := running.Root()
	return &Server{
		Endpoint: running.Endpoint(), Account: o.account, Region: o.region,
		AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey,
		Config: aws.Config{
			Region: o.region, BaseEndpoint: aws.String(running.Endpoint()),
			Credentials: credentials.NewStaticCredentialsProvider(root.AccessKeyID, root.SecretAccessKey, ""),
		},
	}
}

// look is how often Wait looks.
const look = 10 * time.Millisecond

// Wait waits until a pipeline execution has ended and returns it as it is then:
// Succeeded, Failed, Stopped, Superseded or Cancelled. It does not end an
// execution that waits for somebody, such as at an approval: ctx does.
func (s *Server) Wait(ctx context.Context, pipeline, executionID string) (*types.PipelineExecution, error) {
	client := codepipeline.NewFromConfig(s.Config)
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		out, err := client.GetPipelineExecution(ctx, &codepipeline.GetPipelineExecutionInput{
			PipelineName: &pipeline, PipelineExecutionId: &executionID,
		})
		if err != nil {
			return nil, fmt.Errorf("waiting for execution %s of pipeline %s: %w", executionID, pipeline, err)
		}
		switch out.PipelineExecution.Status {
		case types.PipelineExecutionStatusInProgress, types.PipelineExecutionStatusStopping:
		default:
			return out.PipelineExecution, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for execution %s of pipeline %s: %w", executionID, pipeline, context.Cause(ctx))
		}
	}
}
