package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"
)

// textShow writes a line for each thing that happens. At a terminal it has
// colours and a last line with what runs and for how long.
type textShow struct {
	mu      sync.Mutex
	out     io.Writer
	live    bool       // a terminal is there
	verbose bool       // what a build says of itself is shown too
	width   func() int // of the terminal
	status  bool       // the last line is a status
	asked   string     // the question that waits for an answer
	running map[string]time.Time
	names   []string
	ticked  time.Time
}

func newTextShow(out io.Writer, verbose bool) *textShow {
	s := &textShow{out: out, verbose: verbose, running: map[string]time.Time{}}
	if f, ok := out.(*os.File); ok && isTerminal(f) {
		s.live = true
		s.width = func() int {
			if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
				return w
			}
			return 80
		}
	}
	return s
}

const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (s *textShow) paint(color, text string) string {
	if !s.live {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// print writes a line above the status, or above the question that waits.
func (s *textShow) print(format string, args ...any) {
	s.clear()
	fmt.Fprintf(s.out, format+"\n", args...)
	if s.asked != "" {
		fmt.Fprint(s.out, s.asked)
	}
}

func (s *textShow) clear() {
	if s.status || s.asked != "" {
		fmt.Fprint(s.out, "\r\x1b[2K")
		s.status = false
	}
}

func (s *textShow) begin(pipeline, execution string, notes []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print("%s execution %s", s.paint(bold, "Pipeline "+pipeline), execution)
	for _, n := range notes {
		s.print("%s", s.paint(yellow, "Note: "+n))
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
	if said, ok := buildSays(text); ok && !s.verbose {
		switch command, runs := strings.CutPrefix(said, "Running command "); {
		case runs:
			text = s.paint(cyan, "$ "+command)
		case bookkeeping(said):
			return
		default:
			text = s.paint(yellow, said)
		}
	} else if ok {
		text = s.paint(dim, text)
	} else if s.live && strings.Contains(text, "\x1b") {
		text += "\x1b[0m" // a colour ends with its line
	}
	s.print("%s %s", s.paint(dim, action+" |"), text)
}

func (s *textShow) ended(action, _ string, end actionEnd) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, action)
	if end.notRun() {
		s.print("%s %s", s.paint(bold, action), s.paint(yellow, "not run"))
		return
	}
	color := green
	if end.Status != "Succeeded" {
		color = red
	}
	text := fmt.Sprintf("%s in %s", s.paint(color, end.Status), seconds(end.Elapsed))
	if end.Summary != "" {
		text += ": " + oneLine(end.Summary)
	}
	s.print("%s %s", s.paint(bold, action), text)
}

func (s *textShow) approval(action, custom string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := "waits for an approval"
	if custom != "" {
		text += ": " + oneLine(custom)
	}
	s.print("%s %s", s.paint(bold, action), s.paint(yellow, text))
}

func (s *textShow) question(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.asked = text
	fmt.Fprint(s.out, text)
}

func (s *textShow) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = ""
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
	if !s.live || s.asked != "" || len(s.running) == 0 || time.Since(s.ticked) < 100*time.Millisecond {
		return
	}
	s.ticked = time.Now()
	parts := []string{seconds(elapsed)}
	for _, name := range s.names {
		if began, ok := s.running[name]; ok {
			parts = append(parts, name+" "+seconds(time.Since(began)))
		}
	}
	s.clear()
	line := []rune(strings.Join(parts, "  "))
	// A line that wraps could not be taken back.
	line = line[:min(len(line), max(s.width()-1, 0))]
	fmt.Fprint(s.out, s.paint(dim, string(line)))
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
		text += ": " + oneLine(r.Summary)
	}
	if s.asked != "" { // nobody answers any more
		s.clear()
		s.asked = ""
	}
	s.print("%s %s", s.paint(bold, "Execution"), text)
	if len(r.NotRun) > 0 {
		s.print("%s", s.paint(yellow, "Not run: "+strings.Join(r.NotRun, ", ")))
	}
}

func seconds(d time.Duration) string {
	if d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

// oneLine is the first line of a text, without what a terminal would obey: it may
// come from a commit of somebody else.
func oneLine(text string) string {
	first, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	first = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, first)
	if strings.TrimSpace(rest) != "" {
		first += " …"
	}
	return first
}
