package main

import (
	"bytes"
	"fmt"
	"strings"
)

func (g *generator) writeEnums(w *bytes.Buffer) error {
	users := g.users()
	names := g.model.shapeNames(func(_ string, s *shape) bool { return s.Enum != nil })
	for _, name := range names {
		values := g.model.Shapes[name].Enum
		fmt.Fprintf(w, "// %s is an enum of %s; empty means absent.\ntype %s string\n\n", name, enumerate(users[name]), name)
		fmt.Fprintf(w, "// The values of %s.\nconst (\n", name)
		for _, v := range values {
			fmt.Fprintf(w, "\t%s %s = %q\n", name+valueName(v), name, v)
		}
		fmt.Fprintf(w, ")\n\n// Values lists the values in model order.\nfunc (%s) Values() []%s {\n\treturn []%s{\n", name, name, name)
		for _, v := range values {
			fmt.Fprintf(w, "\t\t%s,\n", name+valueName(v))
		}
		fmt.Fprint(w, "\t}\n}\n\n")
	}
	return nil
}

// valueName turns an enum value into the rest of its constant's name, the way
// the official SDK does: COMMIT_ID is CommitId, JobWorker stays.
func valueName(value string) string {
	var out strings.Builder
	for word := range strings.FieldsFuncSeq(value, func(r rune) bool { return strings.ContainsRune("_-. :/", r) }) {
		if word == strings.ToUpper(word) {
			word = strings.ToLower(word)
		}
		out.WriteString(exported(word))
	}
	return out.String()
}

func (g *generator) writeExceptions(w *bytes.Buffer) error {
	names := g.model.shapeNames(func(_ string, s *shape) bool { return s.Exception })
	for _, name := range names {
		for _, m := range g.model.Shapes[name].Members {
			if !strings.EqualFold(m.Name, "message") {
				return fmt.Errorf("exception %s has a member %s besides its message", name, m.Name)
			}
		}
		fmt.Fprintf(w, "// %s is an exception of %s.\ntype %s struct {\n", name, g.service.Title, name)
		fmt.Fprint(w, "\t// Message is the text a client reads; it may be empty.\n\tMessage string `json:\"message,omitempty\"`\n}\n\n")
		fmt.Fprintf(w, "func (e *%s) Error() string { return e.ErrorCode() + \": \" + e.Message }\n\n", name)
		fmt.Fprintf(w, "// ErrorCode implements api.Exception.\nfunc (*%s) ErrorCode() string { return %q }\n\n", name, name)
		fmt.Fprintf(w, "// ErrorMessage implements api.Exception.\nfunc (e *%s) ErrorMessage() string { return e.Message }\n\n", name)
	}
	return nil
}
