package penstock

import (
	"fmt"
	"time"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// findingText tells a finding to people, in a sentence. subject is the execution
// that was asked about.
func findingText(subject string, f *engine.Finding) string {
	text := liveText(f)
	if text == "" {
		text = endText(f)
	}
	text = because(text, detail(f))
	if f.Execution != subject {
		return "Execution " + f.Execution + ": " + text
	}
	return text
}

// detail is what somebody said of a finding: a reason, a question or an error.
func detail(f *engine.Finding) string {
	switch f.Kind {
	case engine.FoundTransitionDisabled, engine.FoundStopping, engine.FoundStopped, engine.FoundStartFailed, engine.FoundLimitReached:
		return f.Reason
	case engine.FoundApprovalPending:
		return f.Configuration["CustomData"]
	case engine.FoundActionFailed, engine.FoundRuleFailed:
		return firstText(f.Outcome.ErrorMessage, f.Outcome.Summary)
	case engine.FoundActionRunning, engine.FoundRuleRunning:
		if f.Provider == "Lambda" || f.Provider == "LambdaInvoke" {
			return "its function has not called PutJobSuccessResult or PutJobFailureResult yet; if it failed, its log says so."
		}
	}
	return ""
}

// liveText is about an execution that goes on; empty for what became of one.
func liveText(f *engine.Finding) string {
	where := f.Stage + "/" + f.Action
	switch f.Kind {
	case engine.FoundStageHeld:
		return fmt.Sprintf("Stage %s is held by execution %s since %s", f.Stage, f.Other, clock(f.Since))
	case engine.FoundTransitionDisabled:
		side := "inbound"
		if f.Outbound {
			side = "outbound"
		}
		text := fmt.Sprintf("The %s transition of stage %s is disabled%s since %s", side, f.Stage, by(f.By), clock(f.Since))
		if f.Expired {
			text += ", more than 30 days, so that enabling it lets this execution in no more"
		}
		return text
	case engine.FoundTransitionExpired:
		return fmt.Sprintf("A transition into stage %s was disabled for more than 30 days, so this execution is let in no more", f.Stage)
	case engine.FoundQueued:
		return fmt.Sprintf("It is number %d of %d in the queue for stage %s, since %s", f.Position, f.Of, f.Stage, clock(f.Since))
	case engine.FoundApprovalPending:
		return fmt.Sprintf("Approval %s waits for an answer since %s, until %s", where, clock(f.Since), clock(f.Until))
	case engine.FoundActionRunning:
		return fmt.Sprintf("Action %s (%s) runs since %s, until %s at most", where, f.Provider, clock(f.Since), clock(f.Until))
	case engine.FoundConditionEvaluating:
		return fmt.Sprintf("The %s condition of stage %s is evaluated since %s", gateName(f.Gate), f.Stage, clock(f.Since))
	case engine.FoundRuleRunning:
		return fmt.Sprintf("Rule %s (%s) is judged since %s, until %s at most", where, f.Provider, clock(f.Since), clock(f.Until))
	case engine.FoundWindowClosed:
		zone := firstText(f.Configuration["TimeZone"], "UTC")
		text := fmt.Sprintf("Rule %s waits since %s for the deployment window %q (%s)", where, clock(f.Since), f.Configuration["Cron"], zone)
		if f.Until != 0 {
			text += ", which opens at " + clock(f.Until)
		}
		return text
	case engine.FoundStopping:
		return fmt.Sprintf("It stops when what runs has ended; that was asked for%s at %s", by(f.By), clock(f.Since))
	case engine.FoundCancelling:
		return fmt.Sprintf("The definition was updated to version %d: it is cancelled when what runs has ended", f.Version)
	case engine.FoundStageRetried:
		return fmt.Sprintf("Stage %s was retried: %d times automatically, %d times on request", f.Stage, f.AutoRetries, f.ManualRetries)
	}
	return ""
}

// endText is about what became of an execution or a part of it.
func endText(f *engine.Finding) string {
	where := f.Stage + "/" + f.Action
	switch f.Kind {
	case engine.FoundRollback:
		return fmt.Sprintf("It rolls stage %s back to execution %s (%s)", f.Stage, f.Other, f.Reason)
	case engine.FoundStageSkipped:
		if f.Gate == pipeline.GateOnFailure {
			return fmt.Sprintf("Stage %s failed and was skipped at %s", f.Stage, clock(f.Until))
		}
		return fmt.Sprintf("Stage %s was skipped at %s, because its entry condition did not hold", f.Stage, clock(f.Until))
	case engine.FoundSucceeded:
		return "It succeeded at " + clock(f.Since)
	case engine.FoundSuperseded:
		other := "a newer execution"
		if f.Other != "" {
			other = "execution " + f.Other
		}
		return fmt.Sprintf("It waited for stage %s since %s and was superseded by %s at %s", f.Stage, clock(f.Since), other, clock(f.Until))
	case engine.FoundCancelled:
		return fmt.Sprintf("It was cancelled at %s at stage %s, because the definition was updated to version %d", clock(f.Since), f.Stage, f.Version)
	case engine.FoundStopped:
		return fmt.Sprintf("It was stopped at %s at stage %s%s", clock(f.Since), f.Stage, by(f.By))
	case engine.FoundStartFailed, engine.FoundLimitReached:
		return fmt.Sprintf("It failed at %s before it began", clock(f.Since))
	case engine.FoundActionFailed:
		if f.By != "" {
			return fmt.Sprintf("Approval %s was rejected%s", where, by(f.By))
		}
		return fmt.Sprintf("Action %s failed%s", where, coded(f.Outcome.ErrorCode))
	case engine.FoundActionAbandoned:
		return fmt.Sprintf("Action %s was abandoned", where)
	case engine.FoundConditionFailed:
		if f.Status == engine.Errored {
			return fmt.Sprintf("The %s condition of stage %s could not be evaluated", gateName(f.Gate), f.Stage)
		}
		return fmt.Sprintf("The %s condition of stage %s did not hold", gateName(f.Gate), f.Stage)
	case engine.FoundRuleFailed:
		return fmt.Sprintf("Rule %s (%s) did not hold%s", where, f.Provider, coded(f.Outcome.ErrorCode))
	case engine.FoundRolledBack:
		return fmt.Sprintf("Execution %s, which is %s, rolled stage %s back", f.Other, f.Status, f.Stage)
	}
	return string(f.Kind)
}

// gateName is what people call the condition of a gate.
func gateName(gate string) string {
	switch gate {
	case pipeline.GateBeforeEntry:
		return "entry"
	case pipeline.GateOnSuccess:
		return "success"
	}
	return "failure"
}

func by(who string) string {
	if who == "" {
		return ""
	}
	return " by " + who
}

func coded(code string) string {
	if code == "" {
		return ""
	}
	return " (" + code + ")"
}

func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05 UTC") }
