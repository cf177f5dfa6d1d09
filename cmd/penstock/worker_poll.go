package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	cp "github.com/penstock-cd/penstock/internal/api/codepipeline"
)

// The times of polls: how long one waits for a job, how long to wait at most
// before the next when the server does not wait, and between tries when something
// is wrong.
const (
	pollWait  = 20 * time.Second
	pollPause = 10 * time.Second
	tryPause  = time.Second / 2
)

// serve does jobs until soft ends, and those that run then until they are done or
// hard ends.
func (w *worker) serve(soft, hard context.Context) error {
	// The first answer tells whether there is a server at all.
	if err := w.learnSecrets(soft); err != nil {
		if refused, ok := errors.AsType[*api.Error](err); !ok || refused.Code != "AccessDeniedException" {
			return w.interrupted(soft, err)
		}
		w.print.note("the type's secret keys are not known, as ListActionTypes is not allowed: all configuration values are masked")
	}
	w.print.note("waiting for jobs of " + w.options.kind)
	slots := make(chan struct{}, w.options.parallel)
	var running sync.WaitGroup
	defer running.Wait()
	for {
		free := take(soft, slots)
		jobs, asked, err := w.poll(soft, free)
		for range free - len(jobs) {
			<-slots
		}
		if err != nil {
			return w.interrupted(soft, err)
		}
		results := make(chan outcome, len(jobs))
		for i := range jobs {
			running.Go(func() {
				defer func() { <-slots }()
				results <- w.do(hard, &jobs[i], asked)
			})
		}
		if !w.options.once {
			continue
		}
		for range jobs {
			switch <-results {
			case jobDone:
				return nil
			case jobFailed:
				return &exitError{status: exitFailed}
			}
		}
	}
}

// interrupted tells the wish to end from an error.
func (w *worker) interrupted(soft context.Context, err error) error {
	switch {
	case soft.Err() == nil:
		return err
	case w.options.once:
		return &exitError{status: exitInterrupt}
	}
	w.print.note("ending; running jobs are finished first, a second signal stops them")
	return nil
}

// take takes all slots that are free, at least one unless ctx ends first.
func take(ctx context.Context, slots chan struct{}) int {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	taken := 1
	for {
		select {
		case slots <- struct{}{}:
			taken++
		default:
			return taken
		}
	}
}

// poll asks for jobs until there are some, and at most as many as said; asked is
// when it asked for those. Troubles that pass are waited for.
func (w *worker) poll(ctx context.Context, most int) (jobs []cp.Job, asked time.Time, err error) {
	in := &cp.PollForJobsInput{ActionTypeId: &w.kind, MaxBatchSize: new(int32(most)), QueryParam: w.query}
	troubled, quick := false, 0
	for ctx.Err() == nil {
		asked = time.Now()
		var out cp.PollForJobsOutput
		err := w.polls.Call(ctx, "PollForJobs", in, &out)
		switch {
		case err == nil && len(out.Jobs) > most:
			return nil, asked, fmt.Errorf("the server answers %d jobs instead of at most %d", len(out.Jobs), most)
		case err == nil && len(out.Jobs) > 0:
			return out.Jobs, asked, nil
		case err == nil:
			troubled = false
			if time.Since(asked) > pollWait/2 {
				quick = 0
				continue
			}
			quick++ // the server does not wait, or is about to end
			pause(ctx, min(time.Duration(quick)*tryPause, pollPause))
		case !passing(err):
			return nil, asked, err
		default:
			if !troubled && ctx.Err() == nil {
				w.print.note(fmt.Sprintf("polling again until the server answers: %v", err))
			}
			troubled = true
			pause(ctx, tryPause)
		}
	}
	return nil, asked, ctx.Err()
}

// passing reports whether a call may succeed if it is made again.
func passing(err error) bool {
	refused, ok := errors.AsType[*api.Error](err)
	return !ok || refused.Status >= http.StatusInternalServerError || refused.Code == "ThrottlingException"
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// tellTries is how often a result is told to a server that does not answer: for
// several minutes.
const tellTries = 60

// tell makes a call until the server takes or refuses it. A call that was repeated
// may have succeeded before: then its refusal is none.
func (w *worker) tell(ctx context.Context, operation string, in any) error {
	for try := 1; ; try++ {
		err := w.client.codepipeline.Call(ctx, operation, in, nil)
		switch {
		case err == nil:
			return nil
		case try > 1 && isCode(err, "InvalidJobStateException"):
			w.print.note(fmt.Sprintf("%s was repeated, and is taken for done: %v", operation, err))
			return nil
		case !passing(err) || try == tellTries || ctx.Err() != nil:
			return err
		}
		pause(ctx, min(time.Duration(try), 20)*tryPause)
	}
}
