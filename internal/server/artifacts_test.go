package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
)

// TestArtifactStore has a pipeline whose artifacts are in another S3: actions of
// the server write and read them, and a worker does through the server with the
// credentials of its job, a large output in parts. The other S3 is another server,
// and moto.
func TestArtifactStore(t *testing.T) {
	t.Parallel()
	for name, there := range map[string]func(*testing.T) elsewhere{
		"penstock": func(t *testing.T) elsewhere { return newBed(t).asStore() }, "moto": moto,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testArtifactStore(t, there(t), name == "penstock")
		})
	}
}

func testArtifactStore(t *testing.T, there elsewhere, strict bool) {
	b := newBed(t, there.keeps("artifacts", "real-artifacts"))
	there.bucket(b, "real-artifacts")
	benchTool(b)
	b.bucket("upload")
	b.bucket("site")
	b.put("upload", "app.zip", zipped(t, map[string]string{"index.html": "source"}))
	deploy := deployS3("site", nil)
	deploy.Actions[0].InputArtifacts[0].Name = aws.String("Made")
	p := declare("web", sourceS3("upload", "app.zip", nil), toolStage(), deploy)
	p.ArtifactStore.EncryptionKey = &types.EncryptionKey{Id: aws.String("arn:aws:kms:eu-west-1:" + account + ":key/k"), Type: types.EncryptionKeyTypeKms}
	id := b.create(p)
	job := b.toolJob()
	client := b.clientOf(job)
	in, out := job.Data.InputArtifacts[0].Location.S3Location, job.Data.OutputArtifacts[0].Location.S3Location
	object, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: in.BucketName, Key: in.ObjectKey})
	b.must(err)
	content, err := io.ReadAll(object.Body)
	b.must(err)
	if !strings.HasPrefix(string(content), "PK") || *in.BucketName != "artifacts" || *object.ContentType != "binary/octet-stream" ||
		strict && aws.ToString(object.SSEKMSKeyId) != *p.ArtifactStore.EncryptionKey.Id {
		t.Errorf("input %+v: %.20q", object, content)
	}
	// More than a part.
	made := zipped(t, map[string]string{"index.html": "built", "large": noise(11 << 20)})
	_, err = transfermanager.New(client).UploadObject(t.Context(), &transfermanager.UploadObjectInput{
		Bucket: out.BucketName, Key: out.ObjectKey, Body: strings.NewReader(made),
	})
	b.must(err)
	for what, err := range overreach(t.Context(), client, in, out) {
		if err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("the worker could %s: %v", what, err)
		}
	}
	b.succeed(job)
	b.await("web", id, types.PipelineExecutionStatusSucceeded)
	for key, want := range map[string]string{"index.html": "built", "large": noise(11 << 20)} {
		got, err := b.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("site"), Key: &key})
		b.must(err)
		if content, err := io.ReadAll(got.Body); err != nil || string(content) != want {
			t.Errorf("deployed %s: %d bytes, %v", key, len(content), err)
		}
	}
	if keys := there.keys(b, "real-artifacts"); len(keys) != 2 {
		t.Errorf("there are %v", keys)
	}
	if _, err := b.Buckets().HeadBucket(t.Context(), "artifacts"); err == nil {
		t.Error("the bucket is here as well")
	}
	if left, err := filepath.Glob(filepath.Join(b.cfg.Data, "spool", "*")); err != nil || len(left) > 0 {
		t.Errorf("left in the spool: %v, %v", left, err)
	}
	_, err = b.cp.DeletePipeline(t.Context(), &cp.DeletePipelineInput{Name: p.Name})
	b.must(err)
	b.Tidy(t.Context(), time.Hour)
	if keys := there.keys(b, "real-artifacts"); len(keys) != 0 {
		t.Errorf("left of a history that is over: %v", keys)
	}
}

// overreach tries what a job's credentials are not for.
func overreach(ctx context.Context, c *s3.Client, in, out *types.S3ArtifactLocation) map[string]error {
	bucket, x := in.BucketName, strings.NewReader("x")
	_, read := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: out.ObjectKey})
	_, other := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("other")})
	_, write := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: in.ObjectKey, Body: x})
	_, list := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket})
	_, remove := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: out.ObjectKey})
	_, begin := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: in.ObjectKey})
	_, tagged := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: out.ObjectKey, Body: x, Tagging: aws.String("a=b")})
	return map[string]error{
		"read an output": read, "read another object": other, "write an input": write, "list": list, "delete an output": remove,
		"begin an input": begin, "tag an output": tagged,
	}
}

