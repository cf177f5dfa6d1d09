package api

import (
	"fmt"
	"strings"
)

// maxViolations is how many violations a message lists; the count before them
// says how many there are.
const maxViolations = 10

// Violation is one constraint of a service model that an input breaks. The
// offending value is never part of it: CodePipeline does not print it.
type Violation struct {
	// Path is where the value stands, as in "variables.1.member.name".
	Path string
	// Constraint is the sentence, as in "Member must not be null".
	Constraint string
}

func (v Violation) String() string {
	return "Value at '" + v.Path + "' failed to satisfy constraint: " + v.Constraint
}

// ValidationError is a ValidationException that lists violated constraints in
// the wording of the service.
type ValidationError struct {
	// Violations are in model order; a Checker keeps the first ten.
	Violations []Violation
	// Total counts the violations found when more were found than kept.
	Total int
}

func (e *ValidationError) Error() string { return e.ErrorCode() + ": " + e.ErrorMessage() }

// ErrorCode implements Exception.
func (e *ValidationError) ErrorCode() string { return "ValidationException" }

// ErrorMessage implements Exception: the count of all violations, then the
// first ten.
func (e *ValidationError) ErrorMessage() string {
	total := max(e.Total, len(e.Violations))
	noun := "errors"
	if total == 1 {
		noun = "error"
	}
	texts := make([]string, min(len(e.Violations), maxViolations))
	for i := range texts {
		texts[i] = e.Violations[i].String()
	}
	return fmt.Sprintf("%d validation %s detected: %s", total, noun, strings.Join(texts, "; "))
}
