package engine_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// TestScenarios runs testdata: one file a paragraph of the reference. Semantics
// are reviewed by reading the diffs of these files; -rewrite makes them anew.
//
// Commands:
//
//	define              the definition of the next create or update, a line each:
//	                    "var Name[=default]", or
//	                    "Stage/Action kind [order=n] [in=a,b] [out=c] [ns=N] [minutes=n]"
//	                    with the kinds source, build and approval, or
//	                    "Stage gate RESULT [rule [minutes=n] [in=a] ...] [retry=MODE]" with the
//	                    gates beforeEntry, onSuccess and onFailure, or "mode QUEUED"
//	create              creates the pipeline, which starts E1
//	update              installs the defined version
//	delete
//	start [name=value]  starts the next execution
//	trigger             starts the next execution without a caller
//	retry E stage [all], rollback stage E, override E stage gate
//	stop E [abandon] [reason=text]
//	ok E action [produced=a], fail E action   the provider's report; of a rule too;
//	                    action#n is its n-th attempt, otherwise it is the latest
//	error E rule        the provider cannot judge the rule
//	late E rule         the job of the rule has run out of its time
//	approve E action [summary=text] [token=t] [stage=s], reject ...
//	deadline E action   says that the action's time-out has come
//	disable stage [outbound] [reason=text], enable stage [outbound]
//	wait duration       moves the clock; a negative one moves it back
//	limit n             sets the quota of concurrent executions
//	state               prints the shared state and the live executions
//	execution E         prints an execution, live or ended
//	show what           also prints, from now on: artifacts, by, deadlines or times
//	reset               begins anew, for another variant of the paragraph
//
// Each event moves the clock by a millisecond and is applied three times: to the
// state as it is in memory and to two copies that were stored and loaded. The
// outcomes must be the same to the letter.
func TestScenarios(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		t.Parallel()
		s := newScenario()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "reset" {
				s = newScenario()
				return ""
			}
			return s.run(t, d)
		})
	})
}

// scenario is one pipeline and a clock.
type scenario struct {
	now      int64
	events   int
	next     pipeline.Declaration
	plans    versions
	state    *engine.State
	names    map[string]string // ids to the names of the scenario
	ids      map[string]string // names to ids
	attempts map[string]int
	last     map[string]string // "E1/Action" to the last action execution id
	answered []string
	parts    map[string]*engine.Execution // every execution as it was last touched
	show     map[string]bool
	limit    int
}

type versions map[int]*pipeline.Plan

func (v versions) Plan(version int) *pipeline.Plan { return v[version] }

var scenarioEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

func newScenario() *scenario {
	return &scenario{
		now: scenarioEpoch, plans: versions{},
		names: map[string]string{}, ids: map[string]string{}, attempts: map[string]int{}, last: map[string]string{},
		parts: map[string]*engine.Execution{}, show: map[string]bool{},
	}
}

func (s *scenario) run(t *testing.T, d *datadriven.TestData) string {
	args := arguments(d)
	switch d.Cmd {
	case "define":
		s.next = define(t, d.Input)
		_, err := pipeline.Compile(s.next, environment)
		if err != nil {
			return err.Error() + "\n"
		}
		return "ok\n"
	case "wait":
		pause, err := time.ParseDuration(args.word(0))
		if err != nil {
			t.Fatal(err)
		}
		s.now += pause.Milliseconds()
		return ""
	case "state":
		return s.print()
	case "execution":
		return s.printExecution(s.id(args.word(0)))
	case "limit":
		n, err := strconv.Atoi(args.word(0))
		if err != nil {
			t.Fatal(err)
		}
		s.limit = n
		return ""
	case "show":
		s.show[args.word(0)] = true
		return ""
	}
	return s.step(t, s.body(t, d.Cmd, args))
}

func (s *scenario) body(t *testing.T, cmd string, args args) engine.Body {
	switch cmd {
	case "create":
		s.install(t, 1)
		return engine.CreatePipeline{ID: "p", Name: "pipe", Start: engine.StartExecution{
			Trigger: engine.Trigger{Type: engine.TriggerCreatePipeline, Detail: "alice"},
		}}
	case "update":
		version := s.state.Pipeline.Version + 1
		s.install(t, version)
		return engine.UpdatePipeline{Version: version}
	case "delete":
		return engine.DeletePipeline{}
	case "start":
		b := engine.StartExecution{Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution, Detail: "bob"}}
		for _, a := range args {
			b.Variables = append(b.Variables, pipeline.Variable{Name: a.key, Value: a.value})
		}
		return b
	case "stop":
		return engine.StopExecution{Execution: s.id(args.word(0)), Abandon: args.has("abandon"), Reason: args.value("reason")}
	case "trigger":
		return engine.StartExecution{Trigger: engine.Trigger{Type: "Webhook", Detail: "hook"}}
	case "retry":
		return engine.RetryStage{Execution: s.id(args.word(0)), Stage: args.word(1), AllActions: args.has("all")}
	case "rollback":
		return engine.RollBack{
			Stage: args.word(0), Target: s.id(args.word(1)), Trigger: engine.Trigger{Type: engine.TriggerManualRollback, Detail: "alice"},
		}
	case "override":
		return engine.OverrideCondition{Execution: s.id(args.word(0)), Stage: args.word(1), Gate: args.word(2), By: "alice"}
	case "error":
		return engine.ActionReported{
			Execution: s.id(args.word(0)), Action: s.attempt(args),
			Outcome: engine.Outcome{ErrorCode: "ConfigurationError"},
		}
	case "late":
		return engine.ActionReported{
			Execution: s.id(args.word(0)), Action: s.attempt(args), TimedOut: true, Outcome: engine.Outcome{ErrorCode: "JobFailed"},
		}
	case "ok", "fail":
		return s.report(args, cmd == "ok")
	case "approve", "reject":
		return s.answer(args, cmd == "approve")
	case "deadline":
		return engine.DeadlineReached{Execution: s.id(args.word(0)), Action: s.attempt(args)}
	case "disable", "enable":
		return engine.SetTransition{
			Stage: args.word(0), Outbound: args.has("outbound"), Disabled: cmd == "disable", Reason: args.value("reason"), By: "alice",
		}
	}
	t.Fatalf("unknown command %q", cmd)
	return nil
}