// TestArtifactStoreMissing: a bucket elsewhere is not made, and its lack is told.
func TestArtifactStoreMissing(t *testing.T) {
	t.Parallel()
	other := newBed(t)
	there, wrong := other.asStore(), other.asStore()
	wrong.store.SecretAccessKey = "wrong"
	b := newBed(t, there.keeps("missing", ""), wrong.keeps("closed", ""))
	b.bucket("upload")
	b.bucket("site")
	b.put("upload", "app.zip", zipped(t, map[string]string{"index.html": "source"}))
	for bucket, want := range map[string][2]string{
		"missing": {"ConfigurationError", "Error Code: NoSuchBucket"}, "closed": {"PermissionError", "Error Code: SignatureDoesNotMatch"},
	} {
		p := declare(bucket, sourceS3("upload", "app.zip", nil), deployS3("site", nil))
		p.ArtifactStore.Location = &bucket
		id := b.create(p)
		b.await(bucket, id, types.PipelineExecutionStatusFailed)
		result := b.actions(bucket, id)[0].Output.ExecutionResult
		if text := aws.ToString(result.ExternalExecutionSummary); aws.ToString(result.ErrorDetails.Code) != want[0] ||
			!strings.Contains(text, "artifact bucket "+bucket) || !strings.Contains(text, want[1]) {
			t.Errorf("%s: %s: %s", bucket, aws.ToString(result.ErrorDetails.Code), text)
		}
		if _, err := other.Buckets().HeadBucket(t.Context(), bucket); err == nil {
			t.Errorf("bucket %s was made", bucket)
		}
	}
}

// TestArtifactStoreOutage: while the other S3 is away actions wait for it, and
// workers are told so; then everything goes on.
func TestArtifactStoreOutage(t *testing.T) {
	t.Parallel()
	other := newBed(t)
	other.cfg.Listen = strings.TrimPrefix(other.Endpoint(), "http://") // the same after a restart
	other.bucket("artifacts")
	b := newBed(t, other.asStore().keeps("artifacts", ""))
	benchTool(b)
	b.bucket("site")
	other.stop()
	deploy := deployS3("site", nil)
	deploy.Actions[0].InputArtifacts[0].Name = aws.String("Made")
	id := b.create(declare("web", pulseStage(), toolStage(), deploy))
	b.until("the source to begin", func() bool { return b.state("web", "Source").ActionStates[0].LatestExecution != nil })
	other.start()
	job := b.toolJob()
	client, out := b.clientOf(job), job.Data.OutputArtifacts[0].Location.S3Location
	put := func() error {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: out.BucketName, Key: out.ObjectKey,
			Body: strings.NewReader(zipped(t, map[string]string{"index.html": "built"}))})
		return err
	}
	b.must(put())
	other.stop()
	if err := put(); err == nil || !strings.Contains(err.Error(), "ServiceUnavailable") || !strings.Contains(err.Error(), "bucket artifacts cannot be reached") {
		t.Errorf("put during the outage: %v", err)
	}
	b.succeed(job)
	b.until("the deployment to begin", func() bool { return b.state("web", "Deploy").ActionStates[0].LatestExecution != nil })
	other.start()
	b.await("web", id, types.PipelineExecutionStatusSucceeded)
	got, err := b.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("site"), Key: aws.String("index.html")})
	b.must(err)
	if content, err := io.ReadAll(got.Body); err != nil || string(content) != "built" {
		t.Errorf("deployed %q, %v", content, err)
	}
}

// TestArtifactStoreOfOthers: "*" is for the buckets that this server does not have.
func TestArtifactStoreOfOthers(t *testing.T) {
	t.Parallel()
	other := newBed(t)
	there := other.asStore()
	b := newBed(t, there.keeps(server.AnyArtifactStore, ""))
	benchTool(b)
	there.bucket(b, "away")
	for _, bucket := range []string{"here", "away"} {
		if bucket == "here" {
			_, err := b.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: inRegion()})
			b.must(err)
		}
		p := declare(bucket, pulseStage(), toolStage())
		p.ArtifactStore.Location = &bucket
		id := b.create(p)
		job := b.toolJob()
		out := job.Data.OutputArtifacts[0].Location.S3Location
		_, err := b.clientOf(job).PutObject(t.Context(), &s3.PutObjectInput{Bucket: out.BucketName, Key: out.ObjectKey, Body: strings.NewReader("made")})
		b.must(err)
		b.succeed(job)
		b.await(bucket, id, types.PipelineExecutionStatusSucceeded)
	}
	// Whoever uses the bucket there must go on finding it.
	_, err := b.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("away"), CreateBucketConfiguration: inRegion()})
	if refusal, ok := errors.AsType[smithy.APIError](err); !ok || refusal.ErrorCode() != "BucketAlreadyExists" {
		t.Errorf("making a bucket here that is there: %v", err)
	}
	if keys := there.keys(b, "away"); len(keys) != 2 {
		t.Errorf("away are %v", keys)
	}
	if _, err := other.Buckets().HeadBucket(t.Context(), "here"); err == nil {
		t.Error("a bucket of this server was made there")
	}
	list, err := b.s3.ListBuckets(t.Context(), &s3.ListBucketsInput{})
	b.must(err)
	if len(list.Buckets) != 1 || *list.Buckets[0].Name != "here" {
		t.Errorf("buckets %+v", list.Buckets)
	}
}

