package buildspec

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxSize bounds the text of a buildspec, in bytes.
const MaxSize = 1 << 20

// Parse reads a buildspec, YAML or JSON. Its errors are *Error. Keys that are
// not known are ignored, as CodeBuild does, except among the phases: a phase
// that would never run is a mistake.
func Parse(text []byte) (*Spec, error) {
	if len(text) > MaxSize {
		return nil, fail("The buildspec is longer than %d bytes", MaxSize)
	}
	var document yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, fail("The buildspec is empty")
	} else if err != nil {
		return nil, &Error{Message: err.Error()}
	}
	if len(document.Content) != 1 {
		return nil, fail("The buildspec is empty")
	}
	p := parser{spec: &Spec{}}
	if err := p.document(value{document.Content[0], ""}); err != nil {
		return nil, err
	}
	return p.spec, nil
}

// parser fills a spec.
type parser struct {
	spec      *Spec
	hasPhases bool
}

func (p *parser) document(v value) error {
	v.path = "the buildspec"
	entries, err := v.entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		e.path = e.key
		if err := p.section(e); err != nil {
			return err
		}
	}
	switch {
	case p.spec.Version == "":
		return fail("version is required in the buildspec")
	case !p.hasPhases:
		return fail("phases is required in the buildspec")
	}
	return nil
}

func (p *parser) section(e entry) (err error) {
	s := p.spec
	switch e.key {
	case "version":
		s.Version, err = version(e.value)
	case "run-as":
		s.RunAs, err = e.text()
	case "env":
		err = p.env(e.value)
	case "environment_variables":
		err = p.oldEnv(e.value)
	case "phases":
		p.hasPhases = true
		err = p.phases(e.value)
	case "artifacts":
		s.Artifacts, err = artifacts(e.value)
	case "reports":
		s.Reports, err = reports(e.value)
	case "cache":
		s.Cache, err = cache(e.value)
	case "batch":
		s.HasBatch = true
	case "proxy":
		s.HasProxy = true
	}
	return err
}

func version(v value) (string, error) {
	text, err := v.text()
	if err != nil {
		return "", err
	}
	if text != Version01 && text != Version02 {
		return "", fail("Invalid buildspec version %q at line %d: it must be %s or %s", text, v.line(), Version01, Version02)
	}
	return text, nil
}

