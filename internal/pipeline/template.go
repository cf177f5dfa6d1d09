package pipeline

import "strings"

// Template is a text with references: "#{namespace.key}". It is parsed once,
// when a pipeline is compiled, and resolved right before an action starts.
type Template struct {
	// Source is the text as declared.
	Source string
	// Parts are literal text and references, in order. A text without
	// references has one part; the empty text has none.
	Parts []TemplatePart
}

// TemplatePart is literal text, or a reference when Namespace is not empty.
type TemplatePart struct {
	Literal   string
	Namespace string
	Key       string
}

// Reference is the text between the braces of a reference: "namespace.key".
func (p TemplatePart) Reference() string { return p.Namespace + "." + p.Key }

// The namespaces that CodePipeline itself fills.
const (
	// NamespaceExecution holds the facts of the execution.
	NamespaceExecution = "codepipeline"
	// NamespaceVariables holds the pipeline's variables, if it declares any.
	NamespaceVariables = "variables"
	// KeyExecutionID is the one key of NamespaceExecution.
	KeyExecutionID = "PipelineExecutionId"
)

// ParseTemplate finds the references of a text. It never fails: whatever is
// not a well-formed reference stays literal text. Compile refuses those that
// MalformedReferences finds.
func ParseTemplate(text string) Template {
	t := Template{Source: text}
	literal := 0 // where the literal text not yet taken begins
	for at := 0; at < len(text); {
		body, end, ok := nextReference(text, at)
		if !ok {
			break
		}
		at = end
		namespace, key, whole := splitReference(body)
		if !whole {
			continue
		}
		if begin := end - len(body) - len("#{}"); begin > literal {
			t.Parts = append(t.Parts, TemplatePart{Literal: text[literal:begin]})
		}
		t.Parts = append(t.Parts, TemplatePart{Namespace: namespace, Key: key})
		literal = end
	}
	if literal < len(text) {
		t.Parts = append(t.Parts, TemplatePart{Literal: text[literal:]})
	}
	return t
}

// MalformedReferences returns the bodies of all "#{...}" of a text that consist
// of the characters of names and dots but are not a namespace and a key
// separated by one dot. A body with any other character is literal text: it
// belongs to a language that is not ours.
func MalformedReferences(text string) []string {
	var malformed []string
	for at := 0; at < len(text); {
		body, end, ok := nextReference(text, at)
		if !ok {
			break
		}
		at = end
		if _, _, whole := splitReference(body); !whole {
			malformed = append(malformed, body)
		}
	}
	return malformed
}

// nextReference finds the first "#{body}" at or after an offset whose body is
// not empty and made of name characters and dots; end is behind the brace.
func nextReference(text string, at int) (body string, end int, ok bool) {
	for {
		open := strings.Index(text[at:], "#{")
		if open < 0 {
			return "", 0, false
		}
		begin := at + open + len("#{")
		end := begin
		for end < len(text) && (isNameByte(text[end]) || text[end] == '.') {
			end++
		}
		if end > begin && end < len(text) && text[end] == '}' {
			return text[begin:end], end + 1, true
		}
		at = begin
	}
}

func splitReference(body string) (namespace, key string, ok bool) {
	namespace, key, ok = strings.Cut(body, ".")
	if !ok || namespace == "" || key == "" || strings.Contains(key, ".") {
		return "", "", false
	}
	return namespace, key, true
}

// isNameByte reports whether a byte may stand in a namespace or a key.
func isNameByte(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' ||
		c == '@' || c == '-' || c == '_'
}

// References returns the references of the template, in order.
func (t Template) References() []TemplatePart {
	var references []TemplatePart
	for _, p := range t.Parts {
		if p.Namespace != "" {
			references = append(references, p)
		}
	}
	return references
}

// Unresolved is a reference that has no value when its action starts. Such an
// action fails before anything is done for it.
type Unresolved struct {
	Namespace string
	Key       string
}

func (u *Unresolved) Error() string {
	return "The variable reference #{" + u.Namespace + "." + u.Key + "} could not be resolved: no value was produced for it."
}

// Resolve replaces every reference by its value. Values are expanded once: a
// value that looks like a reference stays as it is. The first reference that
// lookup does not know is returned as Unresolved.
func (t Template) Resolve(lookup func(namespace, key string) (string, bool)) (string, *Unresolved) {
	if len(t.Parts) == 1 && t.Parts[0].Namespace == "" {
		return t.Source, nil
	}
	var b strings.Builder
	for _, p := range t.Parts {
		if p.Namespace == "" {
			b.WriteString(p.Literal)
			continue
		}
		value, ok := lookup(p.Namespace, p.Key)
		if !ok {
			return "", &Unresolved{Namespace: p.Namespace, Key: p.Key}
		}
		b.WriteString(value)
	}
	return b.String(), nil
}
