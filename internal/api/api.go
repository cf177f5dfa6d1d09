// Package api holds what every wire service of Penstock shares: who calls, how
// an operation is described, how a violated constraint and an exception read.
//
// One generated package per service lives below it (see gen); generated
// structures stop at the services, the console and the command line.
package api

import (
	"context"
	"time"
)

// MaxWait is the longest time that a caller may ask to wait for an answer.
const MaxWait = 20 * time.Second

// Caller is who sent a request, as proven by its signature. It is a parameter
// of every operation, never a context value, so that authorization cannot be
// forgotten.
type Caller struct {
	// Partition is the ARN partition, "aws".
	Partition string
	// Account is the twelve-digit account of the caller.
	Account string
	// Region is the region of the request's signature scope.
	Region string
	// ARN names the principal, as in "arn:aws:iam::123456789012:root".
	ARN string
	// AccessKeyID is the access key that signed the request.
	AccessKeyID string
	// SourceIP is the address that the request came from, without the port; empty
	// if it is unknown.
	SourceIP string
	// Session is what temporary credentials permit, in the words of iam; empty for
	// a caller with a permanent key.
	Session string
	// Wait is how long the caller is willing to wait for an answer that is empty
	// now, at most MaxWait. Most operations do not wait.
	Wait time.Duration
	// RequestID is the id under which the request is logged and answered.
	RequestID string
}

// Exception is an error with a name on the wire. Generated exceptions and
// Error implement it.
type Exception interface {
	error
	// ErrorCode is the shape name, such as "PipelineNotFoundException".
	ErrorCode() string
	// ErrorMessage is the text a client reads; it may be empty.
	ErrorMessage() string
}

// Error is an exception that no service model declares, such as
// AccessDeniedException, or one known by its name only.
type Error struct {
	Code    string
	Message string
	// Status is the HTTP status; zero means 400.
	Status int
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// ErrorCode implements Exception.
func (e *Error) ErrorCode() string { return e.Code }

// ErrorMessage implements Exception.
func (e *Error) ErrorMessage() string { return e.Message }

// Service describes one wire service to the dispatcher of AWS JSON requests.
type Service struct {
	// TargetPrefix is what stands before the dot in X-Amz-Target.
	TargetPrefix string
	// SigningName is the service of the signature scope, such as "codepipeline".
	SigningName string
	// JSONVersion is "1.0" or "1.1".
	JSONVersion string
	// Operations are keyed by their names.
	Operations map[string]Operation
}

// Operation is one operation of a service, bound to its implementation.
type Operation struct {
	Name string
	// Exceptions are the names of the declared exceptions, sorted.
	Exceptions []string
	// NewInput returns a pointer to an empty input structure.
	NewInput func() any
	// Call runs the operation on a pointer that NewInput made. The output is
	// nil for an operation without an output shape.
	Call func(ctx context.Context, caller Caller, input any) (output any, err error)
}

// Validator is implemented by every generated input.
type Validator interface {
	// Validate reports every violated constraint as a *ValidationError, or nil.
	Validate() error
}
