package server_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
)

// versionsIn lists what is in a bucket, as key and version, delete markers too.
func (b *bed) versionsIn(bucket string) (list []string) {
	b.t.Helper()
	out, err := b.s3.ListObjectVersions(b.t.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket})
	b.must(err)
	for _, v := range out.Versions {
		list = append(list, aws.ToString(v.Key)+" "+aws.ToString(v.VersionId))
	}
	for _, m := range out.DeleteMarkers {
		list = append(list, aws.ToString(m.Key)+" "+aws.ToString(m.VersionId))
	}
	return list
}

// made is the key of the artifact that an execution's source made.
func (b *bed) made(name, execution string) string {
	b.t.Helper()
	for _, a := range b.actions(name, execution) {
		for _, out := range a.Output.OutputArtifacts {
			return aws.ToString(out.S3location.Key)
		}
	}
	b.t.Fatalf("execution %s of %s made nothing", execution, name)
	return ""
}

// pass lets an execution of the pipeline "web" through its gate, to its end.
func (b *bed) pass(id string) string {
	b.t.Helper()
	b.gate.let(id, provider.Report{Status: provider.Succeeded})
	b.await("web", id, types.PipelineExecutionStatusSucceeded)
	return id
}

// TestArtifactsExpire shows that artifacts go with the history of their execution,
// with all versions, and nothing else goes.
func TestArtifactsExpire(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.bucket("artifacts")
	first := b.pass(b.create(declare("web", pulseStage(), gateStage("Gate"))))
	old := b.made("web", first)
	// More versions of it, and a marker: somebody has been at the bucket.
	b.put("artifacts", old, "another version")
	_, err := b.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("artifacts"), Key: &old})
	b.must(err)
	for _, mine := range []string{old + "-mine", "web/App/mine", "notes.txt"} {
		b.put("artifacts", mine, "mine")
	}
	last := b.pass(b.run(&cp.StartPipelineExecutionInput{Name: aws.String("web")}))
	kept := slices.DeleteFunc(b.versionsIn("artifacts"), func(v string) bool { return strings.HasPrefix(v, old+" ") })
	if len(kept) != 4 {
		t.Fatalf("before: %q", b.versionsIn("artifacts"))
	}
	b.Tidy(t.Context(), time.Hour)
	if got := b.versionsIn("artifacts"); !slices.Equal(got, kept) {
		t.Errorf("left: %q, want %q", got, kept)
	}
	if !slices.ContainsFunc(kept, func(v string) bool { return strings.HasPrefix(v, b.made("web", last)+" ") }) {
		t.Errorf("the artifact of %s, which the stages show, is not among %q", last, kept)
	}
	// With its pipeline an artifact does not go, but then with its history.
	_, err = b.cp.DeletePipeline(t.Context(), &cp.DeletePipelineInput{Name: aws.String("web")})
	b.must(err)
	if got := b.versionsIn("artifacts"); !slices.Equal(got, kept) {
		t.Errorf("left after the pipeline was deleted: %q, want %q", got, kept)
	}
	b.Tidy(t.Context(), time.Hour)
	if got := b.versionsIn("artifacts"); len(got) != 3 {
		t.Errorf("left in the end: %q, want what is mine", got)
	}
	if _, err := b.s3.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("artifacts")}); err != nil {
		t.Errorf("the bucket: %v", err)
	}
}

// TestExpiryGoesOnAfterACrash ends the server between the two halves of expiry,
// and repeats the second.
func TestExpiryGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	first := b.create(declare("web", pulseStage(), gateStage("Gate")))
	b.until("the gate", func() bool { return len(b.actions("web", first)) == 2 })
	b.pass(first)
	old := b.made("web", first)
	second := b.run(&cp.StartPipelineExecutionInput{Name: aws.String("web")})
	b.until("the second gate", func() bool { return len(b.actions("web", second)) == 2 })
	b.PruneOnly(t.Context())
	// It still runs, and needs what it has.
	b.pass(second)
	b.PruneOnly(t.Context())
	if got, logs := b.versionsIn("artifacts"), b.files("logs"); len(got) != 2 || len(logs) != 2 {
		t.Fatalf("before the crash: %q and %q", got, logs)
	}
	b.restart()
	for range 2 {
		b.Tidy(t.Context(), time.Hour)
		got := b.versionsIn("artifacts")
		if len(got) != 1 || strings.HasPrefix(got[0], old+" ") {
			t.Errorf("after the crash: %q, without %s", got, old)
		}
		if logs := b.files("logs"); len(logs) != 1 {
			t.Errorf("logs after the crash: %q", logs)
		}
	}
}

