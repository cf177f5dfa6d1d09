package build

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// containerLog is the log of a build: the output of the commands, and between
// it the lines of the agent, each on a line of its own (actions.md D.11).
type containerLog struct {
	now func() time.Time

	mu     sync.Mutex
	out    io.Writer
	within bool  // the last line is not complete
	err    error // the first write that failed
}

// Write passes output on.
func (l *containerLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	n, err := l.out.Write(p)
	l.within = p[len(p)-1] != '\n'
	if err != nil && l.err == nil {
		l.err = err
	}
	return n, err
}

// printf writes a line of the agent.
func (l *containerLog) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := fmt.Sprintf("[Container] %s %s\n", l.now().UTC().Format("2006/01/02 15:04:05.000000"), fmt.Sprintf(format, args...))
	if l.within {
		text = "\n" + text
	}
	l.within = false
	if _, err := io.WriteString(l.out, text); err != nil && l.err == nil {
		l.err = err
	}
}

// failed returns the first error of a write.
func (l *containerLog) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
