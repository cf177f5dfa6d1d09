package penstock

import (
	"testing"

	"github.com/penstock-cd/penstock/internal/engine"
)

// TestSentence: every kind of change that an execution's log can hold, in words
// of one line.
func TestSentence(t *testing.T) {
	t.Parallel()
	tests := []struct {
		change engine.Change
		want   string
	}{
		{engine.Change{Kind: engine.ExecutionStarted}, "Execution started."},
		{engine.Change{Kind: engine.VariablesIgnored, Names: []string{"A", "B"}}, "Ignored variables that the pipeline does not declare: A, B."},
		{engine.Change{Kind: engine.ExecutionChanged, Status: engine.Succeeded}, "Execution is Succeeded."},
		{engine.Change{Kind: engine.ExecutionChanged, Status: engine.Stopped, Summary: "over\nfor today"}, "Execution is Stopped: over for today"},
		{engine.Change{Kind: engine.StageEntered, Stage: "Build"}, "Stage Build entered."},
		{engine.Change{Kind: engine.StageChanged, Stage: "Build", Status: engine.Failed}, "Stage Build is Failed."},
		{engine.Change{Kind: engine.ActionStarted, Stage: "Build", Action: "Make", ActionID: "a1"}, "Action Build/Make started as a1."},
		{engine.Change{Kind: engine.ActionEnded, Stage: "Build", Action: "Make", Status: engine.Succeeded}, "Action Build/Make is Succeeded."},
		{engine.Change{Kind: engine.ActionEnded, Stage: "Build", Action: "Make", Status: engine.Failed,
			Outcome: engine.Outcome{Summary: "summary", ErrorMessage: "exit status 2"}}, "Action Build/Make is Failed: exit status 2"},
		{engine.Change{Kind: "Unheard", Stage: "Build", Action: "Make"}, "Unheard Build Make"},
	}
	for _, test := range tests {
		if got := sentence(test.change); got != test.want {
			t.Errorf("%+v: %q, want %q", test.change, got, test.want)
		}
	}
}
