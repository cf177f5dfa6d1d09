package dispatch_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// invoker is a provider that invokes; the test is who is invoked.
type invoker struct {
	*actor
	terms  provider.JobTerms
	answer chan returned
}

// returned is what Start returns.
type returned struct {
	report provider.Report
	err    error
}

func newInvoker(category, owner, name string) *invoker {
	i := &invoker{actor: newActor(category, name, pipeline.LostFind), answer: make(chan returned, 100)}
	i.kind.ID.Owner = owner
	i.terms = provider.JobTerms{Timeout: time.Hour, TimeoutMessage: "too long", ExternalExecutionID: "f"}
	return i
}

func (i *invoker) JobTerms(provider.Attempt) provider.JobTerms { return i.terms }

func (i *invoker) Start(ctx context.Context, at provider.Attempt) (provider.Report, error) {
	i.started <- at
	select {
	case a := <-i.answer:
		return a.report, a.err
	case <-ctx.Done():
		return provider.Report{}, ctx.Err()
	}
}

// brought takes the job that is brought next.
func (i *invoker) brought(t *testing.T) provider.Attempt {
	t.Helper()
	select {
	case at := <-i.started:
		return at
	case <-t.Context().Done():
		t.Fatal("no job was brought")
		return provider.Attempt{}
	}
}

// delivered says that a job came through.
func (i *invoker) delivered() {
	i.answer <- returned{report: provider.Report{Status: provider.InProgress}}
}

// invokeBed is a bed whose build, or whose rule, invokes.
type invokeBed struct {
	*jobBed
	invoker *invoker
}

func eachInvoker(t *testing.T, i func() *invoker, test func(t *testing.T, b *invokeBed)) {
	eachFaultyInvoker(t, i, func(t *testing.T, b *invokeBed, _ *db.Faults) { test(t, b) })
}

func eachFaultyInvoker(t *testing.T, i func() *invoker, test func(t *testing.T, b *invokeBed, f *db.Faults)) {
	t.Parallel()
	dbtest.Faults(t, func(t *testing.T, d *db.DB, f *db.Faults) {
		b := newJobBed(t, d)
		b.Close()
		one := &invokeBed{jobBed: b, invoker: i()}
		b.configure = func(c *dispatch.Config) {
			c.JobWorkers = true
			rule := provider.Provider(b.rule)
			more := []provider.Provider{b.source, b.build}
			if one.invoker.kind.ID.Category == pipeline.CategoryRule {
				rule = one.invoker
			} else {
				more = append(more, one.invoker)
			}
			catalogue, err := provider.NewCatalogue(append(more, rule)...)
			if err != nil {
				t.Fatal(err)
			}
			c.Catalogue = catalogue
		}
		b.start()
		test(t, one, f)
	})
}

func lambda() *invoker { return newInvoker("Invoke", pipeline.OwnerAWS, "Lambda") }

// toInvoke starts a pipeline and brings it to the action that invokes.
func (b *invokeBed) toInvoke() string {
	b.t.Helper()
	d := small()
	a := &d.Stages[1].Actions[0]
	a.ActionTypeID, a.Configuration = b.invoker.kind.ID, map[string]string{"FunctionName": "f"}
	id := b.create(d)
	_, fetched := b.source.next(b.t)
	fetched(succeeded(nil))
	return id
}

func jobRef(at provider.Attempt) dispatch.JobRef {
	return dispatch.JobRef{Account: key.Account, Region: key.Region, ID: at.Job.ID}
}

