package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/penstock-cd/penstock/internal/server"
)

// The places that a configuration comes from, in rising order of strength.
const (
	fromDefault = "default"
	fromFile    = "file"
	fromEnv     = "environment"
	fromFlag    = "flag"
)

// configuration is a configuration and where each scalar of it comes from.
type configuration struct {
	server.Config
	from map[string]string // by the scalar's name; without one the default
}

// loadConfig merges the file, the environment and the flags, in rising order.
// Whether the result is any good is for Check to say.
func loadConfig(file string, set *pflag.FlagSet, flags server.Config, lookup func(string) (string, bool)) (configuration, error) {
	cfg, err := readConfig(file)
	if err != nil {
		return cfg, err
	}
	var errs []error
	for _, option := range server.Scalars() {
		if value, ok := lookup(option.Env); ok && value != "" {
			if err := option.Set(&cfg.Config, value); err != nil {
				errs = append(errs, fmt.Errorf("environment variable %s: %w", option.Env, err))
			}
			cfg.from[option.Name] = fromEnv
		}
		if f := set.Lookup(option.Flag); f != nil && f.Changed {
			option.Copy(&cfg.Config, &flags)
			cfg.from[option.Name] = fromFlag
		}
	}
	if len(errs) > 0 {
		return cfg, refuse("%w", errors.Join(errs...))
	}
	return cfg, nil
}

// readConfig reads a configuration file; unknown keys are errors. Without a file
// the configuration is empty.
func readConfig(file string) (configuration, error) {
	cfg := configuration{from: map[string]string{}}
	if file == "" {
		return cfg, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return cfg, refuse("reading the configuration: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&cfg.Config); err != nil && !errors.Is(err, io.EOF) {
		return cfg, refuse("configuration %s: %w", file, plainYAML(err))
	}
	if err := placeFunctions(cfg.Functions, file); err != nil {
		return cfg, err
	}
	if decoder.Decode(new(yaml.Node)) == nil {
		return cfg, refuse("configuration %s: it has more than one document", file)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil || len(doc.Content) == 0 {
		return cfg, err // an empty file is an empty configuration
	}
	given(doc.Content[0], "", cfg.from)
	return cfg, nil
}

// placeFunctions takes the folders of functions as relative to that of the file.
func placeFunctions(functions map[string]server.Function, file string) error {
	folder, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return fmt.Errorf("finding the folder of %s: %w", file, err)
	}
	for name, f := range functions {
		if f.Directory == "" && len(f.Command) > 0 {
			f.Directory = folder
		} else if f.Directory != "" && !filepath.IsAbs(f.Directory) {
			f.Directory = filepath.Join(folder, f.Directory)
		}
		functions[name] = f
	}
	return nil
}

// given notes the keys that a file has, those within a key behind a dot.
func given(node *yaml.Node, prefix string, from map[string]string) {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		from[prefix+node.Content[i].Value] = fromFile
		given(node.Content[i+1], prefix+node.Content[i].Value+".", from)
	}
}

var (
	yamlPrefix     = regexp.MustCompile(`^yaml: (unmarshal errors:\s*)?`)
	yamlUnknownKey = regexp.MustCompile(`field (\S+) not found in type \S+`)
	yamlWrongType  = regexp.MustCompile("cannot unmarshal !!\\S+( `[^`]*`)? into (\\S+)")
)

// plainYAML says what is wrong with a file without naming types of this program.
func plainYAML(err error) error {
	text := yamlPrefix.ReplaceAllString(err.Error(), "")
	text = yamlUnknownKey.ReplaceAllString(text, `there is no key "$1"`)
	text = yamlWrongType.ReplaceAllStringFunc(text, func(match string) string {
		parts := yamlWrongType.FindStringSubmatch(match)
		wanted := map[string]string{"string": "a text", "bool": "true or false", "int": "a whole number", "[]string": "a list of texts"}[parts[2]]
		if wanted == "" {
			wanted = "keys and their values"
		}
		if parts[1] == "" {
			return "here should be " + wanted
		}
		return "here should be " + wanted + ", not" + parts[1]
	})
	return errors.New(text)
}

// bindConfig makes a flag of every scalar of the configuration.
func bindConfig(set *pflag.FlagSet, cfg *server.Config) {
	for _, option := range server.Scalars() {
		switch p := option.Pointer(cfg).(type) {
		case *string:
			set.StringVar(p, option.Flag, "", option.Help)
		case *bool:
			set.BoolVar(p, option.Flag, false, option.Help)
		case *int:
			set.IntVar(p, option.Flag, 0, option.Help)
		default:
			panic(fmt.Sprintf("option %s has type %T", option.Flag, p))
		}
	}
}
