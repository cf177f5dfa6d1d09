package main

import (
	"io"
	"time"

	"github.com/penstock-cd/penstock/internal/provider/source"
)

// show tells what happens in an execution. Its methods may be called from
// several goroutines.
type show interface {
	begin(pipeline, execution string, notes []string)
	started(action, id string)
	line(action, text string)
	ended(action, id string, end actionEnd)
	approval(action, custom string)
	// question asks, until answered is called.
	question(text string)
	answered()
	note(text string)
	tick(elapsed time.Duration)
	end(r result)
}

// actionEnd is how an action ended.
type actionEnd struct {
	Status  string
	Summary string
	Elapsed time.Duration
}

// notRun reports whether the action was left out.
func (a actionEnd) notRun() bool { return a.Summary == source.NotRunSummary }

// result is how the execution ended.
type result struct {
	Status  string
	Summary string
	Elapsed time.Duration
	NotRun  []string
}

func newShow(o runOptions, stdout io.Writer) show {
	if o.output == "json" {
		return newJSONShow(stdout)
	}
	return newTextShow(stdout, o.verbose)
}