// The job is in progress before anybody is invoked, and its result is the action's,
// but for what it says of the outside.
func TestInvoke(t *testing.T) {
	eachInvoker(t, lambda, func(t *testing.T, b *invokeBed) {
		id := b.toInvoke()
		at := b.invoker.brought(t)
		details, err := b.JobDetails(t.Context(), jobRef(at))
		if err != nil || details.Status != engine.JobInProgress || details.ActionID != at.ID {
			t.Fatalf("details: %+v, %v", details, err)
		}
		done := engine.SucceedJob{
			Progress:        engine.JobProgress{Summary: "mine", ExternalExecutionID: "mine"},
			OutputVariables: map[string]string{"Color": "red"},
		}
		// The function calls back before its invocation is known to have come through.
		b.must(b.SucceedJob(t.Context(), jobRef(at), done))
		b.must(b.SucceedJob(t.Context(), jobRef(at), done))
		b.invoker.delivered()
		b.await(id, engine.Succeeded)
		want := engine.Outcome{ExternalExecutionID: "f", OutputVariables: map[string]string{"Color": "red"}}
		if diff := cmp.Diff(want, b.last(id).Outcome); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
		wantRejected(t, "the opposite", b.FailJob(t.Context(), jobRef(at), engine.FailJob{Type: "JobFailed"}), engine.JobTerminated)
		partner := jobRef(at)
		partner.Partner = true
		if _, err := b.JobDetails(t.Context(), partner); !errors.Is(err, dispatch.ErrJobNotFound) {
			t.Errorf("asked for as a partner's: %v", err)
		}
	})
}

// A continuation brings a new job with the token; a failure ends the action.
func TestInvokeGoesOn(t *testing.T) {
	eachInvoker(t, lambda, func(t *testing.T, b *invokeBed) {
		b.invoker.terms.Pause = 30 * time.Millisecond
		id := b.toInvoke()
		first := b.invoker.brought(t)
		b.invoker.delivered()
		told := time.Now()
		b.must(b.SucceedJob(t.Context(), jobRef(first), engine.SucceedJob{ContinuationToken: "more"}))
		second := b.invoker.brought(t)
		if waited := time.Since(told); waited < b.invoker.terms.Pause-time.Millisecond {
			t.Errorf("the next job came after %v", waited)
		}
		if second.ID != first.ID || second.Job.ID == first.Job.ID || second.Job.ContinuationToken != "more" ||
			first.Job.ContinuationToken != "" || !cmp.Equal(second.Outputs, first.Outputs) {
			t.Errorf("first %+v %+v, then %+v %+v", first.Job, first.Outputs, second.Job, second.Outputs)
		}
		wantRejected(t, "the old job", b.SucceedJob(t.Context(), jobRef(first), engine.SucceedJob{}), engine.JobAnswered)
		b.must(b.FailJob(t.Context(), jobRef(second), engine.FailJob{Type: "JobFailed", Message: "no", ExternalExecutionID: "mine"}))
		b.invoker.delivered()
		b.await(id, engine.Failed)
		want := engine.Outcome{ErrorCode: "JobFailed", ErrorMessage: "no", ExternalExecutionID: "f"}
		if diff := cmp.Diff(want, b.last(id).Outcome); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
	})
}

// An invocation that answers at once goes on, and ends the action, by what it
// returns.
func TestInvokeAnswersAtOnce(t *testing.T) {
	eachInvoker(t, lambda, func(t *testing.T, b *invokeBed) {
		id := b.toInvoke()
		b.invoker.brought(t)
		b.invoker.answer <- returned{report: provider.Report{Status: provider.InProgress, ContinuationToken: "more"}}
		at := b.invoker.brought(t)
		if at.Job.ContinuationToken != "more" {
			t.Errorf("token %q", at.Job.ContinuationToken)
		}
		b.invoker.answer <- returned{report: provider.Failure("ConfigurationError", "no such function")}
		b.await(id, engine.Failed)
		want := engine.Outcome{ErrorCode: "ConfigurationError", ErrorMessage: "no such function"}
		if diff := cmp.Diff(want, b.last(id).Outcome); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
		if _, err := b.JobDetails(t.Context(), jobRef(at)); !errors.Is(err, dispatch.ErrJobOver) {
			t.Errorf("the job of an action that is over: %v", err)
		}
	})
}

