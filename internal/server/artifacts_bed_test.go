package server_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/penstock-cd/penstock/internal/server"
)

// elsewhere is an S3 that keeps artifacts of the server under test.
type elsewhere struct {
	store  server.ArtifactStore
	client *s3.Client
}

// keeps tells a server that an artifact bucket is there.
func (e elsewhere) keeps(bucket, there string) func(*server.Config) {
	store := e.store
	store.Bucket = there
	return func(c *server.Config) {
		if c.ArtifactStores == nil {
			c.ArtifactStores = map[string]server.ArtifactStore{}
		}
		c.ArtifactStores[bucket] = store
	}
}

func newElsewhere(endpoint, id, secret string) elsewhere {
	return elsewhere{
		store: server.ArtifactStore{Endpoint: endpoint, Region: region, PathStyle: true, AccessKeyID: id, SecretAccessKey: secret},
		client: s3.New(s3.Options{
			BaseEndpoint: &endpoint, Region: region, UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
		}),
	}
}

// asStore is a server as the S3 of another.
func (b *bed) asStore() elsewhere {
	root := b.Root()
	return newElsewhere(b.Endpoint(), root.AccessKeyID, root.SecretAccessKey)
}

func inRegion() *s3types.CreateBucketConfiguration {
	return &s3types.CreateBucketConfiguration{LocationConstraint: region}
}

func (e elsewhere) bucket(b *bed, name string) {
	b.t.Helper()
	_, err := e.client.CreateBucket(b.t.Context(), &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: inRegion()})
	b.must(err)
}

func (e elsewhere) keys(b *bed, bucket string) (keys []string) {
	b.t.Helper()
	out, err := e.client.ListObjectsV2(b.t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	b.must(err)
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

// moto starts moto_server, another implementation of AWS.
func moto(t *testing.T) elsewhere {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("moto_server is not installed")
	}
	command := exec.CommandContext(t.Context(), program, "-H", "127.0.0.1", "-p", "0")
	read, write := io.Pipe()
	command.Stdout, command.Stderr = write, write
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		err := command.Wait()
		_ = write.CloseWithError(io.EOF)
		ended <- err
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
	})
	listens, at := regexp.MustCompile(`http://127\.0\.0\.1:[1-9]\d*`), ""
	lines := bufio.NewScanner(read)
	var said strings.Builder
	for at == "" && lines.Scan() {
		at = listens.FindString(lines.Text())
		fmt.Fprintln(&said, lines.Text())
	}
	if at == "" {
		t.Fatalf("the installed moto_server does not start: %v\n%s", lines.Err(), said.String())
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	return newElsewhere(at, "AKIAMOTO", "moto")
}

// toolJob waits for a job of benchTool's type.
func (b *bed) toolJob() types.Job {
	b.t.Helper()
	jobs := patientPoll(b)
	if len(jobs) != 1 {
		b.t.Fatalf("polled %d jobs", len(jobs))
	}
	_, err := b.cp.AcknowledgeJob(b.t.Context(), &cp.AcknowledgeJobInput{JobId: jobs[0].Id, Nonce: jobs[0].Nonce})
	b.must(err)
	return jobs[0]
}

// clientOf is a worker's client with nothing but a job's credentials.
func (b *bed) clientOf(job types.Job) *s3.Client {
	c := job.Data.ArtifactCredentials
	cfg := b.config(region)
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

func (b *bed) succeed(job types.Job) {
	b.t.Helper()
	_, err := b.cp.PutJobSuccessResult(b.t.Context(), &cp.PutJobSuccessResultInput{JobId: job.Id})
	b.must(err)
}

func toolStage() types.StageDeclaration {
	return stage("Build", outputs(inputs(action("Make", "Build", "Custom", "Boto", nil), "App"), "Made"))
}

// noise is content that no zip makes smaller.
func noise(size int) string {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return string(b)
}
