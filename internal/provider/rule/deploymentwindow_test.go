package rule

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/provider/providertest"
)

func configured(pairs ...string) func(*testing.T, *provider.Attempt) {
	return func(_ *testing.T, a *provider.Attempt) {
		for i := 0; i < len(pairs); i += 2 {
			a.Configuration[pairs[i]] = pairs[i+1]
		}
	}
}

// TestSuites: the promises of package provider.
func TestSuites(t *testing.T) {
	t.Parallel()
	suites := []providertest.Suite{
		{
			New:     func(*testing.T) provider.Provider { return NewVariableCheck() },
			Success: configured("Variable", "a", "Operator", "EQ", "Value", "a"),
			Failure: configured("Variable", "a", "Operator", "EQ", "Value", "b"),
			Secret: func(t *testing.T, a *provider.Attempt) []string {
				configured("Variable", "hidden-1", "Operator", "EQ", "Value", "hidden-2")(t, a)
				return []string{"hidden-1", "hidden-2"}
			},
		},
		{
			New:     func(*testing.T) provider.Provider { return NewDeploymentWindow(nil) },
			Success: configured("Cron", "* * * * * ?"),
			Failure: configured("Cron", "* * * * * ? 1999"),
		},
		{
			New: func(*testing.T) provider.Provider {
				return alarmIn(map[string]string{"good": "OK", "bad": "ALARM"}, time.Now)
			},
			Success: configured("AlarmName", "good"),
			Failure: configured("AlarmName", "bad"),
		},
	}
	for _, s := range suites {
		id := s.New(t).Type().ID
		if _, err := provider.NewCatalogue(s.New(t)); err != nil || id.Category != pipeline.CategoryRule {
			t.Errorf("%s: %v", id, err)
		}
		t.Run(id.Provider, func(t *testing.T) {
			t.Parallel()
			s.Run(t)
		})
	}
}

// TestDeploymentWindowWaits: a closed window is waited for, to the moment, and
// on another node too.
func TestDeploymentWindowWaits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.November, 22, 23, 59, 58, 750_000_000, time.UTC)
	clock := func() time.Time { return now }
	a := providertest.NewAttempt(t, "window")
	a.Configuration = map[string]string{"Cron": "0 0 9 ? * MON *", "TimeZone": "Europe/Berlin"}
	r, err := NewDeploymentWindow(clock).Start(t.Context(), a)
	if err != nil || r.Status != provider.InProgress || !strings.Contains(r.Summary, "2026-11-23T09:00:00+01:00 (Europe/Berlin)") ||
		string(r.State) != `{"opens":"2026-11-23T08:00:00Z"}` {
		t.Fatalf("%+v, %v", r, err)
	}
	if want := 8*time.Hour + 1250*time.Millisecond; r.LookAgain != want {
		t.Errorf("looks again after %v, want %v", r.LookAgain, want)
	}
	a.State = r.State
	now = now.Add(r.LookAgain - 1)
	if r, err = NewDeploymentWindow(clock).Await(t.Context(), a); err != nil || r.Status != provider.InProgress || r.LookAgain != 1 {
		t.Errorf("a nanosecond early: %+v, %v", r, err)
	}
	now = now.Add(r.LookAgain)
	if r, err = NewDeploymentWindow(clock).Await(t.Context(), a); err != nil || r.Status != provider.Succeeded {
		t.Errorf("open: %+v, %v", r, err)
	}
	now = now.Add(time.Minute)
	if r, err = NewDeploymentWindow(clock).Await(t.Context(), a); err != nil || r.LookAgain != 7*24*time.Hour-time.Minute {
		t.Errorf("a minute later: %+v, %v", r, err)
	}
}

func TestDeploymentWindowCannotJudge(t *testing.T) {
	t.Parallel()
	tests := []struct{ cron, zone, want string }{
		{"", "", "cannot be read"},
		{"* * * *", "", "4 fields"},
		{"* * * * * ?", "Mars/Olympus", "not a time zone"},
		{"* * * 30 2 ?", "", "never opens again"},
	}
	for _, test := range tests {
		a := providertest.NewAttempt(t, "window")
		a.Configuration = map[string]string{"Cron": test.cron, "TimeZone": test.zone}
		r, err := NewDeploymentWindow(nil).Start(t.Context(), a)
		if err != nil || r.ErrorCode != provider.CodeConfigurationError || !strings.Contains(r.ErrorMessage, test.want) || r.Judged() {
			t.Errorf("%+v: %+v, %v", test, r, err)
		}
	}
}
