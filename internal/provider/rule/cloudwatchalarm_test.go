package rule

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/provider/providertest"
)

// alarmIn is the provider in a world of alarms, by name.
func alarmIn(states map[string]string, now func() time.Time) *CloudWatchAlarm {
	return &CloudWatchAlarm{now: now, find: func(_ context.Context, region, name string) (*alarm, error) {
		if states[name] == "" || region != "eu-central-1" {
			return nil, nil
		}
		return &alarm{arn: "arn:" + name, state: states[name], reason: "why"}, nil
	}}
}

func watching(t *testing.T, gate string, pairs ...string) provider.Attempt {
	t.Helper()
	a := providertest.NewAttempt(t, "alarm")
	a.Gate = gate
	a.Configuration["AlarmName"] = "prod"
	configured(pairs...)(t, &a)
	return a
}

// TestAlarmFirstLook: what a gate makes of the state of an alarm at once.
func TestAlarmFirstLook(t *testing.T) {
	t.Parallel()
	tests := []struct {
		gate, states, state string
		want                bool
	}{
		{pipeline.GateBeforeEntry, "", "OK", true},
		{pipeline.GateBeforeEntry, "", "INSUFFICIENT_DATA", true},
		{pipeline.GateBeforeEntry, "", "ALARM", false},
		{pipeline.GateOnSuccess, "", "ALARM", false},
		{pipeline.GateOnSuccess, "ALARM, INSUFFICIENT_DATA", "INSUFFICIENT_DATA", false},
		{pipeline.GateOnSuccess, "OK", "ALARM", true},
		{pipeline.GateOnFailure, "", "ALARM", true},
		{pipeline.GateOnFailure, "", "OK", false},
		{pipeline.GateOnFailure, "OK,INSUFFICIENT_DATA", "OK", true},
	}
	for _, test := range tests {
		p := alarmIn(map[string]string{"prod": test.state}, time.Now)
		r, err := p.Start(t.Context(), watching(t, test.gate, "AlarmStates", test.states, "WaitTime", "0"))
		if err != nil || (r.Status == provider.Succeeded) != test.want || !r.Judged() || r.Status == provider.InProgress ||
			r.Summary != "Alarm prod is in state "+test.state+": why" || r.ExternalExecutionID != "arn:prod" {
			t.Errorf("%+v: %+v, %v", test, r, err)
		}
	}
}

// TestAlarmWaits: a rule waits for an alarm to change, and no longer than it may,
// whichever node looks.
func TestAlarmWaits(t *testing.T) {
	t.Parallel()
	for gate, states := range map[string][2]string{
		pipeline.GateOnSuccess: {"ALARM", "OK"}, pipeline.GateOnFailure: {"OK", "ALARM"},
	} {
		now := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
		world := map[string]string{"prod": states[0]}
		node := func() *CloudWatchAlarm { return alarmIn(world, func() time.Time { return now }) }
		a := watching(t, gate, "WaitTime", "20")
		looks := 0
		r, err := node().Start(t.Context(), a)
		for err == nil && r.Status == provider.InProgress {
			if looks++; !strings.Contains(r.Summary, "until 2026-11-22T12:20:00Z") || r.LookAgain > lookEvery || r.LookAgain <= 0 {
				t.Fatalf("%s: %+v", gate, r)
			}
			now = now.Add(r.LookAgain)
			a.State = r.State
			r, err = node().Await(t.Context(), a)
		}
		if err != nil || r.Status != provider.Failed || r.ErrorCode != provider.CodeJobFailed || looks != 80 || now.Minute() != 20 {
			t.Errorf("%s: never changed: %+v, %v after %d looks at %s", gate, r, err, looks, now)
		}
		now = now.Add(-time.Second)
		maps.Copy(world, map[string]string{"prod": states[1]})
		if r, err := node().Await(t.Context(), a); err != nil || r.Status != provider.Succeeded {
			t.Errorf("%s: changed: %+v, %v", gate, r, err)
		}
		a.State = nil
		if r, err := node().Await(t.Context(), a); err != nil || r.Status != provider.Succeeded {
			t.Errorf("%s: without a state: %+v, %v", gate, r, err)
		}
	}
}

func TestAlarmCannotBeJudged(t *testing.T) {
	t.Parallel()
	p := alarmIn(map[string]string{"prod": "OK"}, time.Now)
	tests := []struct{ key, value, want string }{
		{"AlarmName", "", "AlarmName is missing"},
		{"AlarmName", "other", "no alarm other in region eu-central-1"},
		{"AlarmStates", "ALARM,", `""`},
		{"AlarmStates", "alarm", `"alarm"`},
		{"WaitTime", "soon", "number of minutes"},
		{"WaitTime", "-1", "number of minutes"},
		{"WaitTime", "86401", "number of minutes"},
	}
	for _, test := range tests {
		a := watching(t, pipeline.GateOnSuccess, test.key, test.value)
		r, err := p.Start(t.Context(), a)
		if err != nil || r.ErrorCode != provider.CodeConfigurationError || !strings.Contains(r.ErrorMessage, test.want) {
			t.Errorf("%+v: %+v, %v", test, r, err)
		}
		a.State = []byte(`{"until":"2026-11-22T12:20:00Z"}`)
		if again, err := p.Await(t.Context(), a); err != nil || again.ErrorMessage != r.ErrorMessage {
			t.Errorf("%+v, later: %+v, %v", test, again, err)
		}
	}
	a := watching(t, pipeline.GateOnSuccess)
	a.State = []byte(`{`)
	if r, err := p.Await(t.Context(), a); err == nil {
		t.Errorf("a broken state: %+v", r)
	}
	down := errors.New("no answer")
	p.find = func(context.Context, string, string) (*alarm, error) { return nil, down }
	if r, err := p.Start(t.Context(), a); !errors.Is(err, down) {
		t.Errorf("no answer is a verdict: %+v, %v", r, err)
	}
}
