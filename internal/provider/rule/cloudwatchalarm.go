package rule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// CloudWatchAlarm looks at an alarm. Before a stage and after its success the
// rule holds as soon as the alarm is in none of the watched states; after a
// failure, as soon as it is in one of them. It waits for that as long as WaitTime
// says (actions.md B.3, execution.md 5.2 and 5.3).
type CloudWatchAlarm struct {
	still
	find func(ctx context.Context, region, name string) (*alarm, error)
	now  func() time.Time
}

var (
	_ provider.Provider = (*CloudWatchAlarm)(nil)
	_ provider.Checker  = (*CloudWatchAlarm)(nil)
)

// NewCloudWatchAlarm returns the provider. It reads the SDK's configuration when
// the first rule asks: one that is broken concerns nobody else. now is the clock;
// nil: time.Now.
func NewCloudWatchAlarm(c CloudWatchConfig, now func() time.Time) *CloudWatchAlarm {
	if now == nil {
		now = time.Now
	}
	return &CloudWatchAlarm{find: newAlarms(c).find, now: now}
}

// Type implements provider.Provider.
func (p *CloudWatchAlarm) Type() pipeline.ActionType { return ruleType("CloudWatchAlarm") }

// lookEvery is how often a rule looks at an alarm: CloudWatch itself judges one
// every ten seconds at most.
const lookEvery = 15 * time.Second

// Watching is the state of a CloudWatchAlarm rule that waits.
type Watching struct {
	// Until is when the rule gives up.
	Until time.Time `json:"until"`
}

// watch is the configuration of a rule.
type watch struct {
	name   string
	states []string
	wait   time.Duration
}

func readWatch(configuration map[string]string) (watch, error) {
	w := watch{name: configuration["AlarmName"], states: []string{"ALARM"}}
	if w.name == "" {
		return w, errors.New("the AlarmName is missing")
	}
	if text := strings.TrimSpace(configuration["AlarmStates"]); text != "" {
		w.states = nil
		for state := range strings.SplitSeq(text, ",") {
			state = strings.TrimSpace(state)
			if state != "ALARM" && state != "OK" && state != "INSUFFICIENT_DATA" {
				return w, fmt.Errorf("the AlarmStates have %q, which is not one of ALARM, OK and INSUFFICIENT_DATA", shown(state))
			}
			w.states = append(w.states, state)
		}
	}
	if text := strings.TrimSpace(configuration["WaitTime"]); text != "" {
		const most = 86400 // the longest time limit of a rule, in minutes
		minutes, err := strconv.Atoi(text)
		if err != nil || minutes < 0 || minutes > most {
			return w, fmt.Errorf("the WaitTime %q is not a number of minutes up to %d", shown(text), most)
		}
		w.wait = time.Duration(minutes) * time.Minute
	}
	return w, nil
}

// Check implements provider.Checker.
func (p *CloudWatchAlarm) Check(known map[string]string) error {
	w := map[string]string{"AlarmName": "of a reference", "AlarmStates": known["AlarmStates"], "WaitTime": known["WaitTime"]}
	if name, given := known["AlarmName"]; given {
		w["AlarmName"] = name
	}
	_, err := readWatch(w)
	return err
}

// Start looks at the alarm for the first time.
func (p *CloudWatchAlarm) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	w, err := readWatch(a.Configuration)
	if err != nil {
		return unjudged("The rule cannot be judged: %v.", err), nil
	}
	return p.look(ctx, a, w, p.now().Add(w.wait))
}

// Await looks again. Without a state it is the first time.
func (p *CloudWatchAlarm) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	if a.State == nil {
		return p.Start(ctx, a)
	}
	w, err := readWatch(a.Configuration)
	if err != nil {
		return unjudged("The rule cannot be judged: %v.", err), nil
	}
	var watching Watching
	if err := json.Unmarshal(a.State, &watching); err != nil {
		return provider.Report{}, fmt.Errorf("read the state of action execution %s: %w", a.ID, err)
	}
	return p.look(ctx, a, w, watching.Until)
}

func (p *CloudWatchAlarm) look(ctx context.Context, a provider.Attempt, w watch, until time.Time) (provider.Report, error) {
	found, err := p.find(ctx, a.Region, w.name)
	if said, refused := errors.AsType[*refusal](err); refused {
		r := provider.Failure(said.code, said.message)
		r.Summary = said.message
		return r, nil
	}
	if err != nil {
		return provider.Report{}, err
	}
	if found == nil {
		return unjudged("There is no alarm %s in region %s.", shown(w.name), a.Region), nil
	}
	report, wanted := p.judge(a.Gate, w, found), a.Gate == pipeline.GateOnFailure
	report.ExternalExecutionID = found.arn
	left := until.Sub(p.now())
	if report.Status == provider.Succeeded || left <= 0 {
		return report, nil
	}
	state, err := json.Marshal(Watching{Until: until.UTC()})
	if err != nil {
		return provider.Report{}, fmt.Errorf("keep how long action execution %s waits: %w", a.ID, err)
	}
	verb := "leave"
	if wanted {
		verb = "reach"
	}
	return provider.Report{
		Status: provider.InProgress, State: state, LookAgain: min(lookEvery, left), ExternalExecutionID: found.arn,
		Summary: fmt.Sprintf("Alarm %s is in state %s. It has until %s to %s %s.",
			shown(w.name), found.state, until.UTC().Format(time.RFC3339), verb, strings.Join(w.states, ", ")),
	}, nil
}

// judge is the verdict as the alarm is now.
func (p *CloudWatchAlarm) judge(gate string, w watch, found *alarm) provider.Report {
	verdict := fails
	if slices.Contains(w.states, found.state) == (gate == pipeline.GateOnFailure) {
		verdict = holds
	}
	reason := ""
	if found.reason != "" {
		reason = ": " + shown(found.reason)
	}
	return verdict("Alarm %s is in state %s%s", shown(w.name), found.state, reason)
}
