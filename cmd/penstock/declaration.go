package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// declarationFile is a pipeline read from a file, and the folder it stands in.
type declarationFile struct {
	path string
	dir  string
	decl pipeline.Declaration
}

// names of a pipeline's file in a folder, in the order they are looked for.
var declarationNames = []string{"pipeline.json", "pipeline.yaml", "pipeline.yml"}

// readDeclaration reads a pipeline as JSON or YAML, in the shape of
// get-pipeline's output or of create-pipeline's input, or the declaration alone.
// The path "-" is standard input.
func readDeclaration(path string, stdin io.Reader) (declarationFile, error) {
	f := declarationFile{path: "standard input", dir: "."}
	text, err := []byte(nil), error(nil)
	if path == "-" {
		text, err = io.ReadAll(stdin)
	} else if f, err = locate(path); err == nil {
		text, err = os.ReadFile(f.path)
	}
	if _, refused := errors.AsType[*exitError](err); refused {
		return f, err
	}
	if err != nil {
		return f, refuse("reading the pipeline: %w", err)
	}
	path = f.path
	input, err := parseDeclaration(text)
	if err != nil {
		return f, refuse("%s: %w", path, err)
	}
	if err := input.Validate(); err != nil {
		return f, refuse("%s: %w", path, err)
	}
	encoded, err := json.Marshal(input.Pipeline)
	if err != nil {
		return f, fmt.Errorf("encoding the pipeline: %w", err)
	}
	if err := json.Unmarshal(encoded, &f.decl); err != nil {
		return f, fmt.Errorf("decoding the pipeline: %w", err)
	}
	f.decl.Version = 0
	return f, nil
}

// locate finds the pipeline's file, which may be in a folder that is named, and
// the folder that it stands in.
func locate(path string) (declarationFile, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return declarationFile{}, refuse("there is no file or folder %s", path)
	case err != nil:
		return declarationFile{}, refuse("reading the pipeline: %w", err)
	case info.Mode().IsRegular():
		return declarationFile{path: path, dir: filepath.Dir(path)}, nil
	case !info.IsDir(): // a pipe stands in no folder of anybody's
		return declarationFile{path: path, dir: "."}, nil
	}
	for _, name := range declarationNames {
		candidate := filepath.Join(path, name)
		if _, err := os.Stat(candidate); err == nil {
			return declarationFile{path: candidate, dir: path}, nil
		}
	}
	return declarationFile{}, refuse("folder %s has none of %s", path, strings.Join(declarationNames, ", "))
}

func parseDeclaration(text []byte) (*wire.CreatePipelineInput, error) {
	var doc yaml.Node // JSON is YAML
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, syntax(text, err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("this is no pipeline: it should be a mapping with a member \"pipeline\", or the declaration itself")
	}
	root := doc.Content[0]
	input := &wire.CreatePipelineInput{}
	if member(root, "pipeline") == nil {
		input.Pipeline = &wire.PipelineDeclaration{}
		return input, decodeNode(root, reflect.ValueOf(input.Pipeline).Elem(), "pipeline")
	}
	// get-pipeline's output carries metadata beside the pipeline.
	kept := *root
	kept.Content = nil
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != "metadata" {
			kept.Content = append(kept.Content, root.Content[i], root.Content[i+1])
		}
	}
	return input, decodeNode(&kept, reflect.ValueOf(input).Elem(), "")
}

// syntax says what is wrong with a text that is no YAML, in JSON's words if it
// was meant to be JSON.
func syntax(text []byte, err error) error {
	wrong, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(text, new(any)))
	if ok && bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return fmt.Errorf("line %d: %w", bytes.Count(text[:wrong.Offset], []byte("\n"))+1, wrong)
	}
	return plainYAML(err)
}

func member(node *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}

// decodeNode reads a YAML node into a wire structure. Scalars are taken by the
// member's type, so that an unquoted 1 or true is text where text is wanted, and
// an unknown member is an error, because it is most often a misspelt one.
func decodeNode(node *yaml.Node, to reflect.Value, path string) error {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return nil
	}
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		return decodeNode(node, to.Elem(), path)
	case reflect.Struct:
		return decodeStruct(node, to, path)
	case reflect.Slice:
		return decodeSlice(node, to, path)
	case reflect.Map:
		return decodeMap(node, to, path)
	}
	return decodeScalar(node, to, path)
}

// checkMapping refuses what is no mapping, and a mapping with a member twice, of
// which one would be lost.
func checkMapping(node *yaml.Node, path string) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: %s should be a mapping", node.Line, orRoot(path))
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i].Value
		if seen[name] {
			return fmt.Errorf("line %d: %s has the member %q twice", node.Content[i].Line, orRoot(path), name)
		}
		seen[name] = true
	}
	return nil
}

func decodeStruct(node *yaml.Node, to reflect.Value, path string) error {
	if err := checkMapping(node, path); err != nil {
		return err
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i].Value
		field := fieldNamed(to, name)
		if !field.IsValid() {
			return fmt.Errorf("line %d: %s has no member %q", node.Content[i].Line, orRoot(path), name)
		}
		if err := decodeNode(node.Content[i+1], field, strings.TrimPrefix(path+"."+name, ".")); err != nil {
			return err
		}
	}
	return nil
}

func orRoot(path string) string {
	if path == "" {
		return "the input of create-pipeline"
	}
	return path
}

func fieldNamed(v reflect.Value, name string) reflect.Value {
	for i := range v.NumField() {
		tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if tag == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

func decodeSlice(node *yaml.Node, to reflect.Value, path string) error {
	if node.Kind != yaml.SequenceNode {
		return fmt.Errorf("line %d: %s should be a list", node.Line, path)
	}
	to.Set(reflect.MakeSlice(to.Type(), len(node.Content), len(node.Content)))
	for i, item := range node.Content {
		if err := decodeNode(item, to.Index(i), fmt.Sprintf("%s[%d]", path, i+1)); err != nil {
			return err
		}
	}
	return nil
}

func decodeMap(node *yaml.Node, to reflect.Value, path string) error {
	if err := checkMapping(node, path); err != nil {
		return err
	}
	to.Set(reflect.MakeMap(to.Type()))
	for i := 0; i+1 < len(node.Content); i += 2 {
		value := reflect.New(to.Type().Elem()).Elem()
		if err := decodeNode(node.Content[i+1], value, path+"."+node.Content[i].Value); err != nil {
			return err
		}
		to.SetMapIndex(reflect.ValueOf(node.Content[i].Value).Convert(to.Type().Key()), value)
	}
	return nil
}

func decodeScalar(node *yaml.Node, to reflect.Value, path string) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: %s should be a single value", node.Line, path)
	}
	switch to.Kind() {
	case reflect.String:
		to.SetString(node.Value)
	case reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(node.Value, 10, 32)
		if err != nil {
			return fmt.Errorf("line %d: %s should be a whole number, not %q", node.Line, path, node.Value)
		}
		to.SetInt(n)
	case reflect.Bool:
		b, err := strconv.ParseBool(node.Value)
		if err != nil {
			return fmt.Errorf("line %d: %s should be true or false, not %q", node.Line, path, node.Value)
		}
		to.SetBool(b)
	default:
		return fmt.Errorf("line %d: %s cannot be read", node.Line, path)
	}
	return nil
}
