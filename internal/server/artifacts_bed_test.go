package server_test

import (
	"math/rand/v2"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
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

// moto is another implementation of AWS.
func moto(t *testing.T) elsewhere {
	t.Helper()
	return newElsewhere(sigv4test.Moto(t), "AKIAMOTO", "moto")
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
