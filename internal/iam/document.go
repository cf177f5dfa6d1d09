package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// object is a JSON object as it was written: in its order, names as they are.
// Decoding into structures would take the last of two equal names, and names
// that differ in case only, so that a policy could say something else to the
// server than to its reader.
type object []member

type member struct {
	name  string
	value any // nil, bool, json.Number, string, []any or object
}

// maxDepth bounds how deep a document nests; no policy needs half of it.
const maxDepth = 16

// decodeDocument reads one JSON value.
func decodeDocument(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("the document is not UTF-8")
	}
	var syntax json.RawMessage
	if err := json.Unmarshal(text, &syntax); err != nil {
		return nil, fmt.Errorf("the document is not JSON: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return decodeValue(d, 0)
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the document nests more than %d levels deep", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return decodeObject(d, depth)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	return token, nil
}

func decodeObject(d *json.Decoder, depth int) (object, error) {
	o := object{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		for _, m := range o {
			if m.name == name {
				return nil, fmt.Errorf("%q stands twice in one object", name)
			}
		}
		v, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		o = append(o, member{name, v})
	}
	_, err := d.Token()
	return o, err
}

// stringsOf reads what the policy grammar writes as one value or a list of them.
// Numbers and truth values count as their texts.
func stringsOf(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if len(list) == 0 {
		return nil, errors.New("the list is empty")
	}
	texts := make([]string, 0, len(list))
	for _, v := range list {
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
		case bool:
			texts = append(texts, fmt.Sprint(v))
		case json.Number:
			texts = append(texts, v.String())
		default:
			return nil, errors.New("a string or a list of strings is needed")
		}
	}
	return texts, nil
}
