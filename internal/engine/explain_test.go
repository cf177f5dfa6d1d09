package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// TestExplain runs explaindata: the commands of TestScenarios, and
//
//	explain E [holder]  prints the findings about an execution, with "holder" those
//	                    about who holds its stage too
//	stages              prints the stages
//	opens E rule time   says when the window of a rule opens
//
// What failed did so with the message "it broke".
func TestExplain(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "explaindata", func(t *testing.T, path string) {
		t.Parallel()
		s, opens := newScenario(), map[string]int64{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			args := arguments(d)
			switch d.Cmd {
			case "reset":
				s, opens = newScenario(), map[string]int64{}
				return ""
			case "opens":
				after, err := time.ParseDuration(args.word(2))
				if err != nil {
					t.Fatal(err)
				}
				opens[s.last[args.word(0)+"/"+args.word(1)]] = scenarioEpoch + after.Milliseconds()
				return ""
			case "define":
				s.next = defineBare(t, d.Input)
				return ""
			case "explain":
				return s.explain(args.word(0), args.has("holder"), opens)
			case "stages":
				return s.printStages()
			}
			return s.run(t, d)
		})
	})
}

// defineBare is define with rules that have no configuration; one that is called
// window is a deployment window.
func defineBare(t *testing.T, text string) pipeline.Declaration {
	d := define(t, text)
	for i := range d.Stages {
		s := &d.Stages[i]
		var conditions []pipeline.Condition
		for _, c := range []*pipeline.Conditions{s.BeforeEntry, s.OnSuccess} {
			if c != nil {
				conditions = append(conditions, c.Conditions...)
			}
		}
		if s.OnFailure != nil {
			conditions = append(conditions, s.OnFailure.Conditions...)
		}
		for _, c := range conditions {
			for j := range c.Rules {
				c.Rules[j].Configuration = nil
				if c.Rules[j].Name == "window" {
					c.Rules[j].RuleTypeID.Provider = "DeploymentWindow"
				}
			}
		}
	}
	return d
}

