package simtest

// plant is a bug of the engine: a text of one of its files that occurs exactly
// once, and what stands there instead. planted(NAME) is true in the process that
// has the bug.
type plant struct {
	name, file, text, bug string
}

// plants are bugs that the engine had, nearly had, or could have. Whoever fixes
// one adds it here.
var plants = []plant{
	// Locks and entrances.
	{"lock forgotten", "admit.go", `st.Holder, st.Latest, st.LastInbound = e.ID, e.ID, ""`,
		`st.Holder, st.Latest, st.LastInbound = e.ID, e.ID, ""
		if planted("lock forgotten") {
			st.Holder = ""
		}`},
	{"lock kept by a failed stage", "advance.go", `st != nil && st.Holder == e.ID {`,
		`st != nil && st.Holder == e.ID && !(status == Failed && planted("lock kept by a failed stage")) {`},
	{"parallel takes the lock", "admit.go", `m.enter(nil, e)`,
		`if planted("parallel takes the lock") {
				m.enter(m.stageOf(e), e)
			} else {
				m.enter(nil, e)
			}`},
	{"queue served from its end", "admit.go", `for _, id := range st.Waiting {`,
		`for i := range st.Waiting {
			id := st.Waiting[i]
			if planted("queue served from its end") {
				id = st.Waiting[len(st.Waiting)-1-i]
			}`},
	{"off by one in the queue", "admit.go", `if st.Holder != "" {`,
		`if st.Holder != "" || planted("off by one in the queue") && len(st.Waiting) == 1 && len(m.s.Executions) > 1 {`},
	{"rollback waits its turn", "step.go", `m.admitRollback() ||`,
		`!planted("rollback waits its turn") && m.admitRollback() ||`},
	{"superseded in QUEUED", "supersede.go", `Mode != pipeline.ModeSuperseded {`,
		`Mode != pipeline.ModeSuperseded && !planted("superseded in QUEUED") {`},
	{"not superseded", "supersede.go", `if len(st.Waiting) < 2 ||`,
		`if planted("not superseded") || len(st.Waiting) < 2 ||`},
	{"the newest is superseded", "supersede.go", `return e.Seq > other.Seq`,
		`return e.Seq > other.Seq != planted("the newest is superseded")`},
	{"superseded by who never enters", "supersede.go", `if e.Stale != other.Stale {`,
		`if e.Stale != other.Stale && !planted("superseded by who never enters") {`},
	{"stopped but still in line", "stop.go", `m.leaveEntrance(m.stageOf(e), e.ID)`,
		`if !planted("stopped but still in line") {
			m.leaveEntrance(m.stageOf(e), e.ID)
		}`},
	{"outbound transition leaks", "admit.go", `return before == nil || before.Gone ||`,
		`return before == nil || planted("outbound transition leaks") || before.Gone ||`},
	{"transition of a stage that is gone", "admit.go", `st != nil && !st.Gone && st.Inbound.Disabled {`,
		`st != nil && (!st.Gone || planted("transition of a stage that is gone")) && st.Inbound.Disabled {`},
	{"wake-up lost when enabled", "step.go", `		m.settle()
	}
	if m.missing`,
		`		if _, set := ev.Body.(SetTransition); !set || !planted("wake-up lost when enabled") {
			m.settle()
		}
	}
	if m.missing`},
	{"stale waiter let in", "admit.go", `if !e.Stale && wanted(e)`,
		`if (!e.Stale || planted("stale waiter let in")) && wanted(e)`},
	// Limits.
	{"off by one in the limit", "start.go", `return live >= m.limit()`,
		`if planted("off by one in the limit") {
		return live > m.limit()
	}
	return live >= m.limit()`},
	{"automatic start beyond the limit", "start.go", `	if full {
		m.overLimit(e)
		return nil
	}
	m.arrive(e)`,
		`	if full && !planted("automatic start beyond the limit") {
		m.overLimit(e)
		return nil
	}
	m.arrive(e)`},
	{"retry beyond the limit", "retry.go", `if m.full(e.Mode) {`,
		`if m.full(e.Mode) && !planted("retry beyond the limit") {`},
	// Reports, deadlines, effects.
	{"action without its input", "action.go", `		if e.artifact(name) == nil {
			return name`, `		if e.artifact(name) == nil && !planted("action without its input") {
			return name`},
	{"late report overwrites", "action.go", `if action == nil || action.Status != InProgress {`,
		`if action == nil || action.Status != InProgress && !planted("late report overwrites") {`},
	{"early deadline believed", "action.go", `action == nil || m.at < action.Deadline {`,
		`action == nil || m.at < action.Deadline && !planted("early deadline believed") {`},
	{"effect of the second rule forgotten", "gate.go", `if lacksInput(e, a) == "" {`,
		`if lacksInput(e, a) == "" && !(index == 1 && planted("effect of the second rule forgotten")) {`},
	{"effect of a rule not made void", "action.go", `m.d.Void = append(m.d.Void, rule.ID)`,
		`if !planted("effect of a rule not made void") {
		m.d.Void = append(m.d.Void, rule.ID)
	}`},
	{"abandoned work not stopped", "stop.go", `m.stopProvider(e, action)`,
		`if !planted("abandoned work not stopped") {
			m.stopProvider(e, action)
		}`},
	{"stage fails while siblings run", "advance.go", `case m.busy(e):`,
		`case m.busy(e) && !(failed && planted("stage fails while siblings run")):`},
	{"group skipped", "advance.go", `		e.Group++
`, `		e.Group++
		if planted("group skipped") && e.Group+1 < len(plan.Stages[e.Stage].Groups) {
			e.Group++
		}
`},
	// Stops and updates.
	{"stop-and-wait forgotten", "advance.go", `case e.Stop != nil:`,
		`case e.Stop != nil && (e.Stop.Abandon || !planted("stop-and-wait forgotten")):`},
	{"abandon refused after stop-and-wait", "stop.go", `e.Stop != nil && (e.Stop.Abandon || !b.Abandon) {`,
		`e.Stop != nil && (e.Stop.Abandon || !b.Abandon || planted("abandon refused after stop-and-wait")) {`},
	{"rules not abandoned on stop", "stop.go", `if e.Gate != "" {`,
		`if e.Gate != "" && !planted("rules not abandoned on stop") {`},
	{"update lets executions go on", "update.go", `	e.Cancel = true
`, `	e.Cancel = !planted("update lets executions go on")
`},
	{"update lets rules go on", "update.go", `if e.Gate != "" {`,
		`if e.Gate != "" && !planted("update lets rules go on") {`},
	{"parallel cancelled by update", "update.go", `if e.Ended() || e.parallel() {`,
		`if e.Ended() || e.parallel() && !planted("parallel cancelled by update") {`},
	{"token reused", "action.go", `m.mint("action/" + e.ID + "/" + stage.Name + "/" + a.Name),`,
		`mintAction(m, e, stage, a),`},
	// Retries.
	{"retry keeps failed actions", "retry.go", `failed := a.Status == Failed || a.Status == Abandoned`,
		`failed := a.Status == Failed && !planted("retry keeps failed actions") || a.Status == Abandoned`},
	{"retry forgets abandoned actions", "retry.go", `if failed {
			again`, `if failed && !(a.Status == Abandoned && planted("retry forgets abandoned actions")) {
			again`},
	{"retry of an outdated execution", "retry.go", `if e.Version != m.s.Pipeline.Version || len(e.Stages)`,
		`if e.Version != m.s.Pipeline.Version && !planted("retry of an outdated execution") || len(e.Stages)`},
	{"retry not counted", "retry.go", `e.record().ManualRetries++`,
		`if !planted("retry not counted") {
		e.record().ManualRetries++
	}`},
	{"stale retry", "retry.go", `latest != "" && latest != e.ID {`,
		`latest != "" && latest != e.ID && !planted("stale retry") {`},
	{"latest by the order of starts", "retry.go", `latest != "" && latest != e.ID {`,
		`latest != "" && latest != e.ID && !(planted("latest by the order of starts") && m.execution(latest) != nil && m.execution(latest).Seq < e.Seq) {`},
	{"revived without lock", "retry.go", `	if !e.parallel() {
		m.stageOf(e).Holder = e.ID`, `	if !e.parallel() && !planted("revived without lock") {
		m.stageOf(e).Holder = e.ID`},
	{"produced flags not reset", "retry.go", `if e.Type == Rollback {`,
		`if e.Type == Rollback || planted("produced flags not reset") {`},
	{"auto retry twice", "failure.go", `e.record().AutoRetries > 0 {`,
		`e.record().AutoRetries > 0 && !(e.record().AutoRetries == 1 && planted("auto retry twice")) {`},
	{"auto retry of a rollback", "failure.go", `if e.Type == Rollback || e.record()`,
		`if e.Type == Rollback && !planted("auto retry of a rollback") || e.record()`},
	{"auto retry ignores its mode", "failure.go", `m.restartStage(e, AutomatedStageRetry, all)`,
		`m.restartStage(e, AutomatedStageRetry, all != planted("auto retry ignores its mode"))`},
	// Rollbacks.
	{"rollback as target", "rollback.go", `case target.Type == Rollback || !target`,
		`case target.Type == Rollback && !planted("rollback as target") || !target`},
	{"rollback recorded as success", "advance.go", `st != nil && e.Type == Standard &&`,
		`st != nil && (e.Type == Standard || planted("rollback recorded as success")) &&`},
	{"rollback to an outdated version", "rollback.go", `case target.Version != m.s.Pipeline.Version:`,
		`case target.Version != m.s.Pipeline.Version && !planted("rollback to an outdated version"):`},
	{"automatic rollback to an outdated version", "rollback.go", `st.SucceededVersion != current ||`,
		`st.SucceededVersion != current && !planted("automatic rollback to an outdated version") ||`},
	{"rollback goes on", "advance.go", `if e.Type == Rollback || e.Stage+1`,
		`if e.Type == Rollback && !planted("rollback goes on") || e.Stage+1`},
	{"rollback without artifacts", "rollback.go", `e.Stage = stage
`, `e.Stage = stage
	if planted("rollback without artifacts") {
		e.Artifacts = nil
	}
`},
	{"rollback without variables", "rollback.go", `e.Stage = stage
`, `e.Stage = stage
	if planted("rollback without variables") {
		e.Variables = nil
	}
`},
	{"rollback chained", "rollback.go", `if e.Type == Rollback || st == nil`,
		`if e.Type == Rollback && !planted("rollback chained") || st == nil`},
	{"rollback into a running stage", "rollback.go", `case m.s.Stage(b.Stage).Holder != "":`,
		`case m.s.Stage(b.Stage).Holder != "" && !planted("rollback into a running stage"):`},
	// Conditions.
	{"verdict inverted", "gate.go", `	case holds:
		m.engage`, `	case holds != planted("verdict inverted"):
		m.engage`},
	{"Errored treated as met", "gate.go", `holds := status == Succeeded`,
		`holds := status == Succeeded || status == Errored && planted("Errored treated as met")`},
	{"a condition is judged by its last rule", "gate.go", `			status = Failed
`, `			status = Failed
			if planted("a condition is judged by its last rule") && i+1 < len(rules) {
				status = Succeeded
			}
`},
	{"skip engaged as failure", "gate.go", `result == pipeline.ResultSkip:`,
		`result == pipeline.ResultSkip && !planted("skip engaged as failure"):`},
	{"skipped outputs kept", "gate.go", `a.Name == out.Name && !a.Produced })`,
		`a.Name == out.Name && !a.Produced && !planted("skipped outputs kept") })`},
	{"success condition sends nobody back", "gate.go", `case name == pipeline.GateOnSuccess && holds:`,
		`case name == pipeline.GateOnSuccess && (holds || result == pipeline.ResultRollback && planted("success condition sends nobody back")):`},
	{"override on SKIP", "override.go", `Engages(pipeline.ResultSkip) {`,
		`Engages(pipeline.ResultSkip) && !planted("override on SKIP") {`},
	{"override leaves rules running", "gate.go", `if rules[i].Status != InProgress {
			continue`, `if rules[i].Status != InProgress || status == Overridden && planted("override leaves rules running") {
			continue`},
	{"override judged again", "override.go", `	m.stageSucceeded(e)
`, `	if !planted("override judged again") {
		m.stageSucceeded(e)
	}
`},
}

// plantedSource is the file that the planted engine has in addition.
const plantedSource = `package engine

import (
	"os"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

var plantedBug = os.Getenv("` + plantedVariable + `")

func planted(name string) bool { return name == plantedBug }

// notPlanted is 0 for the bug, else 1.
func notPlanted(name string) int {
	if planted(name) {
		return 0
	}
	return 1
}

func mintAction(m *machine, e *Execution, stage *pipeline.StagePlan, a *pipeline.ActionPlan) string {
	label := "action/" + e.ID + "/" + stage.Name + "/" + a.Name
	if planted("token reused") {
		return pipeline.DeriveID([]byte(e.ID), label)
	}
	return m.mint(label)
}
`