// What is not known to have come through is brought again under the same id: after
// an error, and after the process is lost. What came through is not.
func TestInvokeAgain(t *testing.T) {
	eachInvoker(t, lambda, func(t *testing.T, b *invokeBed) {
		id := b.toInvoke()
		first := b.invoker.brought(t)
		b.invoker.answer <- returned{err: errors.New("no route")}
		second := b.invoker.brought(t)
		b.restart()
		third := b.invoker.brought(t)
		if *second.Job != *first.Job || *third.Job != *first.Job {
			t.Errorf("jobs %+v, %+v, %+v", first.Job, second.Job, third.Job)
		}
		b.invoker.delivered()
		for b.count("select count(*) from effects where begun_node = '*'") == 0 {
			if t.Context().Err() != nil {
				t.Fatal("the job was not parked")
			}
		}
		b.restart()
		b.must(b.SucceedJob(t.Context(), jobRef(first), engine.SucceedJob{}))
		b.await(id, engine.Succeeded)
		select {
		case at := <-b.invoker.started:
			t.Errorf("brought once more: %+v", at.Job)
		default:
		}
	})
}

// What is known to have come through is not brought again because it could not be
// written down at once.
func TestInvokeWrittenDownLate(t *testing.T) {
	for name, kind := range map[string]db.Fault{
		"failed": db.FaultBefore, "conflict": db.FaultConflict, "rolled back": db.FaultLost, "committed": db.FaultAfter,
	} {
		t.Run(name, func(t *testing.T) {
			eachFaultyInvoker(t, lambda, func(t *testing.T, b *invokeBed, f *db.Faults) {
				b.invoker.terms.Pause = 0
				id := b.toInvoke()
				first := b.invoker.brought(t)
				f.Arm(kind, 0, 1) // the word of the function
				b.invoker.answer <- returned{report: provider.Report{Status: provider.InProgress, ContinuationToken: "more"}}
				second := b.invoker.brought(t)
				if second.Job.ID == first.Job.ID || second.Job.ContinuationToken != "more" {
					t.Fatalf("brought %+v, then %+v", first.Job, second.Job)
				}
				f.Arm(kind, 0, 1) // the parking
				b.invoker.delivered()
				for b.count("select count(*) from effects where begun_node = '*' and node = ''") == 0 {
					select {
					case at := <-b.invoker.started:
						t.Fatalf("brought once more: %+v", at.Job)
					case <-t.Context().Done():
						t.Fatal("the job was not parked")
					default:
					}
				}
				b.must(b.SucceedJob(t.Context(), jobRef(second), engine.SucceedJob{}))
				b.await(id, engine.Succeeded)
			})
		})
	}
}

// A job that nobody answers ends the action, whether it came through or not.
func TestInvokeInVain(t *testing.T) {
	for name, answered := range map[string]returned{
		"delivered":  {report: provider.Report{Status: provider.InProgress}},
		"unreached":  {err: errors.New("no route")},
		"unreturned": {},
	} {
		t.Run(name, func(t *testing.T) {
			eachInvoker(t, lambda, func(t *testing.T, b *invokeBed) {
				b.invoker.terms.Timeout = 60 * time.Millisecond
				id := b.toInvoke()
				at := b.invoker.brought(t)
				if name != "unreturned" {
					b.invoker.answer <- answered
				}
				b.await(id, engine.Failed)
				want := engine.Outcome{ErrorCode: "JobFailed", ErrorMessage: "too long", ExternalExecutionID: "f"}
				if diff := cmp.Diff(want, b.last(id).Outcome); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
				wantRejected(t, "a late result", b.SucceedJob(t.Context(), jobRef(at), engine.SucceedJob{}), engine.JobTerminated)
			})
		})
	}
}

// A function that answers after its action was abandoned is not refused, and
// decides nothing (observed.md 13).
func TestInvokeAbandoned(t *testing.T) {
	eachInvoker(t, lambda, func(t *testing.T, b *invokeBed) {
		id := b.toInvoke()
		at := b.invoker.brought(t)
		b.invoker.delivered()
		b.must(b.StopExecution(t.Context(), key, engine.StopExecution{Execution: id, Abandon: true}))
		b.await(id, engine.Stopped)
		b.must(b.SucceedJob(t.Context(), jobRef(at), engine.SucceedJob{ContinuationToken: "more"}))
		b.must(b.SucceedJob(t.Context(), jobRef(at), engine.SucceedJob{ContinuationToken: "more"}))
		if status := b.last(id).Status; status != engine.Abandoned {
			t.Errorf("the action is %s", status)
		}
	})
}

