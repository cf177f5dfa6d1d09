package dispatch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/provider"
)

// sink is a log that is kept; it may be written by many.
type sink struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sink) Close(context.Context) error { return nil }

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// unreachable is a source whose first tries do not get through.
type unreachable struct {
	*actor
	tries chan error
}

func (u unreachable) Start(ctx context.Context, at provider.Attempt) (provider.Report, error) {
	select {
	case err := <-u.tries:
		return provider.Report{}, err
	default:
		return u.actor.Start(ctx, at)
	}
}

// TestTroubleIsToldOnce: an action that is tried again says so in its log, and the
// node in its own: at first, and when the reason changes.
func TestTroubleIsToldOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.Close()
		var told, printed sink
		tries := make(chan error, 4)
		for _, text := range []string{"the store is away", "the store is away", "the store is away", "the store is full"} {
			tries <- errors.New(text)
		}
		b.openLog = func(_ context.Context, _ string, _ []string) (dispatch.Log, error) { return &printed, nil }
		b.configure = func(c *dispatch.Config) {
			catalogue, err := provider.NewCatalogue(unreachable{b.source, tries}, b.build, b.rule)
			if err != nil {
				t.Fatal(err)
			}
			c.Catalogue, c.Logger = catalogue, slog.New(slog.NewTextHandler(&told, nil))
		}
		b.start()
		id := b.create(declaration())
		_, end := b.source.next(t)
		end(provider.Failure(provider.CodeJobFailed, "enough"))
		b.await(id, engine.Failed)
		for text, log := range map[string]string{"the server": told.String(), "the action": printed.String()} {
			if strings.Count(log, "the store is away") != 1 || strings.Count(log, "the store is full") != 1 {
				t.Errorf("%s logged\n%s", text, log)
			}
		}
		if strings.Contains(told.String(), "level=ERROR") || strings.Count(told.String(), "level=WARN") != 2 {
			t.Errorf("the server logged\n%s", told.String())
		}
	})
}

// The same trouble is news again after a minute.
func TestTroubleLasts(t *testing.T) {
	t.Parallel()
	var told strings.Builder
	tell := dispatch.TellTrouble()
	now := time.UnixMilli(0)
	for _, step := range []struct {
		after time.Duration
		text  string
	}{{0, "a"}, {59 * time.Second, "a"}, {time.Second, "a"}, {time.Second, "b"}, {time.Second, "a"}, {59 * time.Second, "a"}} {
		now = now.Add(step.after)
		if tell(errors.New(step.text), now) {
			io.WriteString(&told, step.text)
		}
	}
	if told.String() != "aaba" {
		t.Errorf("told %q", told.String())
	}
}

// A trouble whose text has another id in it each time is told no more often.
func TestTroubleWithIDs(t *testing.T) {
	t.Parallel()
	told, tell := 0, dispatch.TellTrouble()
	for try := range 121 { // ten minutes, every five seconds
		if tell(fmt.Errorf("SlowDown, request %d", try), time.UnixMilli(0).Add(time.Duration(try)*5*time.Second)) {
			told++
		}
	}
	if told != 4+9 {
		t.Errorf("told %d times, want at first, three times more, and once a minute", told)
	}
}
