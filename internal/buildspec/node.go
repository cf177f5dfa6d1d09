package buildspec

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fail makes an Error.
func fail(format string, args ...any) error {
	return &Error{Message: fmt.Sprintf(format, args...)}
}

// value is a YAML node with the way to it, for messages.
type value struct {
	node *yaml.Node
	path string
}

// entry is one key of a mapping.
type entry struct {
	key string
	value
}

// resolve follows aliases. What an anchor holds may hold an alias to it, so
// nothing here descends without a bound.
func resolve(n *yaml.Node) *yaml.Node {
	for range 8 {
		if n == nil || n.Kind != yaml.AliasNode {
			return n
		}
		n = n.Alias
	}
	return nil
}

// isNull reports whether nothing was written after the key.
func (v value) isNull() bool {
	n := resolve(v.node)
	return n == nil || n.Kind == 0 || (n.Kind == yaml.ScalarNode && n.Tag == "!!null")
}

func (v value) line() int { return v.node.Line }

// entries reads a mapping, in the order written, with its merge keys laid under
// the keys of its own. Nothing written is an empty mapping.
func (v value) entries() ([]entry, error) { return v.merged(0) }

func (v value) merged(depth int) ([]entry, error) {
	if v.isNull() {
		return nil, nil
	}
	n := resolve(v.node)
	if n.Kind != yaml.MappingNode {
		return nil, fail("Expected %s to be of map type: found %s at line %d", v.path, kind(n), n.Line)
	}
	var list []entry
	own := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolve(n.Content[i])
		if key == nil || key.Kind != yaml.ScalarNode {
			return nil, fail("Expected the keys of %s to be of string type: at line %d", v.path, n.Content[i].Line)
		}
		if key.Tag == "!!merge" {
			continue
		}
		if own[key.Value] {
			return nil, fail("Key %s appears twice in %s, again at line %d", key.Value, v.path, key.Line)
		}
		own[key.Value] = true
		list = append(list, entry{key.Value, value{n.Content[i+1], v.child(key.Value)}})
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := resolve(n.Content[i]); key.Tag == "!!merge" {
			from, err := v.mergeKey(n.Content[i+1], depth)
			if err != nil {
				return nil, err
			}
			for _, e := range from {
				if !own[e.key] {
					own[e.key] = true
					list = append(list, e)
				}
			}
		}
	}
	return list, nil
}

// mergeKey reads what a merge key (<<) lays under a mapping: a mapping or a
// list of them.
func (v value) mergeKey(from *yaml.Node, depth int) ([]entry, error) {
	const deepest = 3
	if depth == deepest {
		return nil, fail("Merge keys in %s are nested too deep at line %d", v.path, from.Line)
	}
	sources := []*yaml.Node{from}
	if n := resolve(from); n != nil && n.Kind == yaml.SequenceNode {
		sources = n.Content
	}
	const most = 8
	if len(sources) > most {
		return nil, fail("Too many merge keys in %s at line %d", v.path, from.Line)
	}
	var list []entry
	for _, s := range sources {
		more, err := value{s, v.path}.merged(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

func (v value) child(key string) string {
	if v.path == "" {
		return key
	}
	return v.path + "/" + key
}

// text reads a scalar as it was written; nothing written is the empty text.
func (v value) text() (string, error) {
	if v.isNull() {
		return "", nil
	}
	n := resolve(v.node)
	if n.Kind != yaml.ScalarNode {
		return "", fail("Expected %s to be of string type: found %s at line %d", v.path, kind(n), n.Line)
	}
	if strings.ContainsRune(n.Value, 0) {
		return "", fail("Expected %s to be text: found a NUL character at line %d", v.path, n.Line)
	}
	return n.Value, nil
}

// list reads a sequence; a single scalar is a list of one when lenient.
func (v value) list(lenient bool) ([]value, error) {
	if v.isNull() {
		return nil, nil
	}
	n := resolve(v.node)
	if n.Kind == yaml.ScalarNode && lenient {
		return []value{v}, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, fail("Expected %s to be of list type: found %s at line %d", v.path, kind(n), n.Line)
	}
	list := make([]value, len(n.Content))
	for i, item := range n.Content {
		list[i] = value{item, fmt.Sprintf("%s[%d]", v.path, i)}
	}
	return list, nil
}

// texts reads a list of scalars, or one scalar.
func (v value) texts() ([]string, error) {
	items, err := v.list(true)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, item := range items {
		text, err := item.text()
		if err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, nil
}

// yes reads a yes or no, in any spelling of YAML 1.1, quoted or not.
func (v value) yes() (bool, error) {
	text, err := v.text()
	if err != nil {
		return false, err
	}
	switch strings.ToLower(text) {
	case "yes", "true", "on", "y":
		return true, nil
	case "no", "false", "off", "n", "":
		return false, nil
	}
	return false, fail("Expected %s to be yes or no: found %q at line %d", v.path, text, v.line())
}

// variables reads a mapping of names to scalars.
func (v value) variables() ([]Variable, error) {
	entries, err := v.entries()
	if err != nil {
		return nil, err
	}
	var list []Variable
	for _, e := range entries {
		if e.key == "" || strings.ContainsAny(e.key, "=\x00") {
			return nil, fail("Expected %s to hold names of variables: found %q at line %d", v.path, e.key, e.line())
		}
		text, err := e.text()
		if err != nil {
			return nil, err
		}
		list = append(list, Variable{e.key, text})
	}
	return list, nil
}

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "subkeys instead"
	case yaml.SequenceNode:
		return "a list instead"
	default:
		return "a single value instead"
	}
}
