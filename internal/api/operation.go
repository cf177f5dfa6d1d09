package api

import (
	"context"
	"fmt"
	"slices"
)

// NewOperation describes an operation that has an output shape.
func NewOperation[I, O any](name string, call func(context.Context, Caller, *I) (*O, error), exceptions ...string) Operation {
	return describe(name, exceptions, func(ctx context.Context, caller Caller, in *I) (any, error) {
		out, err := call(ctx, caller, in)
		if err != nil {
			return nil, err
		}
		return out, nil
	})
}

// NewSilentOperation describes an operation without an output shape.
func NewSilentOperation[I any](name string, call func(context.Context, Caller, *I) error, exceptions ...string) Operation {
	return describe(name, exceptions, func(ctx context.Context, caller Caller, in *I) (any, error) {
		return nil, call(ctx, caller, in)
	})
}

func describe[I any](name string, exceptions []string, call func(context.Context, Caller, *I) (any, error)) Operation {
	slices.Sort(exceptions)
	return Operation{
		Name:       name,
		Exceptions: exceptions,
		NewInput:   func() any { return new(I) },
		Call: func(ctx context.Context, caller Caller, input any) (any, error) {
			in, ok := input.(*I)
			if !ok {
				return nil, fmt.Errorf("operation %s called with input of type %T", name, input)
			}
			return call(ctx, caller, in)
		},
	}
}

// OperationTable keys operations by their names.
func OperationTable(operations ...Operation) map[string]Operation {
	table := make(map[string]Operation, len(operations))
	for _, op := range operations {
		table[op.Name] = op
	}
	return table
}

// ErrUnknownOperation is what a generated Unimplemented service answers: the
// operation is part of the service's model, and nothing here can do it.
func ErrUnknownOperation() error { return &Error{Code: "UnknownOperationException"} }
