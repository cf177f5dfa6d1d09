package providertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// NewAttempt is an attempt as dispatch would make it, without inputs and
// outputs, with artifacts in memory and a log of its own.
func NewAttempt(t testing.TB, id string) provider.Attempt {
	t.Helper()
	return provider.Attempt{
		ID: id, Account: "111122223333", Region: "eu-central-1",
		PipelineName: "shop", PipelineVersion: 1, ExecutionID: "execution-of-" + id,
		StageName: "Stage", ActionName: "Action",
		Configuration: map[string]string{},
		Deadline:      time.Now().Add(time.Hour),
		Log:           &Log{},
		Workspace:     t.TempDir(),
		Artifacts:     NewArtifacts(),
	}
}

// AddInput gives an attempt an input artifact with the content.
func AddInput(t testing.TB, a *provider.Attempt, name, revision string, content []byte) {
	t.Helper()
	at := pipeline.ArtifactLocation{Name: name, Bucket: "store", Key: "shop/" + name + "/abc1234"}
	if err := a.Artifacts.Put(t.Context(), at, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	a.Inputs = append(a.Inputs, provider.InputArtifact{Name: name, Location: at, Revision: revision})
}

// AddOutput gives an attempt an output artifact.
func AddOutput(a *provider.Attempt, name string, files ...string) {
	a.Outputs = append(a.Outputs, provider.OutputArtifact{
		Name: name, Files: files,
		Location: pipeline.ArtifactLocation{Name: name, Bucket: "store", Key: "shop/" + name + "/out1234"},
	})
}

// Finish calls Start, then Await until the report is final, as dispatch does.
func Finish(ctx context.Context, p provider.Provider, a provider.Attempt) (provider.Report, error) {
	report, err := p.Start(ctx, a)
	for err == nil && report.Status == provider.InProgress {
		a.State = report.State
		if report.LookAgain > 0 {
			timer := time.NewTimer(report.LookAgain)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return report, ctx.Err()
			}
		}
		report, err = p.Await(ctx, a)
	}
	return report, err
}

// Log keeps the output of an action and tells when a text appears in it.
type Log struct {
	mu    sync.Mutex
	text  []byte
	waits []logWait
}

type logWait struct {
	text string
	seen chan struct{}
}

// maxLog is what a Log keeps; more is counted as an error of the test.
const maxLog = 16 << 20

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.text)+len(p) > maxLog {
		return 0, fmt.Errorf("the log of a test is longer than %d bytes: %w", maxLog, io.ErrShortWrite)
	}
	l.text = append(l.text, p...)
	l.waits = appendUnseen(nil, l.waits, string(l.text))
	return len(p), nil
}

// appendUnseen closes the waits whose text is there and appends the others.
func appendUnseen(list, waits []logWait, text string) []logWait {
	for _, w := range waits {
		if strings.Contains(text, w.text) {
			close(w.seen)
		} else {
			list = append(list, w)
		}
	}
	return list
}

// Seen is closed when the text is in the log.
func (l *Log) Seen(text string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := logWait{text, make(chan struct{})}
	l.waits = appendUnseen(l.waits, []logWait{w}, string(l.text))
	return w.seen
}

// String is all that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// LogOf is the log of an attempt that NewAttempt made.
func LogOf(a provider.Attempt) *Log { return a.Log.(*Log) }
