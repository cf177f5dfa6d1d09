package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// show tells what happens in an execution. Its methods may be called from
// several goroutines.
type show interface {
	begin(pipeline, execution string, notes []string)
	started(action, id string)
	line(action, text string)
	ended(action string, end actionEnd)
	approval(action, custom string)
	question(text string)
	note(text string)
	tick(elapsed time.Duration)
	end(r result)
}

// actionEnd is how an action ended.
type actionEnd struct {
	Status  string
	Summary string
	Elapsed time.Duration
}

// result is how the execution ended.
type result struct {
	Status  string
	Summary string
	Elapsed time.Duration
	NotRun  []string
}

func newShow(format string, stdout, stderr io.Writer) show {
	if format == "json" {
		return &jsonShow{out: json.NewEncoder(stdout)}
	}
	return &textShow{out: stdout, live: isTerminal(stdout), running: map[string]time.Time{}}
}

// textShow writes a line for each thing that happens. At a terminal it has
// colours and a last line with what runs and for how long.
type textShow struct {
	mu      sync.Mutex
	out     io.Writer
	live    bool
	status  bool // the last line is a status
	running map[string]time.Time
	names   []string
	ticked  time.Time
	asking  bool
}

const (
	plain  = "0"
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (s *textShow) paint(color, text string) string {
	if !s.live || color == plain {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func (s *textShow) print(format string, args ...any) {
	s.clear()
	fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *textShow) clear() {
	if s.status {
		fmt.Fprint(s.out, "\r\x1b[2K")
		s.status = false
	}
}

func (s *textShow) begin(pipeline, execution string, notes []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print("%s execution %s", s.paint(bold, "Pipeline "+pipeline), execution)
	for _, n := range notes {
		s.print("note: %s", n)
	}
}

func (s *textShow) started(action, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[action] = time.Now()
	s.names = append(s.names, action)
	s.print("%s started", s.paint(bold, action))
}

func (s *textShow) line(action, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print("%s %s", s.paint(dim, action+" |"), text)
}

func (s *textShow) ended(action string, end actionEnd) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, action)
	color, status := green, end.Status
	switch {
	case end.Summary == "not run":
		color, status, end.Summary = yellow, "not run", ""
	case end.Status != "Succeeded":
		color = red
	}
	text := fmt.Sprintf("%s in %s", s.paint(color, status), seconds(end.Elapsed))
	if end.Summary != "" {
		first, _, _ := strings.Cut(end.Summary, "\n")
		text += ": " + first
	}
	s.print("%s %s", s.paint(bold, action), text)
}

func (s *textShow) approval(action, custom string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := "waits for an approval"
	if custom != "" {
		text += ": " + custom
	}
	s.print("%s %s", s.paint(bold, action), s.paint(yellow, text))
}

func (s *textShow) question(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.asking = true
	fmt.Fprint(s.out, text)
}

func (s *textShow) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print("%s", s.paint(yellow, text))
}

// tick refreshes the status line a few times a second.
func (s *textShow) tick(elapsed time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live || s.asking || len(s.running) == 0 || time.Since(s.ticked) < 100*time.Millisecond {
		return
	}
	s.ticked = time.Now()
	var parts []string
	for _, name := range s.names {
		if began, ok := s.running[name]; ok {
			parts = append(parts, name+" "+seconds(time.Since(began)))
		}
	}
	s.clear()
	fmt.Fprint(s.out, s.paint(dim, seconds(elapsed)+"  "+strings.Join(parts, "  ")))
	s.status = true
}

func (s *textShow) end(r result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	color := green
	if r.Status != "Succeeded" {
		color = red
	}
	text := fmt.Sprintf("%s in %s", s.paint(color, r.Status), seconds(r.Elapsed))
	if r.Summary != "" {
		text += ": " + r.Summary
	}
	s.print("%s %s", s.paint(bold, "Execution"), text)
	if len(r.NotRun) > 0 {
		s.print("%s", s.paint(yellow, "Not run: "+strings.Join(r.NotRun, ", ")))
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// jsonShow writes one JSON object for each thing that happens.
type jsonShow struct {
	mu  sync.Mutex
	out *json.Encoder
}

// jsonEvent is a line of --output json.
type jsonEvent struct {
	Type      string   `json:"type"`
	Pipeline  string   `json:"pipeline,omitempty"`
	Execution string   `json:"pipelineExecutionId,omitempty"`
	Action    string   `json:"action,omitempty"`
	ActionID  string   `json:"actionExecutionId,omitempty"`
	Status    string   `json:"status,omitempty"`
	Text      string   `json:"text,omitempty"`
	Seconds   float64  `json:"seconds,omitempty"`
	Notes     []string `json:"notes,omitempty"`
	NotRun    []string `json:"notRun,omitempty"`
}

func (s *jsonShow) emit(e jsonEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A consumer that has gone away cannot be told.
	_ = s.out.Encode(e)
}

func (s *jsonShow) begin(pipeline, execution string, notes []string) {
	s.emit(jsonEvent{Type: "execution", Pipeline: pipeline, Execution: execution, Status: "InProgress", Notes: notes})
}

func (s *jsonShow) started(action, id string) {
	s.emit(jsonEvent{Type: "action", Action: action, ActionID: id, Status: "InProgress"})
}

func (s *jsonShow) line(action, text string) {
	s.emit(jsonEvent{Type: "log", Action: action, Text: text})
}

func (s *jsonShow) ended(action string, end actionEnd) {
	status := end.Status
	if end.Summary == "not run" {
		status = "NotRun"
	}
	s.emit(jsonEvent{Type: "action", Action: action, Status: status, Text: end.Summary, Seconds: end.Elapsed.Seconds()})
}

func (s *jsonShow) approval(action, custom string) {
	s.emit(jsonEvent{Type: "approval", Action: action, Text: custom})
}

func (s *jsonShow) question(text string) { s.emit(jsonEvent{Type: "question", Text: text}) }
func (s *jsonShow) note(text string)     { s.emit(jsonEvent{Type: "note", Text: text}) }
func (s *jsonShow) tick(time.Duration)   {}

func (s *jsonShow) end(r result) {
	s.emit(jsonEvent{Type: "result", Status: r.Status, Text: r.Summary, Seconds: r.Elapsed.Seconds(), NotRun: r.NotRun})
}
