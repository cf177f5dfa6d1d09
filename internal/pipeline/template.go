package pipeline

// Template is a text with references: "#{namespace.key}". It is parsed once,
// when a pipeline is compiled, and resolved right before an action starts.
type Template struct {
	// Source is the text as declared.
	Source string
	// Parts are literal text and references, in order. A text without
	// references has one part.
	Parts []TemplatePart
}

// TemplatePart is literal text, or a reference when Namespace is not empty.
type TemplatePart struct {
	Literal   string
	Namespace string
	Key       string
}
