// Package buildspec reads build specifications, the files by which AWS
// CodeBuild is told what to do (versions 0.1 and 0.2), and decides which phase
// of a build follows which.
//
// It is pure: text in, values out. It reads no files, no clock and no
// environment; carrying a build out is the business of others. Reference:
// actions.md, section D.
package buildspec

// The versions of the format. In 0.1 every command starts afresh; in 0.2
// variables and the working directory live on from command to command.
const (
	Version01 = "0.1"
	Version02 = "0.2"
)

// Spec is a parsed buildspec.
type Spec struct {
	// Version is Version01 or Version02.
	Version string
	// RunAs is the user for all commands; empty: the default user.
	RunAs string
	Env   Env
	// Phases are those present, in the order in which they run.
	Phases []Phase
	// Artifacts is nil when the section is absent.
	Artifacts *Artifacts
	Reports   []Report
	// Cache is nil when the section is absent.
	Cache *Cache
	// HasBatch and HasProxy are set when the sections are present.
	HasBatch, HasProxy bool
}

// Env is the env section.
type Env struct {
	// Shell runs the commands; empty: sh.
	Shell string
	// Variables, ParameterStore and SecretsManager are in the order written. The
	// values of the last two say where the value is kept.
	Variables, ParameterStore, SecretsManager []Variable
	// Exported are the names of the variables that the build hands on.
	Exported []string
	// GitCredentialHelper asks for the CodeCommit credential helper.
	GitCredentialHelper bool
}

// Variable is a name with a value.
type Variable struct{ Name, Value string }

// Phase is one of the four phases that an author fills.
type Phase struct {
	// Type is Install, PreBuild, Build or PostBuild.
	Type      PhaseType
	RunAs     string
	OnFailure OnFailure
	// Runtimes are the runtime versions asked for, in the order written.
	Runtimes []Variable
	Commands []string
	// Finally are run after Commands, even when one of those failed.
	Finally []string
}

// OnFailure says what follows when a phase fails.
type OnFailure string

// The values of on-failure. A retry also names how often and for which
// messages, which nothing here needs yet.
const (
	OnFailureDefault  OnFailure = ""
	OnFailureAbort    OnFailure = "ABORT"
	OnFailureContinue OnFailure = "CONTINUE"
	OnFailureRetry    OnFailure = "RETRY"
)

// Report is one entry of the reports section.
type Report struct {
	Group string
	Files []string
}

// Cache is the cache section.
type Cache struct {
	Key   string
	Paths []string
}

// Phase returns a phase; one that is absent has no commands.
func (s *Spec) Phase(t PhaseType) Phase {
	for _, p := range s.Phases {
		if p.Type == t {
			return p
		}
	}
	return Phase{Type: t}
}

// Error says why a text is no buildspec.
type Error struct {
	// Message is what CodeBuild shows with the code; where its text is not
	// known, it is our own.
	Message string
}

// CodeYAMLFileError is the status code of a build whose buildspec cannot be read.
const CodeYAMLFileError = "YAML_FILE_ERROR"

// Error is the code and the message.
func (e *Error) Error() string { return CodeYAMLFileError + ": " + e.Message }
