package main

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// workerPrinter prints what a worker and its jobs say, a line at a time.
type workerPrinter struct {
	mu       sync.Mutex
	out, err io.Writer
	json     bool
}

// workerEvent is a line of --output json.
type workerEvent struct {
	Type    string `json:"type"`
	Job     string `json:"jobId,omitempty"`
	Action  string `json:"action,omitempty"`
	Status  string `json:"status,omitempty"`
	Percent *int32 `json:"percent,omitempty"`
	Text    string `json:"text,omitempty"`
}

// note tells people something that is about no job.
func (p *workerPrinter) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json {
		_ = writeJSON(p.out, workerEvent{Type: "note", Text: text})
		return
	}
	fmt.Fprintln(p.err, "penstock:", text)
}

func (p *workerPrinter) event(e workerEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json {
		_ = writeJSON(p.out, e)
		return
	}
	text := e.Text
	switch e.Type {
	case "job":
		text = e.Action + " " + e.Status
		if e.Text != "" {
			text += ": " + e.Text
		}
	case "progress":
		text = fmt.Sprintf("%d %% %s", *e.Percent, e.Text)
	}
	fmt.Fprintf(p.out, "%.8s | %s\n", e.Job, text)
}

// jobOutput prints what a job says, and remembers what its result needs.
type jobOutput struct {
	print   *workerPrinter
	id      string
	name    string
	secrets *strings.Replacer

	mu      sync.Mutex
	last    []string // lines
	percent *int32
	said    string
}

// tailLines are how many of the last lines go with a failure.
const tailLines = 20

func newJobOutput(p *workerPrinter, id, name string, secrets []string) *jobOutput {
	// Output comes in lines, so each line of a secret is one.
	var parts []string
	for _, s := range secrets {
		for part := range strings.SplitSeq(s, "\n") {
			if part = strings.TrimSpace(part); part != "" {
				parts = append(parts, part)
			}
		}
	}
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, part := range parts {
		pairs = append(pairs, part, "***")
	}
	return &jobOutput{print: p, id: id, name: name, secrets: strings.NewReplacer(pairs...)}
}

func (o *jobOutput) masked(text string) string { return o.secrets.Replace(text) }

func (o *jobOutput) event(status, text string) {
	o.print.event(workerEvent{Type: "job", Job: o.id, Action: o.name, Status: status, Text: o.masked(text)})
}

// progressLine is how a command says how far it is.
var progressLine = regexp.MustCompile(`^::progress (\d{1,3})(?: (.*))?$`)

// line takes a line of output.
func (o *jobOutput) line(text string) {
	text = o.masked(sendable(strings.TrimSuffix(text, "\r")))
	if m := progressLine.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err == nil && n <= 100 {
			o.mu.Lock()
			o.percent, o.said = new(int32(n)), m[2]
			o.mu.Unlock()
			o.print.event(workerEvent{Type: "progress", Job: o.id, Action: o.name, Percent: new(int32(n)), Text: m[2]})
			return
		}
	}
	o.mu.Lock()
	if o.last = append(o.last, text); len(o.last) > tailLines {
		o.last = o.last[1:]
	}
	o.mu.Unlock()
	o.print.event(workerEvent{Type: "log", Job: o.id, Action: o.name, Text: text})
}

// tail are the last lines.
func (o *jobOutput) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.last, "\n")
}

// progress is what was said last.
func (o *jobOutput) progress() (*int32, string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.percent, o.said
}

// maxLine is the length at which a line is printed although it goes on.
const maxLine = 64 << 10

// lineStream cuts output into lines.
type lineStream struct {
	to   *jobOutput
	held []byte
}

func (o *jobOutput) stream() *lineStream { return &lineStream{to: o} }

// Write implements io.Writer.
func (s *lineStream) Write(p []byte) (int, error) {
	s.held = append(s.held, p...)
	for {
		end := bytes.IndexByte(s.held, '\n')
		if end < 0 {
			break
		}
		s.to.line(string(s.held[:end]))
		s.held = s.held[end+1:]
	}
	if len(s.held) > maxLine {
		s.flush()
	}
	return len(p), nil
}

// flush prints a last line without an end.
func (s *lineStream) flush() {
	if len(s.held) > 0 {
		s.to.line(string(s.held))
		s.held = nil
	}
}
