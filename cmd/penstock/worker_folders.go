package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// jobFolders are where a job reads and writes.
type jobFolders struct{ root string }

func makeFolders(root string) (jobFolders, error) {
	for _, name := range []string{"in", "out", "files", "work"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			return jobFolders{}, err
		}
	}
	return jobFolders{root}, nil
}

func (d jobFolders) input(name string) string {
	return filepath.Join(d.root, "in", filepath.Base(name))
}
func (d jobFolders) output(name string) string {
	return filepath.Join(d.root, "out", filepath.Base(name))
}
func (d jobFolders) file(name string) string { return filepath.Join(d.root, "files", name) }

// maxFile bounds what is read of a file that the command wrote.
const maxFile = 1 << 20

// text reads a file that the command may have written.
func (d jobFolders) text(name string) string {
	if d.root == "" {
		return ""
	}
	f, err := os.Open(d.file(name))
	if err != nil {
		return ""
	}
	defer f.Close()
	text := make([]byte, maxFile)
	n, _ := f.Read(text)
	return sendable(string(text[:n]))
}

// sendable makes text of what a command wrote: servers take UTF-8 without NUL.
func sendable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// line reads a file of one line; nil if there is nothing in it.
func (d jobFolders) line(name string) *string {
	if text := strings.TrimSpace(d.text(name)); text != "" {
		return &text
	}
	return nil
}

// removeTree removes a folder, in which a command may have made others that cannot
// be written to.
func removeTree(root string) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(root)
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9_]`)

// keptBack are the variables by which the worker shows that it may: the command
// has the job's artifacts and needs none of them.
var keptBack = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
	"PENSTOCK_ROOT_ACCESS_KEY_ID", "PENSTOCK_ROOT_SECRET_ACCESS_KEY", "PENSTOCK_DATABASE",
}

// environment makes the command's variables from the worker's, and the folders that
// they name.
func (j *doneJob) environment(worker []string) ([]string, error) {
	at := contextOf(j.data)
	own := map[string]string{
		"JOB_ID":                         j.id,
		"PENSTOCK_PIPELINE_NAME":         deref(at.PipelineName),
		"PENSTOCK_PIPELINE_EXECUTION_ID": deref(at.PipelineExecutionId),
		"PENSTOCK_STAGE_NAME":            deref(at.Stage.Name),
		"PENSTOCK_ACTION_NAME":           deref(at.Action.Name),
		"PENSTOCK_ACTION_EXECUTION_ID":   deref(at.Action.ActionExecutionId),
		"PENSTOCK_ACCOUNT_ID":            j.account,
		"PENSTOCK_WORK":                  filepath.Join(j.dirs.root, "work"),
		"PENSTOCK_VARIABLES":             j.dirs.file("variables"),
		"PENSTOCK_SUMMARY":               j.dirs.file("summary"),
		"PENSTOCK_EXTERNAL_ID":           j.dirs.file("external"),
		"PENSTOCK_REVISION":              j.dirs.file("revision"),
		"PENSTOCK_CONTINUATION":          j.dirs.file("continuation"),
		"PENSTOCK_CONTINUATION_TOKEN":    deref(j.data.ContinuationToken),
	}
	var errs []error
	add := func(prefix, name, value string) {
		variable := prefix + notInNames.ReplaceAllString(name, "_")
		if _, taken := own[variable]; taken {
			errs = append(errs, fmt.Errorf("two names become the variable %s", variable))
		}
		own[variable] = value
	}
	for _, a := range j.data.InputArtifacts {
		add("PENSTOCK_INPUT_", deref(a.Name), j.dirs.input(deref(a.Name)))
		errs = append(errs, os.Mkdir(j.dirs.input(deref(a.Name)), 0o700))
	}
	for _, a := range j.data.OutputArtifacts {
		add("PENSTOCK_OUTPUT_", deref(a.Name), j.dirs.output(deref(a.Name)))
		errs = append(errs, os.Mkdir(j.dirs.output(deref(a.Name)), 0o700))
	}
	for key, value := range j.configuration() {
		add("PENSTOCK_CONFIG_", key, value)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var env []string
	for _, v := range worker {
		name, _, _ := strings.Cut(v, "=")
		if _, set := own[name]; !set && !slices.Contains(keptBack, name) {
			env = append(env, v)
		}
	}
	for name, value := range own {
		env = append(env, name+"="+value)
	}
	return env, nil
}

// variableName is what CodePipeline takes for the name of an output variable.
var variableName = regexp.MustCompile(`^[A-Za-z0-9@_-]+$`)

// readVariables reads a file with a NAME=VALUE a line, if it exists. Later lines
// win.
func readVariables(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var variables map[string]string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxFile)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("line %d of PENSTOCK_VARIABLES is not NAME=VALUE", n)
		}
		if !variableName.MatchString(name) {
			return nil, fmt.Errorf("line %d of PENSTOCK_VARIABLES: the name %q has more than letters, digits, @, - and _", n, name)
		}
		if sendable(value) != value {
			return nil, fmt.Errorf("line %d of PENSTOCK_VARIABLES: the value of %s is not UTF-8, or has a NUL in it", n, name)
		}
		if variables == nil {
			variables = map[string]string{}
		}
		variables[name] = value
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading PENSTOCK_VARIABLES: %w", err)
	}
	return variables, nil
}
