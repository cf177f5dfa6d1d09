package server_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// The account and the region of these tests.
const (
	account = "111122223333"
	region  = "eu-west-1"
	rootARN = "arn:aws:iam::" + account + ":root"
)

// patience bounds every wait of these tests; none of them comes near it unless
// something is broken.
const patience = 60 * time.Second

// bed is a server on loopback and its clients.
type bed struct {
	*server.Server
	t        testing.TB
	cfg      server.Config
	cp       *cp.Client
	s3       *s3.Client
	penstock *awsjson.Client
	gate     *gate
	// more are providers besides pulse and gate.
	more []provider.Provider
	// pause is between the jobs of a function; zero is that of AWS.
	pause time.Duration
}

// newBed starts a server on a fresh data directory and SQLite.
func newBed(t testing.TB, change ...func(*server.Config)) *bed {
	t.Helper()
	cfg := server.Config{
		Listen: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "data"), Account: account, Region: region,
	}
	for _, c := range change {
		c(&cfg)
	}
	b := &bed{t: t, cfg: cfg, gate: newGate()}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

// on is the same bed for a subtest.
func (b *bed) on(t testing.TB) *bed {
	other := *b
	other.t = t
	return &other
}

// start starts the server and makes the clients.
func (b *bed) start() {
	b.t.Helper()
	s, err := server.Start(b.t.Context(), b.cfg, server.Options{
		Version: "test", Providers: append([]provider.Provider{pulse{}, b.gate}, b.more...), JobPause: b.pause,
		Logger: slog.New(slog.NewTextHandler(b.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Server = s
	cfg := b.config(region)
	b.cp = cp.NewFromConfig(cfg)
	b.s3 = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	b.penstock = &awsjson.Client{
		Endpoint: s.Endpoint(), Region: region, Service: "penstock", TargetPrefix: "Penstock_2026", Credentials: s.Root(),
	}
}

// stop ends the server; again is harmless.
func (b *bed) stop() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.t.Context()), patience)
	defer cancel()
	if err := b.Server.Close(ctx); err != nil {
		b.t.Errorf("closing the server: %v", err)
	}
}

// restart ends the server and starts it on the same data.
func (b *bed) restart() {
	b.t.Helper()
	b.stop()
	b.start()
}

// config is the configuration of SDK clients for a region. Nothing is retried:
// these tests want to see the first answer.
func (b *bed) config(region string) aws.Config {
	root := b.Root()
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(b.Endpoint()),
		Credentials: credentials.NewStaticCredentialsProvider(root.AccessKeyID, root.SecretAccessKey, ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// until waits for a condition that something else makes true.
func (b *bed) until(what string, condition func() bool) {
	b.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !condition(); {
		if time.Now().After(end) {
			b.t.Fatalf("in vain for %v: %s", patience, what)
		}
		select {
		case <-tick.C:
		case <-b.t.Context().Done():
			b.t.Fatalf("waiting for %s: %v", what, b.t.Context().Err())
		}
	}
}

// must ends the test on an error.
func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// create makes a pipeline and returns the id of its first execution.
func (b *bed) create(p *types.PipelineDeclaration, tags ...types.Tag) string {
	b.t.Helper()
	_, err := b.cp.CreatePipeline(b.t.Context(), &cp.CreatePipelineInput{Pipeline: p, Tags: tags})
	b.must(err)
	return b.newest(aws.ToString(p.Name))
}

// newest returns the id of the execution that started last.
func (b *bed) newest(name string) string {
	b.t.Helper()
	out, err := b.cp.ListPipelineExecutions(b.t.Context(), &cp.ListPipelineExecutionsInput{PipelineName: &name, MaxResults: aws.Int32(1)})
	b.must(err)
	if len(out.PipelineExecutionSummaries) == 0 {
		b.t.Fatalf("pipeline %s has no execution", name)
	}
	return aws.ToString(out.PipelineExecutionSummaries[0].PipelineExecutionId)
}

// run starts an execution and returns its id.
func (b *bed) run(in *cp.StartPipelineExecutionInput) string {
	b.t.Helper()
	out, err := b.cp.StartPipelineExecution(b.t.Context(), in)
	b.must(err)
	return aws.ToString(out.PipelineExecutionId)
}

func (b *bed) execution(name, id string) *types.PipelineExecution {
	b.t.Helper()
	out, err := b.cp.GetPipelineExecution(b.t.Context(), &cp.GetPipelineExecutionInput{PipelineName: &name, PipelineExecutionId: &id})
	b.must(err)
	return out.PipelineExecution
}

// await waits until an execution has a status and returns it.
func (b *bed) await(name, id string, status types.PipelineExecutionStatus) *types.PipelineExecution {
	b.t.Helper()
	var x *types.PipelineExecution
	b.until(fmt.Sprintf("execution %s of %s to be %s", id, name, status), func() bool {
		x = b.execution(name, id)
		return x.Status == status
	})
	return x
}

// state returns the state of a stage.
func (b *bed) state(name, stage string) types.StageState {
	b.t.Helper()
	out, err := b.cp.GetPipelineState(b.t.Context(), &cp.GetPipelineStateInput{Name: &name})
	b.must(err)
	for _, s := range out.StageStates {
		if aws.ToString(s.StageName) == stage {
			return s
		}
	}
	b.t.Fatalf("pipeline %s has no stage %s", name, stage)
	return types.StageState{}
}

// token waits for the token of the approval in stage Gate, action Review.
func (b *bed) token(name, execution string) string {
	b.t.Helper()
	var token *string
	b.until("the approval of "+name, func() bool {
		s := b.state(name, "Gate")
		if s.LatestExecution == nil || aws.ToString(s.LatestExecution.PipelineExecutionId) != execution {
			return false
		}
		if latest := s.ActionStates[0].LatestExecution; latest != nil {
			token = latest.Token
		}
		return token != nil
	})
	return *token
}

// answer approves or rejects the approval in stage Gate, action Review.
func (b *bed) answer(name, token string, status types.ApprovalStatus, summary string) (*cp.PutApprovalResultOutput, error) {
	return b.cp.PutApprovalResult(b.t.Context(), &cp.PutApprovalResultInput{
		PipelineName: &name, StageName: aws.String("Gate"), ActionName: aws.String("Review"), Token: &token,
		Result: &types.ApprovalResult{Status: status, Summary: &summary},
	})
}

// approve waits for the approval of an execution and approves it.
func (b *bed) approve(name, execution string) {
	b.t.Helper()
	_, err := b.answer(name, b.token(name, execution), types.ApprovalStatusApproved, "fine")
	b.must(err)
}

// actions lists the action executions of an execution, newest first.
func (b *bed) actions(name, execution string) []types.ActionExecutionDetail {
	b.t.Helper()
	out, err := b.cp.ListActionExecutions(b.t.Context(), &cp.ListActionExecutionsInput{
		PipelineName: &name, Filter: &types.ActionExecutionFilter{PipelineExecutionId: &execution},
	})
	b.must(err)
	return out.ActionExecutionDetails
}

// resolved reports whether the configuration of an action differs from the one
// declared, if it has references.
func (b *bed) resolved(name, execution, action string) bool {
	for _, a := range b.actions(name, execution) {
		for key, text := range a.Input.Configuration {
			if aws.ToString(a.ActionName) == action && strings.Contains(text, "#{") && a.Input.ResolvedConfiguration[key] == text {
				return false
			}
		}
	}
	return true
}

// bucket makes a versioned bucket.
func (b *bed) bucket(name string) string {
	b.t.Helper()
	b.must(b.EnsureBucket(b.t.Context(), name))
	return name
}

// put writes an object and returns its version.
func (b *bed) put(bucket, key, content string) string {
	b.t.Helper()
	out, err := b.s3.PutObject(b.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(content)})
	b.must(err)
	return aws.ToString(out.VersionId)
}

// zipped is a zip archive of files.
func zipped(t testing.TB, files map[string]string) string {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for name, text := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// staticKey gives an SDK client a key.
func staticKey(c sigv4.Credentials) func(context.Context) (aws.Credentials, error) {
	return func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey}, nil
	}
}