// explain prints the findings about an execution, a line each.
func (s *scenario) explain(execution string, withHolder bool, opens map[string]int64) string {
	before := s.print()
	list := engine.Explain(s.plans, s.state, s.known(opens), s.id(execution), withHolder)
	if s.print() != before {
		return "the explanation changed the state"
	}
	var b strings.Builder
	for _, f := range list {
		s.printFinding(&b, f)
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

// known is what a scenario remembers: everything.
func (s *scenario) known(opens map[string]int64) engine.Known {
	known := engine.Known{At: s.now, Attempts: map[string]engine.Attempt{}, ConcurrentExecutions: s.limit}
	for _, e := range s.parts {
		if e.Ended() {
			known.Executions = append(known.Executions, e)
		}
		attempts := slices.Clone(e.Actions)
		for _, r := range e.Stages {
			for _, g := range r.Gates {
				attempts = append(attempts, g.Rules...)
			}
		}
		for _, a := range attempts {
			known.Attempts[a.ID] = engine.Attempt{Opens: opens[a.ID]}
			if a.Status == engine.Failed {
				known.Attempts[a.ID] = engine.Attempt{Outcome: engine.Outcome{ErrorMessage: "it broke"}}
			}
		}
	}
	return known
}

func (s *scenario) printFinding(b *strings.Builder, f engine.Finding) {
	fmt.Fprintf(b, "%s %s", f.Kind, s.name(f.Execution))
	for _, word := range []string{f.Stage, f.Gate, s.name(f.ActionID), string(f.Status)} {
		if word != "" {
			fmt.Fprintf(b, " %s", word)
		}
	}
	for _, pair := range [][2]string{{"other", s.name(f.Other)}, {"by", f.By}, {"reason", f.Reason}, {"error", f.Outcome.ErrorMessage}, {"retry", string(f.LatestRetry)}} {
		if pair[1] != "" {
			fmt.Fprintf(b, " %s=%q", pair[0], pair[1])
		}
	}
	for _, at := range []struct {
		name string
		at   int64
	}{{"since", f.Since}, {"until", f.Until}} {
		if at.at != 0 {
			fmt.Fprintf(b, " %s=+%v", at.name, time.Duration(at.at-scenarioEpoch)*time.Millisecond)
		}
	}
	if f.Of > 0 {
		fmt.Fprintf(b, " %d/%d", f.Position, f.Of)
	}
	if f.Version > 0 {
		fmt.Fprintf(b, " version=%d", f.Version)
	}
	if f.Outbound {
		b.WriteString(" outbound")
	}
	if f.Expired {
		b.WriteString(" expired")
	}
	if f.AutoRetries+f.ManualRetries > 0 {
		fmt.Fprintf(b, " auto=%d manual=%d", f.AutoRetries, f.ManualRetries)
	}
	b.WriteByte('\n')
	for _, r := range f.Releases {
		s.printRelease(b, r)
	}
	for _, r := range f.Remedies {
		fmt.Fprintf(b, "  %s", r.Kind)
		for _, word := range []string{s.name(r.Execution), r.Stage, r.Action, r.Gate, s.name(r.Token)} {
			if word != "" {
				fmt.Fprintf(b, " %s", word)
			}
		}
		if r.Outbound {
			b.WriteString(" outbound")
		}
		b.WriteByte('\n')
	}
}

func (s *scenario) printRelease(b *strings.Builder, r engine.Release) {
	fmt.Fprintf(b, "  into %s", strings.Join(r.Stages, ","))
	if r.Since != "" {
		fmt.Fprintf(b, " since %s", s.name(r.Since))
	}
	if r.Older {
		b.WriteString(" older")
	}
	b.WriteByte('\n')
	for _, c := range r.Sources {
		from := "nothing"
		if c.From != nil {
			from = c.From.ID
		}
		fmt.Fprintf(b, "    %s %s -> %s", c.Action, from, c.To.ID)
		if c.Pinned {
			b.WriteString(" pinned")
		}
		for _, x := range c.Carried {
			fmt.Fprintf(b, ", %s of %s %s", x.Revision.ID, s.name(x.Execution), x.Status)
		}
		if c.Omitted > 0 {
			fmt.Fprintf(b, " and %d more", c.Omitted)
		}
		b.WriteByte('\n')
	}
}

func (s *scenario) printStages() string {
	var b strings.Builder
	names := func(ids []string) string {
		var list []string
		for _, id := range ids {
			list = append(list, s.name(id))
		}
		return strings.Join(list, ",")
	}
	for _, v := range engine.ExplainStages(s.plans, s.state) {
		fmt.Fprintf(&b, "%s inside=[%s] waiting=[%s]", v.Name, names(v.Inside), names(v.Waiting))
		for i, t := range []engine.Transition{v.Inbound, v.Outbound} {
			if t.Disabled {
				fmt.Fprintf(&b, " %s disabled by %s %q", []string{"inbound", "outbound"}[i], t.By, t.Reason)
			}
		}
		if v.Gone {
			b.WriteString(" gone")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestNothingWaitsForNothing: whatever happens, every live execution has a reason
// for not being further, and every remedy is one that Step accepts.
func TestNothingWaitsForNothing(t *testing.T) {
	t.Parallel()
	var shapes []string
	for mode, result := range map[string]string{"SUPERSEDED": "ROLLBACK", "QUEUED": "ROLLBACK", "PARALLEL": "FAIL"} {
		shapes = append(shapes,
			"mode "+mode+"\nSource/Fetch source out=src\nGate/Ask approval\nDeploy/Ship build in=src order=2",
			"mode "+mode+"\nSource/Fetch source\nBuild/Make build\nBuild/Test build\nBuild beforeEntry FAIL check\n"+
				"Build onSuccess "+result+" verify\nBuild onFailure RETRY retry=FAILED_ACTIONS\nDeploy/Ship build\nDeploy onFailure "+result)
	}
	shapes = append(shapes, "mode QUEUED\nvar Needed\nSource/Fetch source\nDeploy/Ship build")
	slices.Sort(shapes)
	plans := map[string]*pipeline.Plan{}
	for _, shape := range shapes {
		plan, err := pipeline.Compile(defineBare(t, shape), environment)
		if err != nil {
			t.Fatal(err)
		}
		plans[shape] = &plan
	}
	rapid.Check(t, func(t *rapid.T) {
		w := &wanderer{t: t, plans: versions{}, parts: map[string]*engine.Execution{}}
		shape := rapid.SampledFrom(shapes)
		w.install(plans[shape.Draw(t, "shape")])
		w.step(engine.CreatePipeline{ID: "p", Name: "pipe"})
		for range rapid.IntRange(0, 30).Draw(t, "events") {
			if rapid.IntRange(0, 12).Draw(t, "update") == 0 {
				w.install(plans[shape.Draw(t, "shape")])
				w.step(engine.UpdatePipeline{Version: len(w.plans)})
			} else {
				w.step(w.body())
			}
			w.check()
		}
	})
}
