package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

func (g *generator) packageDoc() string {
	what := fmt.Sprintf("Package %s holds the wire types of the %s service: the input and output "+
		"of each operation, the structures and enums in them, the exceptions, and Service, which an "+
		"implementation provides and Describe offers to the dispatcher of requests.", g.service.Package, g.service.Title)
	how := "Members that may be absent are pointers; an empty enum, a nil slice and a nil map are absent too, " +
		"while an empty slice or map is sent as such. Validate reports every violated constraint of an input " +
		"in the service's own words."
	return wrapComment("// ", what) + "//\n" + wrapComment("// ", how)
}

func (g *generator) writeService(w *bytes.Buffer) error {
	g.writeInterface(w)
	g.writeDescribe(w)
	g.writeUnimplemented(w)
	return nil
}

// signature is an operation's method but for its name.
func (g *generator) signature(op string, named bool) string {
	result := "error"
	if g.model.Operations[op].Output.Shape != "" {
		result = "(*" + op + "Output, error)"
	}
	if named {
		return fmt.Sprintf("(ctx context.Context, caller api.Caller, in *%sInput) %s", op, result)
	}
	return fmt.Sprintf("(context.Context, api.Caller, *%sInput) %s", op, result)
}

// exceptions lists the declared exceptions of an operation, sorted.
func (g *generator) exceptions(op string) []string {
	var out []string
	for _, e := range g.model.Operations[op].Errors {
		out = append(out, e.Shape)
	}
	slices.Sort(out)
	return out
}

func (g *generator) writeInterface(w *bytes.Buffer) {
	doc := "Service is " + g.service.Title + ": one method per operation. The caller is who signed the request; " +
		"the input has passed Validate. Each operation answers with one of its declared exceptions or an " +
		"api.Error, else the client sees an internal failure."
	fmt.Fprintf(w, "%stype Service interface {\n", wrapComment("// ", doc))
	for i, op := range g.model.operationNames() {
		if i > 0 {
			fmt.Fprintln(w)
		}
		text := op + " is the operation of that name; it declares " + listAll(g.exceptions(op)) + "."
		fmt.Fprintf(w, "%s\t%s%s\n", wrapComment("\t// ", text), op, g.signature(op, true))
	}
	fmt.Fprint(w, "}\n\n")
}

func (g *generator) writeDescribe(w *bytes.Buffer) {
	meta := g.model.Metadata
	fmt.Fprint(w, "// Describe binds the operations to an implementation.\nfunc Describe(s Service) api.Service {\n\treturn api.Service{\n")
	fmt.Fprintf(w, "\t\tTargetPrefix: %q,\n\t\tSigningName: %q,\n\t\tJSONVersion: %q,\n", meta.TargetPrefix, cmp.Or(meta.SigningName, meta.EndpointPrefix), meta.JSONVersion)
	fmt.Fprint(w, "\t\tOperations: api.OperationTable(\n")
	for _, op := range g.model.operationNames() {
		constructor := "NewOperation"
		if g.model.Operations[op].Output.Shape == "" {
			constructor = "NewSilentOperation"
		}
		fmt.Fprintf(w, "\t\t\tapi.%s(%q, s.%s", constructor, op, op)
		for _, e := range g.exceptions(op) {
			fmt.Fprintf(w, ", %q", e)
		}
		fmt.Fprint(w, "),\n")
	}
	fmt.Fprint(w, "\t\t),\n\t}\n}\n\n")
}

func (g *generator) writeUnimplemented(w *bytes.Buffer) {
	fmt.Fprint(w, "// Unimplemented is a Service all of whose operations answer\n// UnknownOperationException. Embed it to implement some of them.\ntype Unimplemented struct{}\n\nvar _ Service = Unimplemented{}\n\n")
	for _, op := range g.model.operationNames() {
		result := "api.ErrUnknownOperation()"
		if g.model.Operations[op].Output.Shape != "" {
			result = "nil, " + result
		}
		fmt.Fprintf(w, "// %s answers UnknownOperationException.\nfunc (Unimplemented) %s%s { return %s }\n\n", op, op, g.signature(op, false), result)
	}
}

func listAll(names []string) string {
	if len(names) < 2 {
		return strings.Join(append(names, "no exception")[:1], "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// wrapComment breaks text into comment lines of about eighty characters.
func wrapComment(prefix, text string) string {
	var out strings.Builder
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > 76 {
			out.WriteString(prefix + line + "\n")
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return out.String() + prefix + line + "\n"
}
