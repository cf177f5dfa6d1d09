// Package providertest checks that an action provider keeps the promises of
// package provider, whatever it does, and helps with the rest of its tests:
// attempts, artifacts in memory, a log that tells when a text comes.
//
// A provider's own tests fill in a Suite:
//
//	providertest.Suite{
//		New:     func(t *testing.T) provider.Provider { ... },
//		Success: func(t *testing.T, a *provider.Attempt) { a.Configuration["Key"] = ... },
//	}.Run(t)
package providertest

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// Suite says how to make the provider under test do something. The functions
// fill in an attempt of NewAttempt; those that are nil are skipped.
type Suite struct {
	// New makes a provider.
	New func(t *testing.T) provider.Provider
	// Success is work that succeeds.
	Success func(t *testing.T, a *provider.Attempt)
	// Failure is work that fails.
	Failure func(t *testing.T, a *provider.Attempt)
	// Endless is work that ends only when it is stopped, and writes Started to
	// the log once when it has begun.
	Endless func(t *testing.T, a *provider.Attempt)
	Started string
	// Large is work that succeeds and writes at least that many bytes of output.
	Large func(t *testing.T, a *provider.Attempt) int64
	// Secret is work, of whatever result, that is given secrets in its
	// configuration; they are returned.
	Secret func(t *testing.T, a *provider.Attempt) []string
}

// Run runs the suite.
func (s Suite) Run(t *testing.T) {
	parts := []struct {
		name string
		has  bool
		part func(t *testing.T)
	}{
		{"type", true, s.typ},
		{"success", s.Success != nil, s.success},
		{"same id same work", s.Success != nil, s.again},
		{"failure", s.Failure != nil, s.failure},
		{"started twice at once", s.Endless != nil, s.twice},
		{"stop", s.Endless != nil, s.stop},
		{"stop what does not run", true, s.stopNothing},
		{"time-out", s.Endless != nil, s.timeout},
		{"nobody waits any more", s.Endless != nil, s.cancelled},
		{"output larger than memory", s.Large != nil, s.large},
		{"secrets", s.Secret != nil, s.secret},
	}
	for _, p := range parts {
		if !p.has {
			continue // the provider has no such work
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.part(t)
		})
	}
}

var nextID atomic.Int64

// attempt is an attempt with work to do.
func attempt(t *testing.T, fill func(*testing.T, *provider.Attempt)) provider.Attempt {
	t.Helper()
	a := NewAttempt(t, "attempt-"+string(rune('a'+nextID.Add(1)%26))+"-"+strings.ToLower(strings.Map(idRune, t.Name())))
	fill(t, &a)
	return a
}

func idRune(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}

func finish(t *testing.T, p provider.Provider, a provider.Attempt) provider.Report {
	t.Helper()
	report, err := Finish(t.Context(), p, a)
	if err != nil {
		t.Fatal(err)
	}
	checkReport(t, a, report)
	if t.Failed() {
		t.Logf("report: %+v\nlog:\n%s", report, LogOf(a))
	}
	return report
}

var variableName = regexp.MustCompile(`^[A-Za-z0-9@_-]+$`)

// checkReport judges what holds for every final report.
func checkReport(t *testing.T, a provider.Attempt, r provider.Report) {
	t.Helper()
	codes := []string{
		provider.CodeJobFailed, provider.CodeConfigurationError, provider.CodePermissionError,
		provider.CodeRevisionOutOfSync, provider.CodeRevisionUnavailable, provider.CodeSystemUnavailable,
	}
	switch r.Status {
	case provider.Succeeded:
		if r.ErrorCode != "" || r.ErrorMessage != "" {
			t.Errorf("a success with the error %s: %s", r.ErrorCode, r.ErrorMessage)
		}
	case provider.Failed:
		if !slices.Contains(codes, r.ErrorCode) || r.ErrorMessage == "" {
			t.Errorf("a failure must have a code of CodePipeline and a message: %q, %q", r.ErrorCode, r.ErrorMessage)
		}
	default:
		t.Errorf("status %q is not final", r.Status)
	}
	const longestSummary = 2048
	if len([]rune(r.Summary)) > longestSummary {
		t.Errorf("the summary has more than %d characters", longestSummary)
	}
	for name := range r.OutputVariables {
		if !variableName.MatchString(name) {
			t.Errorf("an output variable is named %q", name)
		}
	}
	for _, out := range a.Outputs {
		kept, err := a.Artifacts.Open(t.Context(), out.Location)
		if err == nil {
			kept.Close()
		}
		if produced := slices.Contains(r.Produced, out.Name); produced != (err == nil) {
			t.Errorf("output %s: reported as produced: %v, kept: %v", out.Name, produced, err == nil)
		}
	}
	for _, name := range r.Produced {
		if !slices.ContainsFunc(a.Outputs, func(out provider.OutputArtifact) bool { return out.Name == name }) {
			t.Errorf("%s was produced, but is no output of the action", name)
		}
	}
}

func (s Suite) typ(t *testing.T) {
	typ := s.New(t).Type()
	if typ.ID.Category == "" || typ.ID.Owner == "" || typ.ID.Provider == "" || typ.ID.Version == "" {
		t.Errorf("the type's id is incomplete: %v", typ.ID)
	}
	if typ.WhenLost == "" {
		t.Error("the type does not say what follows a lost node")
	}
}

