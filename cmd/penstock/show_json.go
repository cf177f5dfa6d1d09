package main

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// jsonShow writes one JSON object for each thing that happens.
type jsonShow struct {
	mu  sync.Mutex
	out *json.Encoder
}

func newJSONShow(out io.Writer) *jsonShow {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return &jsonShow{out: encoder}
}

// The types of a jsonEvent. docs/commands.md explains them.
const (
	eventExecution = "execution"
	eventAction    = "action"
	eventLog       = "log"
	eventApproval  = "approval"
	eventQuestion  = "question"
	eventNote      = "note"
	eventResult    = "result"
)

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
	s.emit(jsonEvent{Type: eventExecution, Pipeline: pipeline, Execution: execution, Status: "InProgress", Notes: notes})
}

func (s *jsonShow) started(action, id string) {
	s.emit(jsonEvent{Type: eventAction, Action: action, ActionID: id, Status: "InProgress"})
}

func (s *jsonShow) line(action, text string) {
	s.emit(jsonEvent{Type: eventLog, Action: action, Text: text})
}

func (s *jsonShow) ended(action, id string, end actionEnd) {
	e := jsonEvent{Type: eventAction, Action: action, ActionID: id, Status: end.Status, Text: end.Summary, Seconds: end.Elapsed.Seconds()}
	if end.notRun() {
		e.Status, e.Text = "NotRun", ""
	}
	s.emit(e)
}

func (s *jsonShow) approval(action, custom string) {
	s.emit(jsonEvent{Type: eventApproval, Action: action, Text: custom})
}

func (s *jsonShow) question(text string) { s.emit(jsonEvent{Type: eventQuestion, Text: text}) }
func (s *jsonShow) answered()            {}
func (s *jsonShow) note(text string)     { s.emit(jsonEvent{Type: eventNote, Text: text}) }
func (s *jsonShow) tick(time.Duration)   {}

func (s *jsonShow) end(r result) {
	s.emit(jsonEvent{Type: eventResult, Status: r.Status, Text: r.Summary, Seconds: r.Elapsed.Seconds(), NotRun: r.NotRun})
}
