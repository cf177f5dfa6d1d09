package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const apiPackage = "github.com/penstock-cd/penstock/internal/api"

// generator writes the package of one service.
type generator struct {
	model   *model
	service service
}

// exported is the Go name of a member: CodePipeline's own but for the case of
// the first letter.
func exported(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

func unexported(name string) string {
	// Leading capitals go down together: AWSRegionName is awsRegionName.
	n := 0
	for n < len(name) && name[n] >= 'A' && name[n] <= 'Z' {
		n++
	}
	if n > 1 && n < len(name) {
		n--
	}
	return strings.ToLower(name[:n]) + name[n:]
}

// goType is the Go type of a member and the option of its JSON tag.
func (g *generator) goType(name string) (goType, option string, err error) {
	s := g.model.Shapes[name]
	switch s.Type {
	case "list":
		element, err := g.elementType(s.Member.Shape)
		return "[]" + element, "omitzero", err
	case "map":
		element, err := g.elementType(s.Value.Shape)
		return "map[string]" + element, "omitzero", err
	case "string":
		if s.Enum != nil {
			return name, "omitempty", nil
		}
	}
	element, err := g.elementType(name)
	return "*" + element, "omitempty", err
}

// elementType is the Go type of a value that is always there: the item of a
// list, the value of a map.
func (g *generator) elementType(name string) (string, error) {
	s := g.model.Shapes[name]
	switch s.Type {
	case "structure":
		return name, nil
	case "string":
		if s.Enum != nil {
			return name, nil
		}
		return "string", nil
	case "integer":
		return "int32", nil
	case "long":
		return "int64", nil
	case "boolean":
		return "bool", nil
	case "timestamp":
		return "api.Timestamp", nil
	}
	return "", fmt.Errorf("shape %s: the generator does not know type %q in this place", name, s.Type)
}

func (g *generator) writeStruct(w *bytes.Buffer, name, doc string) error {
	s := g.model.Shapes[name]
	fmt.Fprintf(w, "// %s %s\ntype %s struct {\n", name, doc, name)
	for _, m := range s.Members {
		goType, option, err := g.goType(m.Shape)
		if err != nil {
			return fmt.Errorf("member %s of %s: %w", m.Name, name, err)
		}
		comment := ""
		if s.isRequired(m.Name) {
			comment = " // required"
		}
		fmt.Fprintf(w, "\t%s %s `json:\"%s,%s\"`%s\n", exported(m.Name), goType, m.Name, option, comment)
	}
	fmt.Fprint(w, "}\n\n")
	if s.Sensitive {
		g.writeSecrecy(w, name)
	}
	return nil
}

// writeSecrecy keeps the members of a sensitive structure out of logs.
func (g *generator) writeSecrecy(w *bytes.Buffer, name string) {
	fmt.Fprintf(w, "// String hides the members, which are secret.\nfunc (%s) String() string { return \"%s(hidden)\" }\n\n", name, name)
	fmt.Fprintf(w, "// GoString hides the members, which are secret.\nfunc (s %s) GoString() string { return s.String() }\n\n", name)
	fmt.Fprintf(w, "// LogValue hides the members, which are secret.\nfunc (s %s) LogValue() slog.Value { return slog.StringValue(s.String()) }\n\n", name)
}

func (g *generator) writeInputs(w *bytes.Buffer) error {
	for _, op := range g.model.operationNames() {
		if err := g.writeStruct(w, op+"Input", "is the input of "+op+"."); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) writeOutputs(w *bytes.Buffer) error {
	for _, op := range g.model.operationNames() {
		if g.model.Operations[op].Output.Shape == "" {
			continue
		}
		if err := g.writeStruct(w, op+"Output", "is the output of "+op+"."); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) writeShapes(w *bytes.Buffer) error {
	inputs, outputs := g.model.inputs(), g.model.outputs()
	users := g.users()
	names := g.model.shapeNames(func(name string, s *shape) bool {
		return s.Type == "structure" && !s.Exception && !inputs[name] && !outputs[name]
	})
	for _, name := range names {
		if err := g.writeStruct(w, name, "is part of "+enumerate(users[name])+"."); err != nil {
			return err
		}
	}
	return nil
}

// users maps each structure to the structures with a member of it, in
// alphabetical order.
func (g *generator) users() map[string][]string {
	out := map[string][]string{}
	for _, name := range g.model.shapeNames(func(string, *shape) bool { return true }) {
		for _, m := range g.model.Shapes[name].Members {
			used := m.Shape
			switch s := g.model.Shapes[used]; s.Type {
			case "list":
				used = s.Member.Shape
			case "map":
				used = s.Value.Shape
			}
			if !slices.Contains(out[used], name) {
				out[used] = append(out[used], name)
			}
		}
	}
	return out
}

// enumerate writes names as an English list, shortened after the third.
func enumerate(names []string) string {
	switch n := len(names); {
	case n == 0:
		return "no operation"
	case n == 1:
		return names[0]
	case n > 3:
		return fmt.Sprintf("%s, %s and %d others", names[0], names[1], n-2)
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}
