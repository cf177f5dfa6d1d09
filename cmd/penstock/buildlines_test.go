package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const stamp = "[Container] 2026/01/02 03:04:05.678901 "

// What is left out of a run's text is decided for every line that a build can
// say; a new one shows until somebody decides otherwise.
func TestBookkeeping(t *testing.T) {
	t.Parallel()
	shown := []string{ // by their beginnings
		"Skipping", "Command did not exit successfully", "Phase context status code: %s Message: %s",
		"Running command", "Ignoring environment variable", "Not supported by this server",
	}
	files, err := filepath.Glob("../../internal/provider/build/*.go")
	if err != nil {
		t.Fatal(err)
	}
	printf := regexp.MustCompile(`log\.printf\("((?:[^"\\]|\\.)*)"`)
	total := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, match := range printf.FindAllStringSubmatch(string(text), -1) {
			total++
			format := match[1]
			want := true
			for _, prefix := range shown {
				want = want && !strings.HasPrefix(format, prefix)
			}
			line := strings.NewReplacer("%s: %s commands", "BUILD: 3 commands", "State: %s", "State: FAILED", "_%s=", "_Other=", "complete: %s", "complete: BUILD", "phase %s", "phase BUILD", "%d", "3", "%s", "word", "%q", `"word"`).Replace(format)
			said, ok := buildSays(stamp + line)
			if !ok || bookkeeping(said) != want {
				t.Errorf("%q (%s): said %t, bookkeeping %t, want %t", line, filepath.Base(file), ok, bookkeeping(said), want)
			}
		}
	}
	if total < 20 {
		t.Errorf("found only %d lines that builds say", total)
	}
	for line, want := range map[string]bool{
		"Phase context status code: COMMAND_EXECUTION_ERROR Message: Error while executing command: x. Reason: exit status 1": true,
		"Phase context status code: BUILD_TIMED_OUT Message: Build has timed out. ":                                           false,
		"Phase context status code: YAML_FILE_ERROR Message: stat buildspec.yml: no such file":                                false,
	} {
		if bookkeeping(line) != want {
			t.Errorf("%q: bookkeeping is %t", line, !want)
		}
	}
	for _, text := range []string{"Entering phase BUILD", "[Container] yesterday Entering phase BUILD", "x" + stamp + "Entering phase BUILD"} {
		if _, ok := buildSays(text); ok {
			t.Errorf("%q was taken for a line of the build", text)
		}
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             "",
		"one":                          "one",
		"subject\n\nbody":              "subject …",
		"subject\n\n":                  "subject",
		"\n subject":                   "subject",
		"a\x1b[2J\x07b\r":              "a[2Jb",
		"Deploy 1?\tLast: x\u009b31my": "Deploy 1?Last: x31my",
	} {
		if got := oneLine(text); got != want {
			t.Errorf("oneLine(%q) = %q, want %q", text, got, want)
		}
	}
}

// At a terminal a line that comes while a question waits stands above it, and a
// status line never wraps.
func TestTextShowAtATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := newTextShow(&out, false)
	s.live, s.width = true, func() int { return 20 }
	s.started("Stage/ActionWithALongName", "id")
	out.Reset()
	s.tick(time.Minute + 5*time.Second)
	if got, want := out.String(), "\x1b[2m1m5s  Stage/ActionW\x1b[0m"; got != want {
		t.Errorf("status %q, want %q", got, want)
	}
	out.Reset()
	s.question("Sure? ")
	s.line("A/B", "red \x1b[31mtext")
	s.tick(time.Hour)
	s.answered()
	s.note("done")
	want := "\r\x1b[2KSure? " + "\r\x1b[2K" + "\x1b[2mA/B |\x1b[0m red \x1b[31mtext\x1b[0m\nSure? " + "\x1b[33mdone\x1b[0m\n"
	if got := out.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPrompter(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newPrompter(strings.NewReader("what\n YES \nno\n"), newTextShow(&out, false))
	for _, want := range []bool{true, false} {
		if got, err := p.ask("Really?"); got != want || err != nil {
			t.Errorf("ask = %t, %v, want %t", got, err, want)
		}
	}
	if _, err := p.ask("Really?"); err == nil || fmt.Sprint(err) != "EOF" {
		t.Errorf("at the end: %v", err)
	}
	if got := strings.Count(out.String(), "Really? [y/n] "); got != 4 {
		t.Errorf("asked %d times", got)
	}
}