func (p *parser) env(v value) error {
	entries, err := v.entries()
	if err != nil {
		return err
	}
	env := &p.spec.Env
	for _, e := range entries {
		switch e.key {
		case "shell":
			env.Shell, err = e.text()
		case "variables", "plaintext":
			env.Variables, err = merge(env.Variables, e.value)
		case "parameter-store":
			env.ParameterStore, err = e.variables()
		case "secrets-manager":
			env.SecretsManager, err = e.variables()
		case "exported-variables":
			env.Exported, err = e.texts()
		case "git-credential-helper":
			env.GitCredentialHelper, err = e.yes()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// oldEnv reads the spelling of version 0.1: environment_variables, plaintext.
func (p *parser) oldEnv(v value) error {
	entries, err := v.entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.key != "plaintext" && e.key != "variables" {
			continue
		}
		if p.spec.Env.Variables, err = merge(p.spec.Env.Variables, e.value); err != nil {
			return err
		}
	}
	return nil
}

func merge(list []Variable, v value) ([]Variable, error) {
	more, err := v.variables()
	return append(list, more...), err
}

func (p *parser) phases(v value) error {
	entries, err := v.entries()
	if err != nil {
		return err
	}
	given := map[PhaseType]Phase{}
	for _, e := range entries {
		t, ok := phaseByKey(e.key)
		if !ok {
			return fail("Unknown phase %s at line %d: phases are install, pre_build, build and post_build", e.key, e.line())
		}
		if given[t], err = phase(t, e); err != nil {
			return err
		}
	}
	for _, t := range []PhaseType{Install, PreBuild, Build, PostBuild} {
		if phase, ok := given[t]; ok {
			p.spec.Phases = append(p.spec.Phases, phase)
		}
	}
	return nil
}

func phaseByKey(key string) (PhaseType, bool) {
	switch key {
	case "install":
		return Install, true
	case "pre_build":
		return PreBuild, true
	case "build":
		return Build, true
	case "post_build":
		return PostBuild, true
	}
	return "", false
}

func phase(t PhaseType, e entry) (Phase, error) {
	phase := Phase{Type: t}
	entries, err := e.entries()
	if err != nil {
		return Phase{}, err
	}
	hasCommands := false
	for _, e := range entries {
		switch e.key {
		case "run-as":
			phase.RunAs, err = e.text()
		case "on-failure":
			phase.OnFailure, err = onFailure(e.value)
		case "runtime-versions":
			phase.Runtimes, err = e.variables()
			if err == nil && len(phase.Runtimes) == 0 {
				err = fail("Expected %s to hold at least one runtime at line %d", e.path, e.line())
			}
		case "commands":
			hasCommands = true
			phase.Commands, err = commands("Commands", e.value)
		case "finally":
			phase.Finally, err = commands("Finally", e.value)
		}
		if err != nil {
			return Phase{}, err
		}
	}
	if !hasCommands && t != Install {
		return Phase{}, fail("commands is required in %s at line %d", e.path, e.line())
	}
	return phase, nil
}

// commands reads a list of commands. An unquoted colon makes a mapping of a
// command, which is a mistake so common that its message is known.
func commands(name string, v value) ([]string, error) {
	items, err := v.list(false)
	if err != nil {
		return nil, err
	}
	var list []string
	for i, item := range items {
		n := resolve(item.node)
		if n != nil && n.Kind != yaml.ScalarNode && n.Kind != 0 {
			return nil, fail("Expected %s[%d] to be of string type: found %s at line %d, value of the key tag on line %d might be empty",
				name, i, kind(n), n.Line, max(n.Line-1, 1))
		}
		text, err := item.text()
		if err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, nil
}

// retryValue is RETRY, RETRY-count, RETRY-regex or RETRY-count-regex.
var retryValue = regexp.MustCompile(`(?is)^retry(?:-(\d+))?(?:-(.+))?$`)

func onFailure(v value) (OnFailure, error) {
	text, err := v.text()
	if err != nil {
		return "", err
	}
	switch o := OnFailure(strings.ToUpper(text)); o {
	case OnFailureDefault, OnFailureAbort, OnFailureContinue:
		return o, nil
	}
	m := retryValue.FindStringSubmatch(text)
	if m == nil {
		return "", fail("Invalid on-failure %q at line %d: it must be ABORT, CONTINUE or RETRY", text, v.line())
	}
	if m[1] != "" {
		const most = 100
		if n, err := strconv.Atoi(m[1]); err != nil || n > most {
			return "", fail("Invalid on-failure %q at line %d: the count must be 0 to %d", text, v.line(), most)
		}
	}
	if _, err := regexp.Compile(m[2]); err != nil {
		return "", fail("Invalid on-failure %q at line %d: %v", text, v.line(), err)
	}
	return OnFailureRetry, nil
}

func reports(v value) ([]Report, error) {
	entries, err := v.entries()
	if err != nil {
		return nil, err
	}
	var list []Report
	for _, e := range entries {
		keys, err := e.entries()
		if err != nil {
			return nil, err
		}
		report := Report{Group: e.key}
		for _, k := range keys {
			if k.key == "files" {
				if report.Files, err = k.texts(); err != nil {
					return nil, err
				}
			}
		}
		if len(report.Files) == 0 {
			return nil, fail("files is required in %s at line %d", e.path, e.line())
		}
		list = append(list, report)
	}
	return list, nil
}

func cache(v value) (*Cache, error) {
	entries, err := v.entries()
	if err != nil {
		return nil, err
	}
	c := &Cache{}
	for _, e := range entries {
		switch e.key {
		case "key":
			c.Key, err = e.text()
		case "paths":
			c.Paths, err = e.texts()
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Unsupported names, for the build's log, what the buildspec asks for and a
// build on this server does not do yet. What would make a build wrong, rather
// than slower or less reported, fails it instead and is not listed.
func (s *Spec) Unsupported() []string {
	var list []string
	add := func(asked bool, text string) {
		if asked {
			list = append(list, text)
		}
	}
	add(s.Cache != nil && len(s.Cache.Paths) > 0, "cache: nothing is restored or saved")
	add(len(s.Reports) > 0, "reports: test reports are not collected")
	add(s.HasBatch, "batch: this is a single build")
	add(s.HasProxy, "proxy: no proxy is used")
	add(s.Env.GitCredentialHelper, "git-credential-helper: git has no credentials here")
	add(s.RunAs != "", fmt.Sprintf("run-as %s: commands run as the user of the sandbox", s.RunAs))
	for _, p := range s.Phases {
		key := strings.ToLower(string(p.Type))
		add(p.RunAs != "", fmt.Sprintf("%s/run-as %s: commands run as the user of the sandbox", key, p.RunAs))
		add(p.OnFailure == OnFailureRetry, key+"/on-failure: a failed build is not retried")
	}
	return list
}
