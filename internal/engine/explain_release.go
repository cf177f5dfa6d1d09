package engine

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// maxCarried bounds the revisions that are listed for one source action; older
// ones are counted.
const maxCarried = 20

// Release is what goes into stages when an approval is given: what each source
// action fetched, against what these stages have.
type Release struct {
	// Stages have the same execution as their last one, from the approval's on.
	Stages []string
	// Since is the execution that last succeeded in them, empty if none is known;
	// At is when it did.
	Since string
	At    int64
	// Older is set when that execution is newer than the one that waits: the
	// stages are taken back.
	Older   bool
	Sources []SourceChange
}

// SourceChange compares what one source action fetched.
type SourceChange struct {
	Action   string
	Artifact string
	// From is what the stages have, nil if nothing is known; To is what waits.
	From *pipeline.Revision
	To   pipeline.Revision
	// Pinned is set when the start chose the revision: it need not carry those
	// between.
	Pinned bool
	// Carried are the revisions of the executions between, oldest first; Omitted
	// counts those that are not listed.
	Carried []Carried
	Omitted int
}

// Carried is a revision that goes along: it was fetched by an execution that did
// not come this far.
type Carried struct {
	Execution string
	Status    Status
	Revision  pipeline.Revision
}

// releases compares an execution with those that last succeeded in its stage and
// the ones after it.
func (x *explainer) releases(e *Execution) []Release {
	plan := x.plan(e)
	last := len(plan.Stages) - 1
	if e.Type == Rollback {
		last = e.Stage
	}
	var list []Release
	for i := e.Stage; i <= last; i++ {
		name := plan.Stages[i].Name
		base, at := x.lastIn(name, e)
		since := ""
		if base != nil {
			since = base.ID
		}
		if n := len(list); n > 0 && list[n-1].Since == since {
			list[n-1].Stages = append(list[n-1].Stages, name)
			continue
		}
		r := Release{Stages: []string{name}, Since: since, At: at, Older: base != nil && x.content(base).Seq > x.content(e).Seq}
		for j := range e.Revisions {
			r.Sources = append(r.Sources, x.compare(e, base, &e.Revisions[j], r.Older))
		}
		list = append(list, r)
	}
	return list
}

// lastIn finds the execution other than e that last succeeded in a stage, and
// when that was.
func (x *explainer) lastIn(stage string, e *Execution) (last *Execution, at int64) {
	for _, other := range x.all {
		for i := range other.Stages {
			r := &other.Stages[i]
			if other != e && r.Name == stage && r.Status == Succeeded && r.Ended >= at {
				last, at = other, r.Ended
			}
		}
	}
	return last, at
}

// content is the execution whose revisions an execution has: its target's, for a
// rollback.
func (x *explainer) content(e *Execution) *Execution {
	if e.Type == Rollback {
		if target := x.execution(e.Target); target != nil {
			return target
		}
	}
	return e
}

func (x *explainer) compare(e, base *Execution, to *SourceRevision, older bool) SourceChange {
	c := SourceChange{Action: to.Action, Artifact: to.Artifact, To: to.Revision}
	c.Pinned = slices.ContainsFunc(e.Overrides, func(o pipeline.SourceRevisionOverride) bool { return o.ActionName == to.Action })
	after := int64(-1)
	if base != nil {
		after = x.content(base).Seq
		if from := revisionOf(base, to.Action); from != nil {
			c.From = from
		}
	}
	if c.Pinned || older {
		return c
	}
	seen := map[string]bool{to.Revision.ID: true}
	if c.From != nil {
		seen[c.From.ID] = true
	}
	for _, other := range slices.Backward(x.all) {
		revision := revisionOf(other, to.Action)
		if other.Seq <= after || other.Seq >= x.content(e).Seq || other.Type == Rollback || revision == nil || seen[revision.ID] {
			continue
		}
		seen[revision.ID] = true
		if len(c.Carried) == maxCarried {
			c.Omitted++
			continue
		}
		c.Carried = append(c.Carried, Carried{Execution: other.ID, Status: other.Status, Revision: *revision})
	}
	slices.Reverse(c.Carried)
	return c
}

// revisionOf is what a source action fetched in an execution, or nil.
func revisionOf(e *Execution, action string) *pipeline.Revision {
	for i := range e.Revisions {
		if e.Revisions[i].Action == action {
			return &e.Revisions[i].Revision
		}
	}
	return nil
}
