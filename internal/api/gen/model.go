package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// model is a service model in the shape AWS publishes them, as far as the
// generator needs it.
type model struct {
	Metadata struct {
		EndpointPrefix string `json:"endpointPrefix"`
		JSONVersion    string `json:"jsonVersion"`
		Protocol       string `json:"protocol"`
		SigningName    string `json:"signingName"`
		TargetPrefix   string `json:"targetPrefix"`
	} `json:"metadata"`
	Operations map[string]operation `json:"operations"`
	Shapes     map[string]*shape    `json:"shapes"`
}

type operation struct {
	Name   string `json:"name"`
	Input  ref    `json:"input"`
	Output ref    `json:"output"`
	Errors []ref  `json:"errors"`
}

type ref struct {
	Shape string `json:"shape"`
}

type shape struct {
	Type      string   `json:"type"`
	Members   members  `json:"members"`
	Required  []string `json:"required"`
	Exception bool     `json:"exception"`
	Sensitive bool     `json:"sensitive"`
	Enum      []string `json:"enum"`
	Min       *int64   `json:"min"`
	Max       *int64   `json:"max"`
	Pattern   string   `json:"pattern"`
	Member    ref      `json:"member"`
	Key       ref      `json:"key"`
	Value     ref      `json:"value"`
}

func (s *shape) isRequired(member string) bool { return slices.Contains(s.Required, member) }

// member is one member of a structure.
type member struct {
	Name  string
	Shape string
}

// members keeps the order of the model, which is the order in which
// violations are told.
type members []member

// UnmarshalJSON implements json.Unmarshaler.
func (m *members) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("members are not an object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var r ref
		if err := d.Decode(&r); err != nil {
			return err
		}
		*m = append(*m, member{Name: name.(string), Shape: r.Shape})
	}
	return nil
}

// parseModel reads a model and refuses what the generator cannot make Go of.
func parseModel(data []byte) (*model, error) {
	var m model
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	if m.Metadata.Protocol != "json" || m.Metadata.TargetPrefix == "" {
		return nil, fmt.Errorf("protocol %q is not json", m.Metadata.Protocol)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Operations)) {
		op := m.Operations[name]
		if op.Input.Shape != name+"Input" || (op.Output.Shape != "" && op.Output.Shape != name+"Output") {
			return nil, fmt.Errorf("operation %s has input %q and output %q", name, op.Input.Shape, op.Output.Shape)
		}
		if m.Shapes[op.Input.Shape] == nil || (op.Output.Shape != "" && m.Shapes[op.Output.Shape] == nil) {
			return nil, fmt.Errorf("operation %s has an input or output that is no shape", name)
		}
		for _, e := range op.Errors {
			if s := m.Shapes[e.Shape]; s == nil || !s.Exception {
				return nil, fmt.Errorf("operation %s declares %s, which is no exception", name, e.Shape)
			}
		}
	}
	return &m, m.complete()
}

// complete reports a reference to a shape that the model does not have.
func (m *model) complete() error {
	for _, name := range slices.Sorted(maps.Keys(m.Shapes)) {
		s := m.Shapes[name]
		references := []ref{s.Member, s.Key, s.Value}
		for _, member := range s.Members {
			if member.Shape == "" {
				return fmt.Errorf("member %s of shape %s has no shape", member.Name, name)
			}
			references = append(references, ref{member.Shape})
		}
		for _, r := range references {
			if r.Shape != "" && m.Shapes[r.Shape] == nil {
				return fmt.Errorf("shape %s refers to shape %s, which does not exist", name, r.Shape)
			}
		}
	}
	return nil
}

// operationNames lists the operations in alphabetical order.
func (m *model) operationNames() []string { return slices.Sorted(maps.Keys(m.Operations)) }

// shapeNames lists the shapes for which keep is true in alphabetical order.
func (m *model) shapeNames(keep func(name string, s *shape) bool) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(m.Shapes)) {
		if keep(name, m.Shapes[name]) {
			out = append(out, name)
		}
	}
	return out
}

// inputs and outputs are sets of shape names.
func (m *model) inputs() map[string]bool {
	out := map[string]bool{}
	for _, op := range m.Operations {
		out[op.Input.Shape] = true
	}
	return out
}

func (m *model) outputs() map[string]bool {
	out := map[string]bool{}
	for _, op := range m.Operations {
		if op.Output.Shape != "" {
			out[op.Output.Shape] = true
		}
	}
	return out
}
