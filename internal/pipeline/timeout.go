package pipeline

// Time limits of actions, in milliseconds.
const (
	minute = 60 * 1000
	hour   = 60 * minute
	day    = 24 * hour

	// DefaultTimeout is the limit of an action whose type names none.
	DefaultTimeout = 1 * hour
	// ApprovalTimeout is the limit of a manual approval that declares none.
	ApprovalTimeout = 7 * day
)

// actionTimeout is the limit of one action: declared is its type's, zero if that
// says nothing. timeoutInMinutes is honoured for approvals only (reference:
// actions.md 1.1, 1.7).
func actionTimeout(id ActionTypeID, declared int64, minutes int) int64 {
	approval := id.Category == CategoryApproval
	switch {
	case approval && minutes > 0:
		return int64(minutes) * minute
	case declared > 0:
		return declared
	case approval:
		return ApprovalTimeout
	}
	return DefaultTimeout
}

// ruleTimeout is the limit of one rule: timeoutInMinutes is honoured for all of
// them (reference: actions.md B.1; the limits of rules that declare none are in
// B.4 and B.7 where they are known at all).
func ruleTimeout(id ActionTypeID, declared int64, minutes int) int64 {
	switch {
	case minutes > 0:
		return int64(minutes) * minute
	case declared > 0:
		return declared
	}
	switch id.Provider {
	case "DeploymentWindow", "LambdaInvoke", "CloudWatchAlarm":
		return day
	case "CodeBuild":
		return 8 * hour
	case "Commands":
		return 55 * minute
	}
	return DefaultTimeout
}

// timeout is the limit of an action or a rule.
func (l *located) timeout() int64 {
	if l.gate != "" {
		return ruleTimeout(l.ActionTypeID, l.kind.Timeout, l.TimeoutInMinutes)
	}
	return actionTimeout(l.ActionTypeID, l.kind.Timeout, l.TimeoutInMinutes)
}
