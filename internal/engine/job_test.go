package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// TestJobs runs jobdata: one file a paragraph about jobs. Commands:
//
//	offer [timeout=d] [pause=d] [invoked] [source] [out=a,b] [deadline=d]
//	                 makes the first job, J1; continuations make the next ones
//	poll             hands the job out; each nonce is shown as n1, n2 and so on
//	ack nonce
//	ok [token=t] [summary=s] [id=x] [percent=n] [revision=r] [var=v] [bytes=n]
//	fail type message [id=x]
//	time             says that a time-out may have come
//	withdraw         says that the action ended
//	wait duration    moves the clock
//	job              prints the job
//
// A command that ends with the name of a job, as in "ok job=J1", is for that one
// instead of the newest. Each event is applied to the job in memory and to one that
// was stored and loaded, and once more to the outcome, where it decides nothing.
func TestJobs(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "jobdata", func(t *testing.T, path string) {
		t.Parallel()
		s := &jobScenario{now: scenarioEpoch, nonces: map[string]string{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "reset" {
				s = &jobScenario{now: scenarioEpoch, nonces: map[string]string{}}
				return ""
			}
			return s.run(t, d.Cmd, arguments(d))
		})
	})
}

// jobScenario is the jobs of one action execution, and a clock.
type jobScenario struct {
	now    int64
	events int
	jobs   []engine.Job
	nonces map[string]string // names to nonces
}

func (s *jobScenario) run(t *testing.T, cmd string, args args) string {
	if cmd == "wait" {
		s.now += milliseconds(t, args.word(0))
		return ""
	}
	at := len(s.jobs) - 1
	if name := args.value("job"); name != "" {
		at, _ = strconv.Atoi(strings.TrimPrefix(name, "J"))
		at--
	}
	if cmd == "offer" {
		s.jobs, at = append(s.jobs, engine.Job{}), len(s.jobs)
	}
	if cmd != "job" {
		if text := s.step(t, at, s.body(t, cmd, args)); text != "" {
			return text
		}
	}
	return s.print(at)
}

func (s *jobScenario) body(t *testing.T, cmd string, args args) engine.JobBody {
	switch cmd {
	case "offer":
		terms := engine.JobTerms{
			Acknowledge: 60_000, Timeout: milliseconds(t, args.value("timeout")), TimeoutMessage: "too long",
			Pause: milliseconds(t, args.value("pause")), Invoked: args.has("invoked"), Source: args.has("source"),
		}
		if out := args.value("out"); out != "" {
			terms.Outputs = strings.Split(out, ",")
		}
		deadline := milliseconds(t, args.value("deadline"))
		if deadline == 0 {
			deadline = (24 * time.Hour).Milliseconds()
		}
		return engine.OfferJob{Execution: "E1", Action: "A1", Deadline: s.now + deadline, Terms: terms}
	case "poll":
		return engine.HandOutJob{}
	case "ack":
		nonce, known := s.nonces[args.word(0)]
		if !known {
			nonce = args.word(0)
		}
		return engine.AcknowledgeJob{Nonce: nonce}
	case "ok":
		return s.success(t, args)
	case "fail":
		return engine.FailJob{Type: args.word(0), Message: args.word(1), ExternalExecutionID: args.value("id")}
	case "time":
		return engine.JobTimePassed{}
	case "withdraw":
		return engine.WithdrawJob{}
	}
	t.Fatalf("unknown command %s", cmd)
	return nil
}

func (s *jobScenario) success(t *testing.T, args args) engine.SucceedJob {
	b := engine.SucceedJob{
		ContinuationToken: args.value("token"),
		Progress:          engine.JobProgress{Summary: args.value("summary"), ExternalExecutionID: args.value("id")},
	}
	if text := args.value("percent"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		b.Progress.Percent = &n
	}
	if id := args.value("revision"); id != "" {
		b.Revision = &pipeline.Revision{ID: id}
	}
	if v := args.value("var"); v != "" {
		b.OutputVariables = map[string]string{"v": v}
	}
	if text := args.value("bytes"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		b.OutputVariables = map[string]string{"v": strings.Repeat("x", n-1)}
	}
	return b
}

func milliseconds(t *testing.T, text string) int64 {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d.Milliseconds()
}

// step applies an event; the text is what decided against it.
func (s *jobScenario) step(t *testing.T, at int, body engine.JobBody) string {
	s.now++
	s.events++
	ev := engine.JobEvent{ID: fmt.Sprintf("event-%d", s.events), At: s.now, Body: body}
	before := s.jobs[at]
	j, d, err := engine.StepJob(before, ev)
	stored, d2, err2 := engine.StepJob(reloaded(t, before), ev)
	if !reflect.DeepEqual(j, stored) || !reflect.DeepEqual(d, d2) || !reflect.DeepEqual(err, err2) {
		t.Fatalf("stored and loaded:\n%+v %+v %v, in memory:\n%+v %+v %v", stored, d2, err2, j, d, err)
	}
	if rejection, ok := errors.AsType[*engine.JobRejection](err); ok {
		return string(rejection.Reason) + "\n"
	} else if err != nil {
		t.Fatal(err)
	}
	if !d.Changed {
		return "nothing\n"
	}
	if again, d, err := engine.StepJob(j, ev); d.Changed || err != nil || !reflect.DeepEqual(again, j) {
		t.Fatalf("the same event again: %+v, %v", d, err)
	}
	s.jobs[at] = j
	if d.HandedOut && j.Nonce != "" {
		s.nonces[fmt.Sprintf("n%d", len(s.nonces)+1)] = j.Nonce
	}
	var text strings.Builder
	if d.Next != nil {
		s.jobs = append(s.jobs, *d.Next)
	}
	text.WriteString(s.print(at))
	if d.Report != nil {
		text.WriteString(printReport(d.Report))
	}
	if d.Next != nil {
		text.WriteString(s.print(len(s.jobs) - 1))
	}
	return text.String()
}

