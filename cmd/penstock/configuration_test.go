package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/penstock-cd/penstock/internal/server"
)

// keys lists the YAML keys of a struct's scalar fields with the addresses of
// the fields, and those of its maps and lists without.
func keys(v reflect.Value, prefix string, scalar map[string]any, other map[string]reflect.Type) {
	for i := range v.NumField() {
		field := v.Field(i)
		key := prefix + v.Type().Field(i).Tag.Get("yaml")
		switch field.Kind() {
		case reflect.Struct:
			keys(field, key+".", scalar, other)
		case reflect.Map, reflect.Slice:
			other[key] = field.Type()
		default:
			scalar[key] = field.Addr().Interface()
		}
	}
}

// Every scalar field is a key, a flag and an environment variable, under names
// that follow from the field.
func TestEveryScalarIsAnOption(t *testing.T) {
	t.Parallel()
	var cfg server.Config
	fields, lists := map[string]any{}, map[string]reflect.Type{}
	keys(reflect.ValueOf(&cfg).Elem(), "", fields, lists)
	if len(fields) < 15 || len(lists) < 2 {
		t.Fatalf("found only the keys %v and %v", fields, lists)
	}
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	bindConfig(set, &server.Config{})
	for _, option := range server.Scalars() {
		field, ok := fields[option.Name]
		if !ok {
			t.Errorf("option %s is no scalar field of Config, or there twice", option.Name)
			continue
		}
		delete(fields, option.Name)
		if option.Pointer(&cfg) != field {
			t.Errorf("option %s points at another field", option.Name)
		}
		words := strings.FieldsFunc(option.Flag, func(r rune) bool { return r == '-' })
		if name := strings.ReplaceAll(option.Name, ".", ""); !strings.EqualFold(strings.Join(words, ""), name) {
			t.Errorf("option %s has the flag %s", option.Name, option.Flag)
		}
		if want := "PENSTOCK_" + strings.ToUpper(strings.Join(words, "_")); option.Env != want {
			t.Errorf("option %s has the variable %s, not %s", option.Name, option.Env, want)
		}
		if set.Lookup(option.Flag) == nil || option.Help == "" {
			t.Errorf("option %s has no flag or no help", option.Name)
		}
		secret := strings.Contains(strings.ToLower(option.Name), "secret") || option.Name == "database"
		if option.Secret != secret {
			t.Errorf("option %s: secret is %t", option.Name, option.Secret)
		}
	}
	for name := range fields {
		t.Errorf("field %s is no option", name)
	}
}

// A flag is stronger than the variable, the variable than the file; for every
// option.
func TestOrderOfStrength(t *testing.T) {
	t.Parallel()
	values := func(option server.Scalar, word string) string {
		switch option.Pointer(&server.Config{}).(type) {
		case *bool:
			return map[string]string{"file": "false", "env": "true", "flag": "false"}[word]
		case *int:
			return map[string]string{"file": "1", "env": "2", "flag": "3"}[word]
		}
		return word
	}
	for _, option := range server.Scalars() {
		t.Run(option.Name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "penstock.yaml")
			outer, inner, nested := strings.Cut(option.Name, ".")
			text := outer + ": " + values(option, "file")
			if nested {
				text = outer + ": {" + inner + ": " + values(option, "file") + "}"
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			check := func(from string, env map[string]string, args ...string) {
				t.Helper()
				var flags server.Config
				set := pflag.NewFlagSet("", pflag.ContinueOnError)
				bindConfig(set, &flags)
				if err := set.Parse(args); err != nil {
					t.Fatal(err)
				}
				got, err := loadConfig(file, set, flags, func(name string) (string, bool) {
					v, ok := env[name]
					return v, ok
				})
				if err != nil {
					t.Fatal(err)
				}
				var want server.Config
				word := map[string]string{fromFile: "file", fromEnv: "env", fromFlag: "flag"}[from]
				if err := option.Set(&want, values(option, word)); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got.Config); d != "" {
					t.Errorf("%s: %s", from, d)
				}
				if got.from[option.Name] != from {
					t.Errorf("%s comes from %s, not %s", option.Name, got.from[option.Name], from)
				}
			}
			env := map[string]string{option.Env: values(option, "env")}
			check(fromFile, nil)
			check(fromFile, map[string]string{option.Env: ""}) // empty is unset
			check(fromEnv, env)
			check(fromFlag, env, "--"+option.Flag+"="+values(option, "flag"))
		})
	}
}

// docs/configuration.md lists every key with its flag and its variable, and the
// keys of the maps and lists.
func TestConfigurationIsDocumented(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for _, option := range server.Scalars() {
		if row := "| `" + option.Name + "` | `--" + option.Flag + "` | `" + option.Env + "` |"; !strings.Contains(text, row) {
			t.Errorf("docs/configuration.md has no row %s", row)
		}
		if value := option.Show(server.Config{}.Effective()); value != "" && value != "false" && !strings.Contains(text, "`"+option.Env+"` | `"+value+"` |") {
			t.Errorf("docs/configuration.md does not tell the default %s of %s", value, option.Name)
		}
	}
	lists := map[string]reflect.Type{}
	keys(reflect.ValueOf(&server.Config{}).Elem(), "", map[string]any{}, lists)
	for name, kind := range lists {
		if !strings.Contains(text, "## `"+name+"`") {
			t.Errorf("docs/configuration.md has no section about %s", name)
		}
		if kind.Elem().Kind() != reflect.Struct {
			continue
		}
		for i := range kind.Elem().NumField() {
			if key := kind.Elem().Field(i).Tag.Get("yaml"); !strings.Contains(text, "| `"+key+"` |") {
				t.Errorf("docs/configuration.md does not explain %s of %s", key, name)
			}
		}
	}
}

func TestShowHidesSecrets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ option, value, want string }{
		{"rootSecretAccessKey", "hush", "****"},
		{"s3.secretAccessKey", "", ""},
		{"database", "postgres://u:hu@sh@h:5432/db?password=hush", "postgres://****@h:5432/db?****"},
		{"codeCommit", "https://bot:hush@git.example.com/x", "https://****@git.example.com/x"},
		{"codeCommit", "/srv/git", "/srv/git"},
		{"s3.endpoint", "https://s3.example.com", "https://s3.example.com"},
		{"historyDays", "7", "7"},
		{"allowRemote", "true", "true"},
	} {
		for _, option := range server.Scalars() {
			if option.Name != test.option {
				continue
			}
			var cfg server.Config
			if err := option.Set(&cfg, test.value); err != nil {
				t.Fatal(err)
			}
			if got := option.Show(cfg); got != test.want {
				t.Errorf("%s %q shows as %q, want %q", test.option, test.value, got, test.want)
			}
		}
	}
}
