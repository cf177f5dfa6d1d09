package trigger

import (
	"context"
	"iter"
	"slices"

	"github.com/penstock-cd/penstock/internal/dispatch"
)

// pipelinePage is how many pipelines are listed at once.
const pipelinePage = 1000

// maxRemembered is of how many accounts sources are remembered.
const maxRemembered = 64

// sourcePage is the sources of a page of the pipelines of an account and region.
// Every change asks for them, and almost none finds any, so that they are taken out
// of the definitions only when the page has become another one. It is no source of
// truth: the database is asked for the page each time, on every node.
type sourcePage struct {
	region, after string
	pipelines     []definitionID
	list          []source
	of            map[object][]source
}

// definitionID names a version of a pipeline's definition, which never changes. What
// else a source has of its pipeline stays with the pipeline's id.
type definitionID struct {
	pipeline string
	version  int
}

func newSourcePage(region, after string, pipelines []dispatch.Pipeline) *sourcePage {
	p := &sourcePage{region: region, after: after, of: map[object][]source{}}
	for i := range pipelines {
		p.pipelines = append(p.pipelines, definitionID{pipelines[i].ID, pipelines[i].Version})
		p.list = append(p.list, sourcesOf(pipelines[i])...)
	}
	for _, src := range p.list {
		p.of[src.object] = append(p.of[src.object], src)
	}
	return p
}

// holds reports whether these pipelines are those of the page still.
func (p *sourcePage) holds(region, after string, pipelines []dispatch.Pipeline) bool {
	if p.region != region || p.after != after || len(p.pipelines) != len(pipelines) {
		return false
	}
	for i := range pipelines {
		if p.pipelines[i] != (definitionID{pipelines[i].ID, pipelines[i].Version}) {
			return false
		}
	}
	return true
}

// sourcePages are the S3 sources of an account that are to be watched now. They are
// shared: nobody may change them.
func (s *Store) sourcePages(ctx context.Context, account string) ([]*sourcePage, error) {
	regions, err := s.Dispatch.Regions(ctx, account)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	before := s.sources[account]
	s.mu.Unlock()
	var pages []*sourcePage
	for _, region := range regions {
		for after := ""; ; {
			pipelines, err := s.Dispatch.Pipelines(ctx, account, region, after, pipelinePage)
			if err != nil {
				return nil, err
			}
			known := slices.IndexFunc(before, func(p *sourcePage) bool { return p.holds(region, after, pipelines) })
			if known >= 0 {
				pages = append(pages, before[known])
			} else {
				pages = append(pages, newSourcePage(region, after, pipelines))
			}
			if len(pipelines) < pipelinePage {
				break
			}
			after = pipelines[len(pipelines)-1].Name
		}
	}
	s.remember(account, pages)
	return pages, nil
}

// remember keeps the sources of an account for the next time.
func (s *Store) remember(account string, pages []*sourcePage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.sources[account]; !known && len(s.sources) >= maxRemembered {
		for other := range s.sources { // any one will do: it is made again when needed
			delete(s.sources, other)
			break
		}
	}
	s.sources[account] = pages
}

// ofObject goes through the sources on some pages that are an object.
func ofObject(pages []*sourcePage, at object) iter.Seq[source] {
	return func(yield func(source) bool) {
		for _, p := range pages {
			for _, src := range p.of[at] {
				if !yield(src) {
					return
				}
			}
		}
	}
}
