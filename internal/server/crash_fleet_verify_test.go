package server_test

import (
	"fmt"
	"os"
	"strings"
)

// journaled is an action that notes in the journal when it begins and ends.
func (w *fleetWorld) journaled(name, verdict string) raw {
	note := func(what string) string {
		return fmt.Sprintf(`echo "%s %s $EXECUTION $CODEBUILD_BUILD_ID" >> "$JOURNAL"`, what, name)
	}
	return rawAction(name, "Compute", "AWS", "Commands", raw{
		"inputArtifacts": []raw{{"name": "App"}},
		"commands":       []string{note("begin"), "sleep 0.02", note("end"), verdict},
		"environmentVariables": []raw{
			{"name": "JOURNAL", "value": w.journal}, {"name": "EXECUTION", "value": executionReference},
		},
	})
}

// verify checks that every answer holds and what really ran.
func (w *fleetWorld) verify(c *crashClient) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ran := w.readJournal()
	asked := map[string]int{}
	for _, token := range w.tokens {
		asked[token.pipeline]++
	}
	for _, name := range w.pipelines {
		executions, err := w.executions(w.t.Context(), c, name)
		if err != nil {
			w.t.Fatal(err)
		}
		actions, err := w.actions(w.t.Context(), c, name)
		if err != nil {
			w.t.Fatal(err)
		}
		w.verifyExecutions(name, executions, asked[name])
		w.verifyActions(name, actions, ran)
	}
	w.verifyExclusive()
}

func (w *fleetWorld) verifyExecutions(name string, executions []crashFacts, asked int) {
	known, started := map[string]crashFacts{}, 0
	for _, e := range executions {
		known[e.PipelineExecutionID] = e
		if e.Trigger.Type == startOperation {
			started++
		}
	}
	if started != asked {
		w.t.Errorf("%s has %d executions that were started by calls; %d tokens were sent", name, started, asked)
	}
	for token, id := range w.starts {
		if _, ok := known[id]; token.pipeline == name && !ok {
			w.t.Errorf("execution %s of %s was acknowledged and is gone", id, name)
		}
	}
	for id, pipeline := range w.rollbacks {
		if pipeline == name && known[id].ExecutionType != "ROLLBACK" {
			w.t.Errorf("rollback %s of %s was acknowledged and is %+v", id, name, known[id])
		}
	}
}

func (w *fleetWorld) verifyActions(name string, actions []crashFacts, ran map[string]*journalEntry) {
	for _, a := range actions {
		if status, ok := w.answers[a.ActionExecutionID]; ok && a.Status != status {
			w.t.Errorf("approval %s was answered and acknowledged as %s; it is %s", a.ActionExecutionID, status, a.Status)
		}
		result := a.Output.ExecutionResult
		if result.Summary == lostMessage {
			w.lost++
		}
		if a.StageName != "Work" || a.Status != "Succeeded" {
			continue
		}
		if e := ran[result.ID]; e == nil || e.begins != 1 || e.ends != 1 {
			w.t.Errorf("action %s/%s of %s succeeded as build %s; the journal has %+v", name, a.ActionName, a.PipelineExecutionID, result.ID, e)
		}
	}
	for key, attempts := range w.retries {
		execution, stage, _ := strings.Cut(key, " ")
		if n := attemptsIn(actions, execution, stage); n > 0 && n < attempts {
			w.t.Errorf("the retry of stage %s of %s was acknowledged; there are %d attempts, not %d", stage, execution, n, attempts)
		}
	}
}

// journalEntry is what the journal says of one attempt.
type journalEntry struct {
	begins, ends int
	first, last  int // lines

	pipeline, execution, action string
}

func (w *fleetWorld) readJournal() map[string]*journalEntry {
	text, err := os.ReadFile(w.journal)
	if err != nil {
		w.t.Fatal(err)
	}
	entries := map[string]*journalEntry{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		words := strings.Fields(line)
		if len(words) != 4 {
			w.t.Fatalf("line %d of the journal: %q", n, line)
		}
		_, id, _ := strings.Cut(words[3], ":")
		e := entries[id]
		if e == nil {
			_, name, _ := strings.Cut(words[3], "codepipeline-")
			e = &journalEntry{pipeline: name[:strings.Index(name, ":")], action: words[1], execution: words[2], first: n}
			entries[id] = e
		}
		if words[0] == "begin" {
			e.begins++
		} else {
			e.ends, e.last = e.ends+1, n
		}
		if e.begins > 1 || e.ends > 1 {
			w.t.Errorf("line %d of the journal: an attempt ran again: %q", n, line)
		}
	}
	return entries
}

// verifyExclusive checks that no two executions were in one stage at once, but in
// PARALLEL mode.
func (w *fleetWorld) verifyExclusive() {
	entries := w.readJournal()
	for id, a := range entries {
		for other, b := range entries {
			apart := id == other || a.pipeline != b.pipeline || strings.HasPrefix(a.pipeline, "parallel") || a.execution == b.execution ||
				(a.action == "Deliver") != (b.action == "Deliver")
			if !apart && a.ends > 0 && b.ends > 0 && a.first < b.first && b.first < a.last {
				w.t.Errorf("executions %s and %s of %s were in one stage at once", a.execution, b.execution, a.pipeline)
			}
		}
	}
}
