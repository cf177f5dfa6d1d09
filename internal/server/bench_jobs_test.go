package server_test

import (
	"encoding/json"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// benchTool makes a type that job workers carry out, and its poll.
func benchTool(b *bed) *cp.PollForJobsInput {
	bounds := &types.ArtifactDetails{MinimumCount: 0, MaximumCount: 5}
	_, err := b.cp.CreateCustomActionType(b.t.Context(), &cp.CreateCustomActionTypeInput{
		Category: types.ActionCategoryBuild, Provider: aws.String("Boto"), Version: aws.String("1"),
		InputArtifactDetails: bounds, OutputArtifactDetails: bounds,
	})
	b.must(err)
	return &cp.PollForJobsInput{ActionTypeId: &types.ActionTypeId{
		Category: types.ActionCategoryBuild, Owner: types.ActionOwnerCustom, Provider: aws.String("Boto"), Version: aws.String("1"),
	}}
}

// BenchmarkIdlePoll is a poll that finds no job, over HTTP. cpu-µs/poll is what the
// whole process spends on it, client and all.
func BenchmarkIdlePoll(b *testing.B) {
	bed := newBed(b)
	poll := benchTool(bed)
	before := cpuTime()
	for b.Loop() {
		if out, err := bed.cp.PollForJobs(b.Context(), poll); err != nil || len(out.Jobs) > 0 {
			b.Fatal(out, err)
		}
	}
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/poll")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWaitingPoll is the time from a result with a continuation token being
// sent, whose commit offers the next job, to the answer of the poll that waits for
// it; and from that result's answer.
func BenchmarkWaitingPoll(b *testing.B) {
	bed := newBed(b)
	benchTool(bed)
	bed.bucket("store")
	bed.create((&workerBed{bed: bed}).pipelineOf("demo"))
	type found struct {
		job types.Job
		at  time.Time
	}
	next := make(chan found)
	go func() {
		for {
			for _, job := range patientPoll(bed) {
				select {
				case next <- found{job, time.Now()}:
				case <-b.Context().Done():
					return
				}
			}
			if b.Context().Err() != nil {
				return
			}
		}
	}()
	current := <-next
	var sinceSent []time.Duration
	for b.Loop() {
		_, err := bed.cp.AcknowledgeJob(b.Context(), &cp.AcknowledgeJobInput{JobId: current.job.Id, Nonce: current.job.Nonce})
		bed.must(err)
		sent := time.Now()
		_, err = bed.cp.PutJobSuccessResult(b.Context(), &cp.PutJobSuccessResultInput{JobId: current.job.Id, ContinuationToken: aws.String("more")})
		bed.must(err)
		current = <-next
		sinceSent = append(sinceSent, current.at.Sub(sent))
	}
	benchPercentiles(b, "offered", sinceSent)
}

// patientPoll polls for a job of the type of benchTool and waits for it.
func patientPoll(b *bed) []types.Job {
	const body = `{"actionTypeId": {"category": "Build", "owner": "Custom", "provider": "Boto", "version": "1"}}`
	r := newRequest(b.t, b.Endpoint(), "CodePipeline_20150709.PollForJobs", body)
	r.Header.Set("X-Penstock-Wait-Seconds", "20")
	sigv4.Sign(r, sigv4.Hash([]byte(body)), b.Root(), region, "codepipeline", time.Now())
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	var out struct{ Jobs []types.Job }
	if json.NewDecoder(response.Body).Decode(&out) != nil {
		return nil
	}
	return out.Jobs
}