// A rule holds if its job succeeds; one whose terms say so holds if it fails.
func TestInvokeRule(t *testing.T) {
	rule := func() *invoker { return newInvoker(pipeline.CategoryRule, pipeline.OwnerRule, "LambdaInvoke") }
	for _, test := range []struct {
		name                string
		fails, failureHolds bool
		want                engine.Status
	}{
		{"success", false, false, engine.Succeeded},
		{"failure", true, false, engine.Failed},
		{"inverted success", false, true, engine.Failed},
		{"inverted failure", true, true, engine.Succeeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachInvoker(t, rule, func(t *testing.T, b *invokeBed) {
				b.invoker.terms.FailureHolds = test.failureHolds
				d := small()
				d.Stages[1].BeforeEntry = conditionOf(pipeline.ResultFail, "Ask")
				r := &d.Stages[1].BeforeEntry.Conditions[0].Rules[0]
				r.RuleTypeID.Provider, r.Configuration = "LambdaInvoke", map[string]string{"FunctionName": "f"}
				id := b.create(d)
				_, fetched := b.source.next(t)
				fetched(succeeded(nil))
				at := b.invoker.brought(t)
				b.invoker.delivered()
				if at.Gate != pipeline.GateBeforeEntry || at.ActionName != "Ask" {
					t.Errorf("attempt %s %s", at.Gate, at.ActionName)
				}
				if test.fails {
					b.must(b.FailJob(t.Context(), jobRef(at), engine.FailJob{Type: "JobFailed", Message: "no"}))
				} else {
					b.must(b.SucceedJob(t.Context(), jobRef(at), engine.SucceedJob{}))
				}
				if test.want == engine.Succeeded {
					_, built := b.build.next(t)
					built(succeeded(nil))
				}
				b.await(id, test.want)
				rules, err := b.RuleExecutions(t.Context(), b.pipeline(), id, 0, 10)
				if err != nil || len(rules) != 1 || rules[0].Status != test.want || rules[0].Outcome.ExternalExecutionID != "f" {
					t.Errorf("rules %+v, %v", rules, err)
				}
			})
		})
	}
}

// A rule whose job nobody answers in its time was not judged: its condition is
// Errored, whatever its job was to mean.
func TestInvokeRuleInVain(t *testing.T) {
	rule := func() *invoker { return newInvoker(pipeline.CategoryRule, pipeline.OwnerRule, "LambdaInvoke") }
	for name, failureHolds := range map[string]bool{"plain": false, "inverted": true} {
		t.Run(name, func(t *testing.T) {
			eachInvoker(t, rule, func(t *testing.T, b *invokeBed) {
				b.invoker.terms.Timeout, b.invoker.terms.FailureHolds = 60*time.Millisecond, failureHolds
				d := small()
				d.Stages[1].BeforeEntry = conditionOf(pipeline.ResultFail, "Ask")
				r := &d.Stages[1].BeforeEntry.Conditions[0].Rules[0]
				r.RuleTypeID.Provider, r.Configuration = "LambdaInvoke", map[string]string{"FunctionName": "f"}
				id := b.create(d)
				_, fetched := b.source.next(t)
				fetched(succeeded(nil))
				b.invoker.brought(t)
				b.invoker.delivered()
				x := b.await(id, engine.Failed)
				if gates := x.Stages[1].Gates; len(gates) != 1 || gates[0].Status != engine.Errored {
					t.Errorf("gates %+v", gates)
				}
				rules, err := b.RuleExecutions(t.Context(), b.pipeline(), id, 0, 10)
				if err != nil || len(rules) != 1 || rules[0].Status != engine.Failed || rules[0].Outcome.ErrorMessage != "too long" {
					t.Errorf("rules %+v, %v", rules, err)
				}
			})
		})
	}
}
