// Package penstock answers Penstock's own operations: what AWS has no operation
// for. The command line and the console use nothing else besides the operations
// of AWS.
package penstock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/penstock"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/logs"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Info is what a server says of itself.
type Info struct{ Version, Account, Region, Endpoint string }

// Service implements the operations.
type Service struct {
	wire.Unimplemented
	dispatch *dispatch.Dispatcher
	logs     *logs.Store
	auth     *iam.Service
	info     func() Info
}

var _ wire.Service = (*Service)(nil)

// New makes the service.
func New(d *dispatch.Dispatcher, l *logs.Store, auth *iam.Service, info func() Info) *Service {
	return &Service{dispatch: d, logs: l, auth: auth, info: info}
}

// GetServerInfo tells which server this is.
func (s *Service) GetServerInfo(_ context.Context, c api.Caller, _ *wire.GetServerInfoInput) (*wire.GetServerInfoOutput, error) {
	if err := s.auth.Authorize(c, "penstock:GetServerInfo", "*"); err != nil {
		return nil, err
	}
	info := s.info()
	return &wire.GetServerInfoOutput{
		Version: &info.Version, Account: &info.Account, Region: &info.Region, Endpoint: &info.Endpoint,
	}, nil
}

// GetActionLog returns the output of an action execution, or the log of a
// pipeline execution: what became of it, line by line. With waitSeconds it waits
// for the first new line.
func (s *Service) GetActionLog(ctx context.Context, c api.Caller, in *wire.GetActionLogInput) (*wire.GetActionLogOutput, error) {
	if in.PipelineName == nil || (in.ActionExecutionId == nil) == (in.PipelineExecutionId == nil) {
		return nil, &api.Error{
			Code:    "ValidationException",
			Message: "Give pipelineName and one of actionExecutionId and pipelineExecutionId.",
		}
	}
	name := *in.PipelineName
	if err := s.askPipeline(c, "penstock:GetActionLog", name); err != nil {
		return nil, err
	}
	p, err := s.dispatch.Pipeline(ctx, dispatch.Key{Account: c.Account, Region: c.Region, Name: name}, 0)
	if errors.Is(err, dispatch.ErrPipelineNotFound) {
		return nil, &wire.PipelineNotFoundException{
			Message: fmt.Sprintf("Account '%s' does not have a pipeline with name '%s'", c.Account, name),
		}
	}
	if err != nil {
		return nil, err
	}
	q := query{from: value(in.NextLine, 0), limit: int(value(in.MaxLines, 1000))}
	q.until = time.Now().Add(time.Duration(value(in.WaitSeconds, 0)) * time.Second)
	if in.PipelineExecutionId != nil {
		return s.executionLog(ctx, p, *in.PipelineExecutionId, q)
	}
	return s.actionLog(ctx, p, *in.ActionExecutionId, q)
}

// query is a part of a log to read, and until when to wait for it.
type query struct {
	from  int64
	limit int
	until time.Time
}

func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// look is how often a log that has not begun yet is looked for.
const look = 100 * time.Millisecond

// actionLog reads the output of an action. A log that has not begun is empty,
// and complete once its action is over.
func (s *Service) actionLog(ctx context.Context, p dispatch.Pipeline, id string, q query) (*wire.GetActionLogOutput, error) {
	for {
		a, err := s.dispatch.ActionExecution(ctx, p, id)
		if errors.Is(err, dispatch.ErrActionNotFound) {
			return nil, &wire.ActionExecutionNotFoundException{
				Message: fmt.Sprintf("Action execution '%s' does not exist in pipeline '%s'", id, p.Name),
			}
		}
		if err != nil {
			return nil, err
		}
		over := a.Status != engine.InProgress
		page, err := s.logs.Read(ctx, id, q.from, q.limit)
		if errors.Is(err, logs.ErrNoStream) {
			page, err = logs.Page{Next: q.from, Complete: true}, nil
		}
		if err != nil {
			return nil, err
		}
		complete := over && page.Complete
		if len(page.Lines) > 0 || complete || !time.Now().Before(q.until) {
			return logPage(page.Lines, page.Next, complete), nil
		}
		if err := s.waitForLine(ctx, id, q, page.Complete); err != nil {
			return nil, err
		}
	}
}

// waitForLine waits until there is more to read, or it is time to look again.
func (s *Service) waitForLine(ctx context.Context, id string, q query, closed bool) error {
	ctx, cancel := context.WithDeadline(ctx, q.until)
	defer cancel()
	if closed {
		// Not begun, or between two openings: nothing says when it goes on.
		timer := time.NewTimer(look)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		return nil
	}
	err := s.logs.Wait(ctx, id, q.from)
	if ctx.Err() != nil || errors.Is(err, logs.ErrNoStream) {
		return nil
	}
	return err
}

// executionLog renders the history of an execution.
func (s *Service) executionLog(ctx context.Context, p dispatch.Pipeline, id string, q query) (*wire.GetActionLogOutput, error) {
	var history []logs.Line
	for read := int64(-1); ; {
		x, err := s.dispatch.Execution(ctx, p, id)
		if errors.Is(err, dispatch.ErrExecutionNotFound) {
			return nil, &wire.PipelineExecutionNotFoundException{
				Message: fmt.Sprintf("Pipeline Execution with id '%s' does not exist in pipeline with name '%s'", id, p.Name),
			}
		}
		if err != nil {
			return nil, err
		}
		if read != x.LastChange {
			if history, err = s.history(ctx, p, x); err != nil {
				return nil, err
			}
			read = x.LastChange
		}
		var lines []logs.Line
		for _, l := range history {
			if l.Number >= q.from && len(lines) < q.limit {
				lines = append(lines, l)
			}
		}
		next := q.from + int64(len(lines))
		complete := x.Ended() && next >= int64(len(history))
		if len(lines) > 0 || complete || !time.Now().Before(q.until) {
			return logPage(lines, next, complete), nil
		}
		timer := time.NewTimer(look)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
	}
}

// history is the log of an execution so far. What is to be known of its
// definition follows the first change, which every later look finds in the same
// place.
func (s *Service) history(ctx context.Context, p dispatch.Pipeline, x dispatch.Execution) ([]logs.Line, error) {
	changes, err := s.dispatch.History(ctx, x)
	if err != nil {
		return nil, err
	}
	plan, err := s.dispatch.Plan(p, x.Version)
	if err != nil {
		return nil, err
	}
	var lines []logs.Line
	add := func(at int64, text string) {
		lines = append(lines, logs.Line{Number: int64(len(lines)), At: at, Text: text})
	}
	for i, c := range changes {
		add(c.At, sentence(c))
		if i == 0 && plan.Triggers > 0 {
			add(c.At, pipeline.TriggersNotWatched)
		}
	}
	return lines, nil
}

func logPage(lines []logs.Line, next int64, complete bool) *wire.GetActionLogOutput {
	out := &wire.GetActionLogOutput{Lines: []wire.LogLine{}, NextLine: &next, Complete: &complete}
	for _, l := range lines {
		out.Lines = append(out.Lines, wire.LogLine{Number: new(l.Number), At: api.TimestampOf(l.At), Text: new(l.Text)})
	}
	return out
}
