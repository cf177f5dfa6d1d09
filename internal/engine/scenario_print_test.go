package engine_test

import (
	"fmt"
	"strings"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// describe prints a decision: a line each change, effect and void attempt.
func (s *scenario) describe(d engine.Decision) string {
	var b strings.Builder
	for _, c := range d.Changes {
		s.learn(c)
		if s.show["times"] {
			fmt.Fprintf(&b, "+%dms ", c.At-scenarioEpoch)
		}
		fmt.Fprintf(&b, "%s", c.Kind)
		for _, word := range []string{s.name(c.Execution), c.Stage, c.Gate, s.name(c.ActionID), string(c.Status)} {
			if word != "" {
				fmt.Fprintf(&b, " %s", word)
			}
		}
		for _, text := range []string{c.Summary, c.Outcome.Summary, c.Outcome.ErrorMessage, strings.Join(c.Names, ",")} {
			if text != "" {
				fmt.Fprintf(&b, " %q", text)
			}
		}
		if s.show["by"] && c.By != "" {
			fmt.Fprintf(&b, " by %s", c.By)
		}
		b.WriteByte('\n')
		if s.show["deadlines"] && c.Deadline != 0 {
			fmt.Fprintf(&b, "  deadline +%dms\n", c.Deadline-scenarioEpoch)
		}
		if s.show["artifacts"] {
			printLocations(&b, "in", c.Inputs)
			printLocations(&b, "out", c.Outputs)
		}
	}
	for _, e := range d.Effects {
		fmt.Fprintf(&b, "  effect %s %s\n", e.Kind, s.name(e.Action))
	}
	for _, v := range d.Void {
		fmt.Fprintf(&b, "  void %s\n", s.name(v))
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func printLocations(b *strings.Builder, what string, locations []pipeline.ArtifactLocation) {
	for _, l := range locations {
		fmt.Fprintf(b, "  %s %s at %s/%s\n", what, l.Name, l.Bucket, l.Key)
	}
}

// learn gives the ids of a change their names.
func (s *scenario) learn(c engine.Change) {
	switch c.Kind {
	case engine.ExecutionStarted:
		name := fmt.Sprintf("E%d", len(s.ids)+1)
		s.ids[name], s.names[c.Execution] = c.Execution, name
	case engine.ActionStarted, engine.RuleStarted:
		key := s.names[c.Execution] + "/" + c.Action
		s.attempts[key]++
		s.last[key] = c.ActionID
		s.names[c.ActionID] = key
		if n := s.attempts[key]; n > 1 {
			s.names[c.ActionID] = fmt.Sprintf("%s#%d", key, n)
		}
	}
}

func (s *scenario) name(id string) string {
	if name, ok := s.names[id]; ok {
		return name
	}
	return id
}

func (s *scenario) id(name string) string {
	if id, ok := s.ids[name]; ok {
		return id
	}
	return name
}

// print shows who holds and who waits, and every live execution.
func (s *scenario) print() string {
	var b strings.Builder
	if s.state.Pipeline.Deleted {
		b.WriteString("deleted\n")
	}
	for _, st := range s.state.Pipeline.Stages {
		fmt.Fprintf(&b, "%s:", st.Name)
		if st.Gone {
			b.WriteString(" gone")
		}
		if st.Holder != "" {
			fmt.Fprintf(&b, " held by %s", s.name(st.Holder))
		}
		for _, w := range st.Waiting {
			fmt.Fprintf(&b, " waiting %s", s.name(w))
		}
		if st.LastInbound != "" && len(st.Waiting) == 0 {
			fmt.Fprintf(&b, " inbound %s", s.name(st.LastInbound))
		}
		printTransition(&b, "inbound", st.Inbound)
		printTransition(&b, "outbound", st.Outbound)
		if st.Latest != "" {
			fmt.Fprintf(&b, " latest %s", s.name(st.Latest))
		}
		if st.Succeeded != "" {
			fmt.Fprintf(&b, " succeeded %s v%d", s.name(st.Succeeded), st.SucceededVersion)
		}
		b.WriteByte('\n')
	}
	for _, e := range s.state.Executions {
		fmt.Fprintf(&b, "%s v%d %s\n", s.name(e.ID), e.Version, e.Status)
	}
	return b.String()
}

func printTransition(b *strings.Builder, side string, t engine.Transition) {
	switch {
	case t.Disabled:
		fmt.Fprintf(b, " %s disabled by %s", side, t.By)
		if t.Reason != "" {
			fmt.Fprintf(b, " %q", t.Reason)
		}
	case t.By != "":
		fmt.Fprintf(b, " %s enabled by %s", side, t.By)
	}
}

// printExecution shows all that people may see of an execution.
func (s *scenario) printExecution(id string) string {
	e := s.parts[id]
	if e == nil {
		return "unknown\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s v%d %s %s", s.name(e.ID), e.Version, e.Mode, e.Status)
	if e.Summary != "" {
		fmt.Fprintf(&b, " %q", e.Summary)
	}
	if e.Type != engine.Standard {
		fmt.Fprintf(&b, " %s of %s", e.Type, s.name(e.Target))
	}
	fmt.Fprintf(&b, "\ntrigger %s %s\n", e.Trigger.Type, e.Trigger.Detail)
	fmt.Fprintf(&b, "started +%dms, updated +%dms\n", e.StartTime-scenarioEpoch, e.LastUpdate-scenarioEpoch)
	if e.Stop != nil {
		fmt.Fprintf(&b, "stop abandon=%t %q\n", e.Stop.Abandon, e.Stop.Reason)
	}
	for _, v := range e.Variables {
		fmt.Fprintf(&b, "variable %s=%s\n", v.Name, v.Value)
	}
	for _, r := range e.Stages {
		fmt.Fprintf(&b, "stage %s %s", r.Name, r.Status)
		if r.LatestRetry != "" {
			fmt.Fprintf(&b, " retries auto=%d manual=%d %s", r.AutoRetries, r.ManualRetries, r.LatestRetry)
		}
		for _, g := range r.Gates {
			fmt.Fprintf(&b, " %s %s", g.Name, g.Status)
		}
		b.WriteByte('\n')
	}
	for _, r := range e.Revisions {
		fmt.Fprintf(&b, "revision %s of %s by %s\n", r.Revision.ID, r.Artifact, r.Action)
	}
	for _, a := range e.Artifacts {
		fmt.Fprintf(&b, "artifact %s produced=%t %s\n", a.Name, a.Produced, a.Revision)
	}
	for _, n := range e.Namespaces {
		fmt.Fprintf(&b, "namespace %s from %s\n", n.Name, s.name(n.Action))
	}
	return b.String()
}