// TestArtifactsElsewhereExpire deletes artifacts that another S3 keeps, once that
// permits it.
func TestArtifactsElsewhereExpire(t *testing.T) {
	t.Parallel()
	elsewhere := newBed(t)
	elsewhere.bucket("there")
	root := elsewhere.Root()
	b := newBed(t, func(c *server.Config) {
		c.ArtifactStores = map[string]server.ArtifactStore{"artifacts": {
			Endpoint: elsewhere.Endpoint(), Region: region, PathStyle: true, Bucket: "there",
			AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey,
		}}
	})
	first := b.pass(b.create(declare("web", pulseStage(), gateStage("Gate"))))
	old := b.made("web", first)
	elsewhere.put("there", old, "another version")
	mine := elsewhere.put("there", old+"-mine", "mine")
	b.pass(b.run(&cp.StartPipelineExecutionInput{Name: aws.String("web")}))
	elsewhere.stop()
	b.Tidy(t.Context(), time.Hour)
	// It comes back under the address that the other one knows.
	elsewhere.cfg.Listen = strings.TrimPrefix(elsewhere.Endpoint(), "http://")
	elsewhere.start()
	if got := elsewhere.versionsIn("there"); len(got) != 4 {
		t.Errorf("left while nothing could be deleted: %q", got)
	}
	for range 2 {
		b.Tidy(t.Context(), time.Hour)
		got := elsewhere.versionsIn("there")
		if len(got) != 2 || !slices.Contains(got, old+"-mine "+mine) {
			t.Errorf("left: %q", got)
		}
	}
}

// TestRollbackKeepsWhatItRuns rolls back to an execution whose history is pruned
// while the rollback runs.
func TestRollbackKeepsWhatItRuns(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	first := b.create(declare("web", pulseStage(), gateStage("Gate")))
	b.pass(first)
	key := b.made("web", first)
	second := b.run(&cp.StartPipelineExecutionInput{Name: aws.String("web")})
	b.pass(second)
	out, err := b.cp.RollbackStage(t.Context(), &cp.RollbackStageInput{
		PipelineName: aws.String("web"), StageName: aws.String("Gate"), TargetPipelineExecutionId: &first,
	})
	b.must(err)
	back := aws.ToString(out.PipelineExecutionId)
	b.Tidy(t.Context(), time.Hour)
	if _, err := b.cp.GetPipelineExecution(t.Context(), &cp.GetPipelineExecutionInput{PipelineName: aws.String("web"), PipelineExecutionId: &first}); err == nil {
		t.Error("the target is remembered: the test shows nothing")
	}
	head := &s3.HeadObjectInput{Bucket: aws.String("artifacts"), Key: &key}
	if _, err := b.s3.HeadObject(t.Context(), head); err != nil {
		t.Fatalf("the artifact of the rollback: %v", err)
	}
	b.pass(back)
	third := b.run(&cp.StartPipelineExecutionInput{Name: aws.String("web")})
	b.pass(third)
	b.Tidy(t.Context(), time.Hour)
	if _, err := b.s3.HeadObject(t.Context(), head); err == nil {
		t.Error("the artifact is there although nobody needs it")
	}
}

// orphans leaves content that nothing refers to, as crashes do, since two hours.
func (b *bed) orphans(n int) {
	b.t.Helper()
	folder := filepath.Join(b.cfg.Data, "blobs", "s3", "aa")
	b.must(os.MkdirAll(folder, 0o700))
	for i := range n {
		b.must(os.WriteFile(filepath.Join(folder, fmt.Sprintf("aa%030d", i)), []byte("nobody's"), 0o600))
	}
	b.age()
}

// blobs lists the files with the content of objects.
func (b *bed) blobs() []string { return b.files("s3") }

// files lists the files with the content of a package.
func (b *bed) files(of string) (files []string) {
	b.t.Helper()
	b.must(filepath.WalkDir(filepath.Join(b.cfg.Data, "blobs", of), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// age makes all content two hours old, which a sweep may take if it is nobody's.
func (b *bed) age() {
	b.t.Helper()
	then := time.Now().Add(-2 * time.Hour)
	for _, file := range b.blobs() {
		if err := os.Chtimes(file, then, then); err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.t.Error(err)
		}
	}
}

func (b *bed) get(bucket, key string) string {
	b.t.Helper()
	out, err := b.s3.GetObject(b.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	b.must(err)
	defer out.Body.Close()
	content, err := io.ReadAll(out.Body)
	b.must(err)
	return string(content)
}

// TestSweepBesidePuts sweeps all the time while objects are put, replaced and
// deleted: what was put is there, and what was left behind goes.
func TestSweepBesidePuts(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	bucket := "objects"
	_, err := b.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: &bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region},
	})
	b.must(err)
	b.orphans(20)
	if n := len(b.blobs()); n != 20 {
		t.Fatalf("%d blobs at first", n)
	}
	stop := make(chan struct{})
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		for {
			select {
			case <-stop:
				return
			default:
				b.Tidy(t.Context(), time.Hour)
			}
		}
	}()
	content := func(i int) string { return strings.Repeat(fmt.Sprintf("%04d", i), 5000) }
	for i := range 100 {
		b.put(bucket, fmt.Sprintf("key-%d", i%20), content(i))
		b.age() // nothing is under way now, and what is there is in use
	}
	close(stop)
	<-swept
	for i := range 20 {
		if got := b.get(bucket, fmt.Sprintf("key-%d", i)); got != content(80+i) {
			t.Errorf("key-%d begins with %.8q", i, got)
		}
	}
	if n := len(b.blobs()); n != 20 {
		t.Errorf("%d blobs are left of 20 objects", n)
	}
}