func (s Suite) success(t *testing.T) {
	a := attempt(t, s.Success)
	if r := finish(t, s.New(t), a); r.Status != provider.Succeeded {
		t.Errorf("%s: %s\n%s", r.ErrorCode, r.ErrorMessage, LogOf(a))
	}
}

// again: asking again under the same key gives the same answer, from a provider
// that may not repeat its work without doing it again.
func (s Suite) again(t *testing.T) {
	p := s.New(t)
	a := attempt(t, s.Success)
	first := finish(t, p, a)
	log := LogOf(a).String()
	second := finish(t, p, a)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
	if p.Type().WhenLost != pipeline.LostAgain && LogOf(a).String() != log {
		t.Errorf("the work was done twice:\n%s", LogOf(a))
	}
	elsewhere := finish(t, s.New(t), withFreshWorkspace(t, a))
	if elsewhere.ExternalExecutionID != first.ExternalExecutionID {
		t.Errorf("the external id does not derive from the attempt: %s, then %s", first.ExternalExecutionID, elsewhere.ExternalExecutionID)
	}
}

func withFreshWorkspace(t *testing.T, a provider.Attempt) provider.Attempt {
	a.Workspace = t.TempDir()
	return a
}

func (s Suite) failure(t *testing.T) {
	if r := finish(t, s.New(t), attempt(t, s.Failure)); r.Status != provider.Failed {
		t.Errorf("status %s", r.Status)
	}
}

// result is what Finish returned in a goroutine.
type result struct {
	report provider.Report
	err    error
}

// begin starts endless work and returns when it runs.
func (s Suite) begin(t *testing.T, ctx context.Context, p provider.Provider, a provider.Attempt) <-chan result {
	t.Helper()
	done := make(chan result, 1)
	go func() {
		r, err := Finish(ctx, p, a)
		done <- result{r, err}
	}()
	select {
	case <-LogOf(a).Seen(s.Started):
	case r := <-done:
		t.Fatalf("it ended before it began: %+v, %v\n%s", r.report, r.err, LogOf(a))
	}
	return done
}

func (s Suite) twice(t *testing.T) {
	p := s.New(t)
	a := attempt(t, s.Endless)
	first := s.begin(t, t.Context(), p, a)
	second := make(chan result, 1)
	go func() {
		r, err := Finish(t.Context(), p, a)
		second <- result{r, err}
	}()
	if err := p.Stop(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	one, two := <-first, <-second
	if one.err != nil || two.err != nil {
		t.Fatal(one.err, two.err)
	}
	if diff := cmp.Diff(one.report, two.report); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(LogOf(a).String(), s.Started); n != 1 {
		t.Errorf("the work was begun %d times", n)
	}
}

func (s Suite) stop(t *testing.T) {
	p := s.New(t)
	a := attempt(t, s.Endless)
	done := s.begin(t, t.Context(), p, a)
	for range 2 {
		if err := p.Stop(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	checkReport(t, a, r.report)
	if r.report.Status != provider.Failed {
		t.Errorf("status %s after a stop", r.report.Status)
	}
	if err := p.Stop(t.Context(), a); err != nil {
		t.Errorf("stop after the end: %v", err)
	}
}

func (s Suite) stopNothing(t *testing.T) {
	if err := s.New(t).Stop(t.Context(), NewAttempt(t, "never-started")); err != nil {
		t.Error(err)
	}
}

func (s Suite) timeout(t *testing.T) {
	a := attempt(t, s.Endless)
	a.Deadline = time.Now().Add(300 * time.Millisecond)
	begun := time.Now()
	if r := finish(t, s.New(t), a); r.Status != provider.Failed {
		t.Errorf("status %s after the deadline", r.Status)
	}
	const tooLong = 30 * time.Second
	if took := time.Since(begun); took > tooLong {
		t.Errorf("it took %v to notice", took)
	}
}

// cancelled: when nobody waits, the call ends, and never with a success.
func (s Suite) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := attempt(t, s.Endless)
	done := s.begin(t, ctx, s.New(t), a)
	cancel()
	r := <-done
	if r.err != nil && !errors.Is(r.err, context.Canceled) {
		t.Errorf("error %v", r.err)
	}
	if r.err == nil && r.report.Status == provider.Succeeded {
		t.Error("work that was cut short is a success")
	}
}

// sink counts output.
type sink struct{ bytes atomic.Int64 }

func (k *sink) Write(p []byte) (int, error) {
	k.bytes.Add(int64(len(p)))
	return len(p), nil
}

func (s Suite) large(t *testing.T) {
	var log sink
	var want int64
	a := attempt(t, func(t *testing.T, a *provider.Attempt) { want = s.Large(t, a) })
	a.Log = &log
	r, err := Finish(t.Context(), s.New(t), a)
	if err != nil || r.Status != provider.Succeeded {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := log.bytes.Load(); got < want {
		t.Errorf("%d bytes of output, want %d", got, want)
	}
}

func (s Suite) secret(t *testing.T) {
	var secrets []string
	a := attempt(t, func(t *testing.T, a *provider.Attempt) { secrets = s.Secret(t, a) })
	r := finish(t, s.New(t), a)
	shown := strings.Join([]string{r.Summary, r.ErrorMessage, r.ExternalExecutionID, r.ExternalExecutionURL, string(r.State)}, "\n")
	for _, secret := range secrets {
		if strings.Contains(shown, secret) {
			t.Errorf("a secret is in the report:\n%s", shown)
		}
	}
}