// TestArtifactStoresByRegion: an action's outputs are in the bucket of its region,
// here or elsewhere; so are those of a function.
func TestArtifactStoresByRegion(t *testing.T) {
	t.Parallel()
	sigv4test.Boto3(t)
	there := newBed(t).asStore()
	b := newBed(t, there.keeps("store-oregon", "in-oregon"), func(c *server.Config) {
		c.Functions = map[string]server.Function{"make": {Directory: function(t, "index.py", pythonHandler), Handler: "index.handler"}}
	})
	there.bucket(b, "in-oregon")
	store := func(bucket string) types.ArtifactStore {
		return types.ArtifactStore{Type: types.ArtifactStoreTypeS3, Location: &bucket}
	}
	tokyo := invokeStage("make", nil)
	tokyo.Actions[0].Region = aws.String("ap-northeast-1")
	oregon := outputs(inputs(action("Pack", "Compute", "AWS", "Commands", nil), "App"), "Packed")
	oregon.Region, oregon.Commands, oregon.OutputArtifacts[0].Files = aws.String("us-west-2"), []string{"echo packed > packed.txt"}, []string{"packed.txt"}
	p := declare("web", pulseStage(), tokyo, stage("Pack", oregon))
	p.ArtifactStore, p.ArtifactStores = nil, map[string]types.ArtifactStore{
		region: store("store-home"), "ap-northeast-1": store("store-tokyo"), "us-west-2": store("store-oregon"),
	}
	id := b.create(p)
	b.await("web", id, types.PipelineExecutionStatusSucceeded)
	want := map[string]string{"Pulse": "store-home", "Call": "store-tokyo", "Pack": "store-oregon"}
	for _, a := range b.actions("web", id) {
		at := a.Output.OutputArtifacts[0].S3location
		if *at.Bucket != want[*a.ActionName] {
			t.Errorf("%s writes to %s", *a.ActionName, *at.Bucket)
		}
		if _, err := b.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: at.Bucket, Key: at.Key}); err != nil {
			t.Errorf("output of %s: %v", *a.ActionName, err)
		}
	}
	if keys := there.keys(b, "in-oregon"); len(keys) != 1 {
		t.Errorf("there are %v", keys)
	}
}

// TestWorkerFirstUpload: a worker that writes the first artifact of all finds the
// bucket made, once it has a job that writes.
func TestWorkerFirstUpload(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	kind := &types.ActionTypeId{Category: types.ActionCategorySource, Owner: types.ActionOwnerCustom, Provider: aws.String("Hook"), Version: aws.String("1")}
	bounds := &types.ArtifactDetails{MinimumCount: 0, MaximumCount: 1}
	_, err := b.cp.CreateCustomActionType(t.Context(), &cp.CreateCustomActionTypeInput{
		Category: kind.Category, Provider: kind.Provider, Version: kind.Version, InputArtifactDetails: bounds, OutputArtifactDetails: bounds,
	})
	b.must(err)
	first := stage("Source", outputs(action("Hook", "Source", "Custom", "Hook", nil), "App"))
	for n, bucket := range []string{"fresh", "fresh"} { // the second finds it there
		name := fmt.Sprint("web-", n)
		p := declare(name, first, gateStage("Test"))
		p.ArtifactStore.Location = &bucket
		id := b.create(p)
		var polled *cp.PollForJobsOutput
		b.until("a job", func() bool {
			polled, err = b.cp.PollForJobs(t.Context(), &cp.PollForJobsInput{ActionTypeId: kind})
			b.must(err)
			return len(polled.Jobs) > 0
		})
		job := polled.Jobs[0]
		_, err = b.cp.AcknowledgeJob(t.Context(), &cp.AcknowledgeJobInput{JobId: job.Id, Nonce: job.Nonce})
		b.must(err)
		out := job.Data.OutputArtifacts[0].Location.S3Location
		_, err = b.clientOf(job).PutObject(t.Context(), &s3.PutObjectInput{Bucket: out.BucketName, Key: out.ObjectKey, Body: strings.NewReader("made")})
		b.must(err)
		_, err = b.cp.PutJobSuccessResult(t.Context(), &cp.PutJobSuccessResultInput{JobId: job.Id, CurrentRevision: &types.CurrentRevision{
			Revision: aws.String("r1"), ChangeIdentifier: aws.String("c1"),
		}})
		b.must(err)
		b.gate.let(id, provider.Report{Status: provider.Succeeded})
		b.await(name, id, types.PipelineExecutionStatusSucceeded)
	}
	bad := declare("bad", first, gateStage("Test"))
	bad.ArtifactStore.Location = aws.String("No.Bucket")
	id := b.create(bad)
	b.await("bad", id, types.PipelineExecutionStatusFailed)
	if text := aws.ToString(b.actions("bad", id)[0].Output.ExecutionResult.ExternalExecutionSummary); !strings.Contains(text, "The artifact bucket No.Bucket cannot be used") {
		t.Errorf("it says %q", text)
	}
}