func (s *scenario) install(t *testing.T, version int) {
	plan, err := pipeline.Compile(s.next, environment)
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	plan.Version = version
	s.plans[version] = &plan
}

// attempt is the id of the latest attempt of "E action", or of the n-th one of
// "E action#n".
func (s *scenario) attempt(args args) string {
	key := args.word(0) + "/" + args.word(1)
	if name, n, ok := strings.Cut(key, "#"); ok {
		if n == "1" {
			key = name
		}
		for id, known := range s.names {
			if known == key {
				return id
			}
		}
	}
	return s.last[key]
}

func (s *scenario) report(args args, ok bool) engine.Body {
	execution, action := args.word(0), args.word(1)
	b := engine.ActionReported{Execution: s.id(execution), Action: s.attempt(args), Succeeded: ok}
	if !ok {
		b.Outcome.ErrorCode = "JobFailed"
		return b
	}
	if produced := args.value("produced"); produced != "" {
		b.Produced = []string{produced}
		return b
	}
	for _, stage := range s.next.Stages {
		for _, a := range stage.Actions {
			for _, out := range a.OutputArtifacts {
				if a.Name == action {
					b.Produced = append(b.Produced, out.Name)
				}
			}
			if a.Name == action && a.ActionTypeID.Category == pipeline.CategorySource {
				b.Revision = &pipeline.Revision{ID: "rev-" + execution}
			}
		}
	}
	return b
}

func (s *scenario) answer(args args, approved bool) engine.Body {
	execution, action := args.word(0), args.word(1)
	b := engine.AnswerApproval{
		Action: action, Token: s.last[execution+"/"+action], Approved: approved, Summary: args.value("summary"), By: "bob",
	}
	if token := args.value("token"); token != "" {
		b.Token = token
	}
	for _, stage := range s.next.Stages {
		for _, a := range stage.Actions {
			if a.Name == action {
				b.Stage = stage.Name
			}
		}
	}
	if stage := args.value("stage"); stage != "" {
		b.Stage = stage
	}
	return b
}

// step applies one event and prints what it decided.
func (s *scenario) step(t *testing.T, body engine.Body) string {
	s.events++
	s.now++
	ev := engine.Event{ID: fmt.Sprintf("event-%d", s.events), At: s.now, Body: body}
	past := engine.Past{AnsweredTokens: s.answered, ConcurrentExecutions: s.limit, Executions: map[string]*engine.Execution{}}
	before := stored(t, s.state)
	state, decision, err := stepThrice(t, s.plans, s.state, past, ev)
	for missing := (*engine.Missing)(nil); errors.As(err, &missing); {
		past.Executions[missing.Execution] = s.parts[missing.Execution]
		state, decision, err = stepThrice(t, s.plans, loaded(t, before), past, ev)
	}
	if err != nil {
		s.state = loaded(t, before)
	}
	var rejection *engine.Rejection
	if errors.As(err, &rejection) {
		if rejection.Violation != nil {
			return "rejected: " + rejection.Violation.Error() + "\n"
		}
		return "rejected: " + string(rejection.Reason) + "\n"
	}
	s.state = state
	for _, e := range decision.Touched {
		s.parts[e.ID] = e
	}
	if a, ok := body.(engine.AnswerApproval); ok {
		s.answered = append(s.answered, a.Token)
	}
	return s.describe(decision)
}

// args are the words and key=value pairs of a command.
type args []arg

type arg struct{ key, value string }

func arguments(d *datadriven.TestData) args {
	var list args
	for _, a := range d.CmdArgs {
		list = append(list, arg{a.Key, strings.Join(a.Vals, ",")})
	}
	return list
}

func (l args) word(i int) string {
	if i < len(l) {
		return l[i].key
	}
	return ""
}

func (l args) has(word string) bool {
	for _, a := range l {
		if a.key == word {
			return true
		}
	}
	return false
}

func (l args) value(key string) string {
	for _, a := range l {
		if a.key == key {
			return strings.ReplaceAll(a.value, "_", " ")
		}
	}
	return ""
}
