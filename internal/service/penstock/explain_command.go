package penstock

import (
	"strings"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// conditionType is the name of a gate in the operations of AWS.
func conditionType(gate string) string {
	switch gate {
	case pipeline.GateBeforeEntry:
		return "BEFORE_ENTRY"
	case pipeline.GateOnSuccess:
		return "ON_SUCCESS"
	}
	return "ON_FAILURE"
}

func transitionType(outbound bool) string {
	if outbound {
		return "Outbound"
	}
	return "Inbound"
}

// commandLine is the command of the AWS CLI that does what a remedy says. The
// names and ids in it need no quotes: their characters are those of the model.
func commandLine(name string, r *engine.Remedy) string {
	stage := []string{"--pipeline-name", name, "--stage-name", r.Stage}
	execution := append(stage[:4:4], "--pipeline-execution-id", r.Execution)
	switch r.Kind {
	case engine.RemedyEnableTransition:
		return awsCLI("enable-stage-transition", append(stage, "--transition-type", transitionType(r.Outbound))...)
	case engine.RemedyApprove, engine.RemedyReject:
		status := "Approved"
		if r.Kind == engine.RemedyReject {
			status = "Rejected"
		}
		return awsCLI("put-approval-result", append(stage, "--action-name", r.Action, "--token", r.Token,
			"--result", "summary="+status+",status="+status)...)
	case engine.RemedyRetryFailedActions:
		return awsCLI("retry-stage-execution", append(execution, "--retry-mode", "FAILED_ACTIONS")...)
	case engine.RemedyRetryAllActions:
		return awsCLI("retry-stage-execution", append(execution, "--retry-mode", "ALL_ACTIONS")...)
	case engine.RemedyOverride:
		return awsCLI("override-stage-condition", append(execution, "--condition-type", conditionType(r.Gate))...)
	case engine.RemedyRollBack:
		return awsCLI("rollback-stage", append(stage, "--target-pipeline-execution-id", r.Execution)...)
	case engine.RemedyStop:
		return awsCLI("stop-pipeline-execution", "--pipeline-name", name, "--pipeline-execution-id", r.Execution)
	case engine.RemedyAbandon:
		return awsCLI("stop-pipeline-execution", "--pipeline-name", name, "--pipeline-execution-id", r.Execution) + " --abandon"
	default: // RemedyStart
		return awsCLI("start-pipeline-execution", "--name", name)
	}
}

// awsCLI joins options and their values. A value that looks like an option has to
// be part of its own.
func awsCLI(command string, options ...string) string {
	words := []string{"aws", "codepipeline", command}
	for i := 0; i < len(options); i += 2 {
		if strings.HasPrefix(options[i+1], "-") {
			words = append(words, options[i]+"="+options[i+1])
			continue
		}
		words = append(words, options[i], options[i+1])
	}
	return strings.Join(words, " ")
}
