package rule

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// DeploymentWindow holds while a window of time is open, and waits for it while
// it is closed. A window is a set of minutes; whether a closed one fails the rule
// or is waited for is not documented.
type DeploymentWindow struct {
	still
	now func() time.Time
}

var (
	_ provider.Provider = (*DeploymentWindow)(nil)
	_ provider.Checker  = (*DeploymentWindow)(nil)
)

// NewDeploymentWindow returns the provider. now is the clock; nil: time.Now.
func NewDeploymentWindow(now func() time.Time) *DeploymentWindow {
	if now == nil {
		now = time.Now
	}
	return &DeploymentWindow{now: now}
}

// Type implements provider.Provider.
func (p *DeploymentWindow) Type() pipeline.ActionType { return ruleType("DeploymentWindow") }

// Check implements provider.Checker.
func (p *DeploymentWindow) Check(known map[string]string) error {
	if expression, given := known["Cron"]; given {
		if _, err := parseCron(expression); err != nil {
			return fmt.Errorf("the Cron expression %q cannot be read: %w", shown(expression), err)
		}
	}
	if _, err := parseZone(known["TimeZone"]); err != nil {
		return fmt.Errorf("the TimeZone cannot be read: %w", err)
	}
	return nil
}

// Closed is the state of a DeploymentWindow rule that waits.
type Closed struct {
	// Opens is when the window opens next.
	Opens time.Time `json:"opens"`
}

// Start looks at the clock.
func (p *DeploymentWindow) Start(_ context.Context, a provider.Attempt) (provider.Report, error) {
	return p.look(a)
}

// Await looks again. What it waits for follows from the configuration alone.
func (p *DeploymentWindow) Await(_ context.Context, a provider.Attempt) (provider.Report, error) {
	return p.look(a)
}

func (p *DeploymentWindow) look(a provider.Attempt) (provider.Report, error) {
	expression := a.Configuration["Cron"]
	c, err := parseCron(expression)
	if err != nil {
		return unjudged("The Cron expression %q cannot be read: %v.", shown(expression), err), nil
	}
	place, err := parseZone(a.Configuration["TimeZone"])
	if err != nil {
		return unjudged("The TimeZone cannot be read: %v.", err), nil
	}
	now := p.now()
	opens, ok := c.opens(now, place)
	if !ok {
		return unjudged("The window of the Cron expression %q never opens again.", shown(expression)), nil
	}
	wait := opens.Sub(now)
	if wait <= 0 {
		return holds("The deployment window is open."), nil
	}
	state, err := json.Marshal(Closed{Opens: opens.UTC()})
	if err != nil {
		return provider.Report{}, fmt.Errorf("keep when the window of action execution %s opens: %w", a.ID, err)
	}
	return provider.Report{
		Status: provider.InProgress, State: state, LookAgain: wait,
		Summary: fmt.Sprintf("The deployment window is closed. It opens at %s (%s).", opens.In(place).Format(time.RFC3339), place),
	}, nil
}
