package dispatch_test

import (
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/provider"
)

// What an invocation returns counts while its job waits for a result: who called back
// before has answered it.
func TestInvokeReturnsTooLate(t *testing.T) {
	for name, late := range map[string]provider.Report{
		"failed": provider.Failure("JobFailed", "no"), "succeeded": {Status: provider.Succeeded},
	} {
		t.Run(name, func(t *testing.T) {
			eachInvoker(t, lambda, func(t *testing.T, b *invokeBed) {
				b.invoker.terms.Pause = 0
				id := b.toInvoke()
				first := b.invoker.brought(t)
				b.must(b.SucceedJob(t.Context(), jobRef(first), engine.SucceedJob{ContinuationToken: "more"}))
				b.invoker.answer <- returned{report: late}
				second := b.invoker.brought(t)
				if second.Job.ContinuationToken != "more" {
					t.Errorf("brought %+v", second.Job)
				}
				b.invoker.delivered()
				b.must(b.SucceedJob(t.Context(), jobRef(second), engine.SucceedJob{OutputVariables: map[string]string{"Color": "red"}}))
				b.await(id, engine.Succeeded)
				if o := b.last(id).Outcome; o.OutputVariables["Color"] != "red" {
					t.Errorf("outcome %+v", o)
				}
			})
		})
	}
}

// A node that was taken for dead, and claims an action again, leaves no job to nobody
// that another had begun to bring meanwhile.
func TestInvokeOfAnotherNode(t *testing.T) {
	eachInvoker(t, lambda, func(t *testing.T, b *invokeBed) {
		b.invoker.terms.Pause = 0
		id := b.toInvoke()
		first := b.invoker.brought(t)
		b.must(b.SucceedJob(t.Context(), jobRef(first), engine.SucceedJob{ContinuationToken: "more"}))
		// The other node took the next job and died.
		b.exec(`update jobs set state = replace(state, '"status":"Queued"', '"status":"InProgress"') where number = 2`)
		b.exec("update effects set begun_node = 'another'")
		if b.count(`select count(*) from jobs where number = 2 and state like '%"InProgress"%'`) != 1 {
			t.Fatal("the second job is not in progress")
		}
		b.invoker.delivered()
		second := b.invoker.brought(t)
		if second.Job.ContinuationToken != "more" {
			t.Errorf("brought %+v", second.Job)
		}
		b.invoker.delivered()
		b.must(b.SucceedJob(t.Context(), jobRef(second), engine.SucceedJob{}))
		b.await(id, engine.Succeeded)
	})
}

// An action whose time is over ends at once although the clock of who looks is behind.
func TestInvokeTimesOutByTheDatabase(t *testing.T) {
	lambda := func() *invoker {
		i := lambda()
		i.kind.Timeout, i.terms.Pause = 600, 100*time.Millisecond
		return i
	}
	eachInvoker(t, lambda, func(t *testing.T, b *invokeBed) {
		id := b.toInvoke()
		first := b.invoker.brought(t)
		b.invoker.delivered()
		for b.count("select count(*) from effects where begun_node = '*'") == 0 {
			if t.Context().Err() != nil {
				t.Fatal("the job was not parked")
			}
		}
		b.Close()
		b.must(b.SucceedJob(t.Context(), jobRef(first), engine.SucceedJob{ContinuationToken: "more"}))
		select {
		case <-time.After(700 * time.Millisecond):
		case <-t.Context().Done():
		}
		b.now = func() time.Time { return time.Now().Add(-time.Hour) }
		b.start()
		b.await(id, engine.Failed)
		if o := b.last(id).Outcome; o.ErrorCode != "JobFailed" {
			t.Errorf("outcome %+v", o)
		}
	})
}
