// Package awsjson speaks the AWS JSON protocols 1.0 and 1.1: a POST whose
// X-Amz-Target header names a service and an operation, a JSON object in the
// body, a JSON object or an exception in the answer.
//
// Handler dispatches such requests to api.Service values. A request passes these
// layers, and the first that objects answers, exactly as an AWS front end does:
// the operation is known; the body is JSON; the signature is right; the JSON has
// the types of the input; the constraints of the model hold; the operation
// itself. What an operation may answer is its declared exceptions and a few that
// every service has; any other error, and a panic, becomes an InternalFailure
// that tells the client nothing but the request id under which it was logged.
//
// Client is the other end, for the command line.
package awsjson

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/penstock-cd/penstock/internal/api"
)

// DefaultMaxBody is the largest request body that is read, in bytes.
const DefaultMaxBody = 8 << 20

// Authenticator proves who sent a request. Its errors are api.Exception values.
type Authenticator interface {
	// Authenticate verifies the signature of a request for the service with the
	// given signing name; body is the whole body.
	Authenticate(r *http.Request, body []byte, service string) (api.Caller, error)
}

// Handler answers the requests of several services.
type Handler struct {
	// MaxBody is the largest request body that is read, in bytes; larger ones
	// are answered 413. Set it before the first request.
	MaxBody int64
	// Trouble, if set, tells clients what ails the server itself, such as a full
	// disk: one sentence, empty for any other error. They get it as a
	// ServiceUnavailableException. Set it before the first request.
	Trouble func(error) string
	// Limits replaces maximum lengths of the models by settings of the server.
	// Set it before the first request.
	Limits api.Limits

	auth       Authenticator
	logger     *slog.Logger
	operations map[string]*operation
}

// operation is an operation that can be dispatched to.
type operation struct {
	api.Operation
	service     string // signing name
	contentType string
	input       *shape
}

// NewHandler returns a handler of the services. It panics if an input type
// cannot be decoded, which is a mistake in the program.
func NewHandler(auth Authenticator, logger *slog.Logger, services ...api.Service) *Handler {
	h := &Handler{MaxBody: DefaultMaxBody, auth: auth, logger: logger, operations: map[string]*operation{}}
	shapes := shapeTable{}
	for _, service := range services {
		for name, op := range service.Operations {
			t := reflect.TypeOf(op.NewInput())
			if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
				panic(fmt.Sprintf("input of %s.%s is a %s, not a pointer to a structure", service.TargetPrefix, name, t))
			}
			h.operations[service.TargetPrefix+"."+name] = &operation{
				Operation:   op,
				service:     service.SigningName,
				contentType: mediaPrefix + service.JSONVersion,
				input:       shapes.of(t.Elem()),
			}
		}
	}
	return h
}

// exchange is one request and its answer.
type exchange struct {
	w      http.ResponseWriter
	r      *http.Request
	id     string
	target string
	media  string
	status int
	logger *slog.Logger
	// trouble is Handler.Trouble.
	trouble func(error) string
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	x := &exchange{w: w, r: r, id: uuid.NewString(), target: r.Header.Get("X-Amz-Target"), media: mediaType(r), logger: h.logger, trouble: h.Trouble}
	w.Header().Set("X-Amzn-Requestid", x.id)
	h.serve(x)
	if h.logger.Enabled(r.Context(), slog.LevelDebug) {
		h.logger.Debug("request", "request_id", x.id, "target", x.target, "status", x.status, "duration", time.Since(start))
	}
}

// validate checks the constraints of the model, under the limits of the server.
func (h *Handler) validate(input any) error {
	switch v := input.(type) {
	case interface{ ValidateUnder(limits api.Limits) error }:
		return v.ValidateUnder(h.Limits)
	case api.Validator:
		return v.Validate()
	}
	return nil
}

// serve takes a request through the layers.
func (h *Handler) serve(x *exchange) {
	if x.refused() {
		return
	}
	op, known := h.operations[x.target]
	if !known && x.media != mediaPlain {
		x.answer(http.StatusBadRequest, &wireError{Type: "UnknownOperationException"})
		return
	}
	body, ok := x.body(h.MaxBody)
	if !ok {
		return
	}
	if x.media == mediaPlain {
		x.answerPlain(checkSyntax(body) == nil)
		return
	}
	x.media = op.contentType
	if err := checkSyntax(body); err != nil {
		x.fail(op, err)
		return
	}
	caller, err := h.auth.Authenticate(x.r, body, op.service)
	if err != nil {
		// What the authenticator refuses is not for the operation to declare.
		x.fail(nil, err)
		return
	}
	caller.RequestID = x.id
	input := op.NewInput()
	if err := decode(body, op.input, reflect.ValueOf(input).Elem()); err != nil {
		x.fail(op, err)
		return
	}
	if err := h.validate(input); err != nil {
		x.fail(op, err)
		return
	}
	output, err := x.call(op, caller, input)
	if err != nil {
		x.fail(op, err)
		return
	}
	x.succeed(op, output)
}

// panicked is the error of an operation that panicked; it is logged where the
// stack is known.
type panicked struct{ value any }

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// call runs the operation; a panic in it ends this request, not the process.
func (x *exchange) call(op *operation, caller api.Caller, input any) (output any, err error) {
	defer func() {
		if v := recover(); v != nil {
			x.logger.Error("operation panicked", "request_id", x.id, "operation", op.Name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = &panicked{v}
		}
	}()
	return op.Call(x.context(), caller, input)
}

func (x *exchange) context() context.Context { return x.r.Context() }
