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

// actionTimeout is the limit of one action. timeoutInMinutes is honoured for
// approvals only (reference: actions.md 1.1, 1.7).
func actionTimeout(t ActionType, minutes int) int64 {
	switch {
	case t.ID.Category == CategoryApproval && minutes > 0:
		return int64(minutes) * minute
	case t.Timeout > 0:
		return t.Timeout
	case t.ID.Category == CategoryApproval:
		return ApprovalTimeout
	}
	return DefaultTimeout
}
