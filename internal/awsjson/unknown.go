package awsjson

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/api"
)

const unknownOperation = "UnknownOperationException"

// maxTold bounds what an answer repeats of a target.
const maxTold = 100

// unknown is the exception for a target that is no operation here. AWS gives it no
// text; people who point a tool at the wrong server want to know what this one is.
// A request without a target is no tool's.
func (h *Handler) unknown(target string) *wireError {
	e := &wireError{Type: unknownOperation}
	if target == "" {
		return e
	}
	service, operation := splitTarget(target)
	e.Message = "Penstock does not have the operation " + short(operation)
	if service != "" {
		e.Message += " of " + short(service)
	}
	e.Message += "."
	if !slices.Contains(h.services, service) {
		all := slices.Concat(h.services, h.Others)
		last := len(all) - 1
		e.Message += " The services here are " + strings.Join(all[:last], ", ") + " and " + all[last] + "."
	}
	return e
}

// worded gives an operation that is in the model, but not built, the same text.
func (h *Handler) worded(target string, err error) error {
	e, ok := errors.AsType[api.Exception](err)
	if !ok || e.ErrorCode() != unknownOperation || e.ErrorMessage() != "" {
		return err
	}
	return &api.Error{Code: unknownOperation, Message: h.unknown(target).Message}
}

// splitTarget cuts a target into service and operation.
func splitTarget(target string) (service, operation string) {
	dot := strings.LastIndexByte(target, '.')
	return target[:max(dot, 0)], target[dot+1:]
}

func short(text string) string {
	if runes := []rune(text); len(runes) > maxTold {
		return string(runes[:maxTold]) + "…"
	}
	return text
}

// prefixesOf lists how the services are called in targets.
func prefixesOf(services []api.Service) []string {
	names := map[string]bool{}
	for _, s := range services {
		names[s.TargetPrefix] = true
	}
	return slices.Sorted(maps.Keys(names))
}
