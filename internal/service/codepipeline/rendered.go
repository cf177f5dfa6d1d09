package codepipeline

import (
	"sync"

	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
)

// rendered remembers what answers show of versions of pipelines and of their
// states. A version of a pipeline never changes, and of a state only that is kept
// which depends on nothing but its version, so what is remembered is right for
// ever; which one is the current one the database says in each request. Answers
// share what is remembered: nobody may change it.
type rendered struct {
	mu           sync.Mutex
	declarations map[versionKey]*wire.PipelineDeclaration
	summaries    map[versionKey]wire.PipelineSummary
	states       map[string]renderedState // by the id of the pipeline
}

// renderedState is the answer of GetPipelineState about one version of the state.
type renderedState struct {
	version int64
	out     *wire.GetPipelineStateOutput
}

// versionKey names a version of a pipeline.
type versionKey struct {
	id      string
	version int
}

// maxRendered bounds each of the maps.
const maxRendered = 4096

func newRendered() *rendered {
	return &rendered{
		declarations: map[versionKey]*wire.PipelineDeclaration{}, summaries: map[versionKey]wire.PipelineSummary{},
		states: map[string]renderedState{},
	}
}

// declaration returns what is remembered, or remembers what render makes.
func (r *rendered) declaration(p dispatch.Pipeline, render func(dispatch.Pipeline) (*wire.PipelineDeclaration, error)) (*wire.PipelineDeclaration, error) {
	key := versionKey{p.ID, p.Version}
	r.mu.Lock()
	d, ok := r.declarations[key]
	r.mu.Unlock()
	if ok {
		return d, nil
	}
	d, err := render(p)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	makeRoom(r.declarations)
	r.declarations[key] = d
	return d, nil
}

// list is declaration for the entries of a list of pipelines.
func (r *rendered) list(list []dispatch.Pipeline, render func(*dispatch.Pipeline) wire.PipelineSummary) []wire.PipelineSummary {
	out := make([]wire.PipelineSummary, len(list))
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range list {
		key := versionKey{list[i].ID, list[i].Version}
		summary, ok := r.summaries[key]
		if !ok {
			summary = render(&list[i])
			makeRoom(r.summaries)
			r.summaries[key] = summary
		}
		out[i] = summary
	}
	return out
}

// state returns the answer that is remembered of just this version of the state.
func (r *rendered) state(p dispatch.Pipeline, s dispatch.State) (*wire.GetPipelineStateOutput, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.states[p.ID]
	if !ok || known.version != s.Version {
		return nil, false
	}
	return known.out, true
}

// keepState remembers the answer about a state that is settled.
func (r *rendered) keepState(p dispatch.Pipeline, s dispatch.State, out *wire.GetPipelineStateOutput) {
	r.mu.Lock()
	defer r.mu.Unlock()
	makeRoom(r.states)
	r.states[p.ID] = renderedState{s.Version, out}
}

// makeRoom lets go of any one entry if there are too many.
func makeRoom[K comparable, V any](m map[K]V) {
	if len(m) < maxRendered {
		return
	}
	for key := range m { // it is rendered again when needed
		delete(m, key)
		return
	}
}
