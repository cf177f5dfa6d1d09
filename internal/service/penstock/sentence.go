package penstock

import (
	"fmt"
	"strings"

	"github.com/penstock-cd/penstock/internal/engine"
)

// sentence tells a change to people.
func sentence(c engine.Change) string {
	switch c.Kind {
	case engine.ExecutionStarted:
		return "Execution started."
	case engine.VariablesIgnored:
		return fmt.Sprintf("Ignored variables that the pipeline does not declare: %s.", strings.Join(c.Names, ", "))
	case engine.ExecutionChanged:
		return because(fmt.Sprintf("Execution is %s", c.Status), c.Summary)
	case engine.StageEntered:
		return fmt.Sprintf("Stage %s entered.", c.Stage)
	case engine.StageChanged:
		return fmt.Sprintf("Stage %s is %s.", c.Stage, c.Status)
	case engine.StageRetried:
		who := "by request"
		if c.Summary == string(engine.AutomatedStageRetry) {
			who = "by itself"
		}
		return fmt.Sprintf("Stage %s is retried %s.", c.Stage, who)
	case engine.ConditionChanged:
		if c.Status == engine.InProgress {
			return fmt.Sprintf("The %s condition of stage %s is evaluated.", c.Gate, c.Stage)
		}
		return fmt.Sprintf("The %s condition of stage %s is %s.", c.Gate, c.Stage, c.Status)
	case engine.RuleStarted:
		return fmt.Sprintf("Rule %s/%s started as %s.", c.Stage, c.Action, c.ActionID)
	case engine.RuleEnded:
		return because(fmt.Sprintf("Rule %s/%s is %s", c.Stage, c.Action, c.Status), firstText(c.Outcome.ErrorMessage, c.Outcome.Summary))
	case engine.ActionStarted:
		return fmt.Sprintf("Action %s/%s started as %s.", c.Stage, c.Action, c.ActionID)
	case engine.ActionEnded:
		return because(fmt.Sprintf("Action %s/%s is %s", c.Stage, c.Action, c.Status), firstText(c.Outcome.ErrorMessage, c.Outcome.Summary))
	}
	return fmt.Sprintf("%s %s %s", c.Kind, c.Stage, c.Action)
}

func because(what, why string) string {
	if why == "" {
		return what + "."
	}
	return what + ": " + strings.ReplaceAll(why, "\n", " ")
}

func firstText(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