// TestWorkerBoto3Elsewhere is TestWorkerBoto3 with artifacts in moto.
func TestWorkerBoto3Elsewhere(t *testing.T) {
	t.Parallel()
	there := moto(t)
	b := newWorkerBed(t, there.keeps("store", "kept"))
	there.bucket(b.bed, "kept")
	id := b.create(b.pipelineOf("demo"))
	b.worker("one")
	b.await("demo", id, types.PipelineExecutionStatusSucceeded)
	for _, want := range []string{"polled", "acknowledged", "went on", "polled", "acknowledged", "succeeded"} {
		if e := b.next(patience); e.Event != want || len(e.Wrong) > 0 {
			t.Errorf("the worker says %+v, want %s", e, want)
		}
	}
	if keys := there.keys(b.bed, "kept"); len(keys) != 2 {
		t.Errorf("there are %v", keys)
	}
}

// TestCLIElsewhere has the AWS CLI work with an artifact bucket that another S3
// keeps as with any other.
func TestCLIElsewhere(t *testing.T) {
	t.Parallel()
	there := newBed(t).asStore()
	c := newCLI(newBed(t, there.keeps("artifacts", "real")))
	there.bucket(c.bed, "real")
	large := noise(9 << 20)
	c.write("large", large)
	c.run("s3", "cp", "large", "s3://artifacts/a b/large", "--metadata", "Team=blue")
	if got := c.run("s3", "ls", "s3://artifacts", "--recursive"); !strings.HasSuffix(got, "9437184 a b/large") {
		t.Errorf("listed %q", got)
	}
	c.run("s3", "cp", "s3://artifacts/a b/large", "s3://artifacts/copy")
	c.run("s3", "cp", "s3://artifacts/copy", "back")
	url := c.run("s3", "presign", "s3://artifacts/copy", "--expires-in", "60")
	answer, err := http.Get(url)
	c.must(err)
	defer answer.Body.Close()
	var got bytes.Buffer
	_, err = got.ReadFrom(answer.Body)
	c.must(err)
	if answer.StatusCode != http.StatusOK || got.String() != large {
		t.Errorf("presigned: %s, %d bytes", answer.Status, got.Len())
	}
	c.run("s3", "rm", "--recursive", "s3://artifacts")
	if keys := there.keys(c.bed, "real"); len(keys) != 0 {
		t.Errorf("left: %v", keys)
	}
}

// TestArtifactStoreBreaksOff: content that breaks off on its way is no artifact, and
// is asked for again.
func TestArtifactStoreBreaksOff(t *testing.T) {
	t.Parallel()
	other := newBed(t)
	there := other.asStore()
	there.bucket(other, "artifacts")
	at, err := url.Parse(other.Endpoint())
	other.must(err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(at)
		r.Out.Host = r.In.Host // which is signed
	}}
	var broken atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && broken.Add(1) <= 2 {
			w.Header().Set("Content-Length", "22")
			_, _ = io.WriteString(w, "PK\x05\x06")
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	there.store.Endpoint = front.URL
	b := newBed(t, there.keeps("artifacts", ""))
	b.bucket("site")
	id := b.create(declare("web", pulseStage(), deployS3("site", map[string]string{"Extract": "false", "ObjectKey": "app.zip"})))
	b.await("web", id, types.PipelineExecutionStatusSucceeded)
	out, err := b.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("site"), Key: aws.String("app.zip")})
	b.must(err)
	if *out.ContentLength != 22 || broken.Load() < 3 {
		t.Errorf("deployed %d bytes after %d tries", *out.ContentLength, broken.Load())
	}
}