func reloaded(t *testing.T, j engine.Job) engine.Job {
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	var stored engine.Job
	if err := json.Unmarshal(text, &stored); err != nil {
		t.Fatal(err)
	}
	return stored
}

func (s *jobScenario) print(at int) string {
	j := &s.jobs[at]
	text := fmt.Sprintf("J%d %s", at+1, j.Status)
	for name, nonce := range s.nonces {
		if nonce == j.Nonce {
			text += " nonce=" + name
		}
	}
	after := func(name string, at int64) {
		if at > 1 {
			text += fmt.Sprintf(" %s=%s", name, time.Duration(at-scenarioEpoch)*time.Millisecond)
		}
	}
	after("available", j.Available())
	if !j.Ended() {
		after("due", j.Due())
	}
	if j.ContinuationToken != "" {
		text += " token=" + j.ContinuationToken
	}
	if j.Continued {
		text += " continued"
	}
	if j.Withdrawn {
		text += " withdrawn"
	}
	return text + printProgress(j.Progress) + "\n"
}

func printProgress(p engine.JobProgress) string {
	text := ""
	if p.Summary != "" {
		text += fmt.Sprintf(" summary=%q", p.Summary)
	}
	if p.ExternalExecutionID != "" {
		text += " id=" + p.ExternalExecutionID
	}
	if p.Percent != nil {
		text += fmt.Sprintf(" percent=%d", *p.Percent)
	}
	return text
}

func printReport(r *engine.ActionReported) string {
	text := fmt.Sprintf("  report %s/%s failed", r.Execution, r.Action)
	if r.Succeeded {
		text = fmt.Sprintf("  report %s/%s succeeded produced=%v", r.Execution, r.Action, r.Produced)
	}
	if r.TimedOut {
		text += ", out of time"
	}
	if r.Revision != nil {
		text += " revision=" + r.Revision.ID
	}
	o := r.Outcome
	text += printProgress(engine.JobProgress{Summary: o.Summary, ExternalExecutionID: o.ExternalExecutionID})
	if n := pipeline.OutputVariablesSize(o.OutputVariables); n > 0 {
		text += fmt.Sprintf(" variables=%d bytes", n)
	}
	if o.ErrorCode != "" {
		text += fmt.Sprintf(" %s: %s", o.ErrorCode, o.ErrorMessage)
	}
	return text + "\n"
}

// Whatever happens to the jobs of an action, and in whatever order: at most one of
// them is not over, at most one report is made, a job is in progress for one
// worker, and nobody gets a nonce that was given before.
func TestJobsInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		terms := engine.JobTerms{Acknowledge: 10, Timeout: int64(below(rt, 2, "timeout")) * 50, TimeoutMessage: "late"}
		now := int64(1)
		first, _, err := engine.StepJob(engine.Job{}, engine.JobEvent{ID: "offer", At: now, Body: engine.OfferJob{
			Execution: "E", Action: "A", Deadline: 500, Terms: terms,
		}})
		if err != nil {
			rt.Fatal(err)
		}
		jobs, reports, nonces := []engine.Job{first}, 0, []string{"none"}
		for n := range 40 {
			now += int64(below(rt, 12, "pass")) - 1 // clocks of nodes differ
			at := below(rt, len(jobs), "job")
			began := jobs[at].Status == engine.JobInProgress
			j, d, err := engine.StepJob(jobs[at], engine.JobEvent{ID: fmt.Sprint(n), At: now, Body: anyJobBody(rt, nonces)})
			if err != nil {
				continue
			}
			jobs[at] = j
			if d.HandedOut {
				for _, known := range nonces {
					if known == j.Nonce {
						rt.Fatalf("nonce %s was given before", known)
					}
				}
				nonces = append(nonces, j.Nonce)
				if began {
					rt.Fatal("a job in progress was handed out")
				}
			}
			if d.Report != nil {
				reports++
			}
			if d.Next != nil {
				jobs = append(jobs, *d.Next)
			}
			open := 0
			for i := range jobs {
				if !jobs[i].Ended() {
					open++
				}
			}
			if open > 1 || reports > 1 || reports == 1 && open > 0 {
				rt.Fatalf("%d jobs are not over, %d reports were made: %+v", open, reports, jobs)
			}
		}
	})
}

func anyJobBody(t *rapid.T, nonces []string) engine.JobBody {
	return one(t, []engine.JobBody{
		engine.HandOutJob{}, engine.HandOutJob{},
		engine.AcknowledgeJob{Nonce: one(t, nonces, "nonce")}, engine.AcknowledgeJob{Nonce: nonces[len(nonces)-1]},
		engine.SucceedJob{}, engine.SucceedJob{ContinuationToken: "more"}, engine.SucceedJob{ContinuationToken: "still more"},
		engine.FailJob{Type: "JobFailed", Message: "no"}, engine.JobTimePassed{}, engine.WithdrawJob{},
	}, "body")
}
