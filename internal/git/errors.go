package git

import (
	"errors"
	"fmt"
	"strings"
)

// The causes that callers tell apart.
var (
	// ErrNotInstalled: there is no git binary.
	ErrNotInstalled = errors.New("git is not installed")
	// ErrNoRepository: the remote has no such repository, or hides it.
	ErrNoRepository = errors.New("repository does not exist")
	// ErrNoBranch: the repository has no such branch.
	ErrNoBranch = errors.New("branch does not exist")
	// ErrNoCommit: the repository has no such commit.
	ErrNoCommit = errors.New("commit does not exist")
	// ErrDenied: the remote wants other credentials, or has an unknown host key.
	ErrDenied = errors.New("access denied")
	// ErrUnreachable: the remote cannot be reached now; trying again may help.
	ErrUnreachable = errors.New("remote cannot be reached")
)

// CommandError is a git command that ended badly.
type CommandError struct {
	// Command is the subcommand, such as "fetch".
	Command string
	// Exit is the exit status, -1 when a signal ended it.
	Exit int
	// Stderr is the end of what it said, credentials masked.
	Stderr string
	// Cause is one of the errors above, nil when unknown.
	Cause error
}

func (e *CommandError) Error() string {
	said := e.Stderr
	if said == "" {
		said = "no message"
	}
	if e.Cause != nil {
		return fmt.Sprintf("git %s: %s: %s", e.Command, e.Cause, said)
	}
	return fmt.Sprintf("git %s: exit status %d: %s", e.Command, e.Exit, said)
}

func (e *CommandError) Unwrap() error { return e.Cause }

// sayings tells causes by what git and the programs below it say in the C
// locale. The first match counts.
var sayings = []struct {
	text  string
	cause error
}{
	{"Could not resolve host", ErrUnreachable},
	{"Could not resolve hostname", ErrUnreachable},
	{"Temporary failure in name resolution", ErrUnreachable},
	{"Failed to connect", ErrUnreachable},
	{"Couldn't connect to server", ErrUnreachable},
	{"Connection refused", ErrUnreachable},
	{"Connection timed out", ErrUnreachable},
	{"Connection reset", ErrUnreachable},
	{"Network is unreachable", ErrUnreachable},
	{"No route to host", ErrUnreachable},
	{"Operation timed out", ErrUnreachable},
	{"Operation too slow", ErrUnreachable},
	{"The requested URL returned error: 5", ErrUnreachable},
	{"The requested URL returned error: 429", ErrUnreachable},
	{"unexpected disconnect", ErrUnreachable},
	{"early EOF", ErrUnreachable},
	{"Empty reply from server", ErrUnreachable},
	{"Authentication failed", ErrDenied},
	{"could not read Username", ErrDenied},
	{"could not read Password", ErrDenied},
	{"Permission denied", ErrDenied},
	{"Host key verification failed", ErrDenied},
	{"The requested URL returned error: 401", ErrDenied},
	{"The requested URL returned error: 403", ErrDenied},
	{"does not appear to be a git repository", ErrNoRepository},
	{"Repository not found", ErrNoRepository},
	{"repository not found", ErrNoRepository},
	{"' not found", ErrNoRepository},
	{"' does not exist", ErrNoRepository},
	{"The requested URL returned error: 404", ErrNoRepository},
	{"Could not read from remote repository", ErrUnreachable},
}

func causeOf(stderr string) error {
	for _, s := range sayings {
		if strings.Contains(stderr, s.text) {
			return s.cause
		}
	}
	return nil
}
