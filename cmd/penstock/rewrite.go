package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

type declaration = pipeline.Declaration

// rewritten is a pipeline made fit for a run on this machine: sources that come
// from folders, and actions that are left out, have a provider of ours in their
// place.
type rewritten struct {
	file string
	decl declaration
	// notRun are the left-out actions, "Stage/Action", in order.
	notRun []string
	// notes tell what else is different from the file.
	notes     []string
	variables map[string]string
}

// place points at an action of a declaration.
type place struct{ stage, action string }

func (p place) String() string { return p.stage + "/" + p.action }

func rewrite(f declarationFile, o runOptions) (*rewritten, error) {
	r := &rewritten{file: f.path, decl: f.decl, variables: map[string]string{}}
	folders, err := pairs("--artifact", "NAME=DIR", o.artifacts, true)
	if err != nil {
		return nil, err
	}
	sources, err := pairs("--source", "ACTION=DIR", o.sources, true)
	if err != nil {
		return nil, err
	}
	if r.variables, err = pairs("--var", "NAME=VALUE", o.variables, false); err != nil {
		return nil, err
	}
	skip, err := r.skipped(o)
	if err != nil {
		return nil, err
	}
	if err := r.useSources(f, o, sources, skip); err != nil {
		return nil, err
	}
	if err := r.leaveOut(skip, folders); err != nil {
		return nil, err
	}
	if err := r.setVariables(skip); err != nil {
		return nil, err
	}
	r.localise(skip)
	return r, nil
}

// pairs parses repeated flags of the form A=B.
func pairs(flag, form string, values []string, folders bool) (map[string]string, error) {
	parsed := map[string]string{}
	for _, v := range values {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return nil, refuse("%s %q is not of the form %s", flag, v, form)
		}
		if _, twice := parsed[name]; twice {
			return nil, refuse("%s names %s twice", flag, name)
		}
		if folders {
			dir, err := absolute(value)
			if err != nil {
				return nil, refuse("%s %s: %w", flag, v, err)
			}
			value = dir
		}
		parsed[name] = value
	}
	return parsed, nil
}

// skipped lists the actions that --skip and --to leave out.
func (r *rewritten) skipped(o runOptions) (map[place]bool, error) {
	skip := map[place]bool{}
	for _, s := range o.skips {
		stage, action, _ := strings.Cut(s, "/")
		p := place{stage, action}
		if r.action(p) == nil {
			return nil, refuse("--skip %s: the pipeline has no such action; it has %s", s, strings.Join(r.places(), ", "))
		}
		skip[p] = true
	}
	if o.to == "" {
		return skip, nil
	}
	last := slices.IndexFunc(r.decl.Stages, func(s pipeline.StageDeclaration) bool { return s.Name == o.to })
	if last < 0 {
		return nil, refuse("--to %s: the pipeline has no such stage; it has %s", o.to, strings.Join(r.stages(), ", "))
	}
	for _, s := range r.decl.Stages[last+1:] {
		for _, a := range s.Actions {
			skip[place{s.Name, a.Name}] = true
		}
	}
	return skip, nil
}

func (r *rewritten) action(p place) *pipeline.ActionDeclaration {
	for i := range r.decl.Stages {
		for j := range r.decl.Stages[i].Actions {
			if r.decl.Stages[i].Name == p.stage && r.decl.Stages[i].Actions[j].Name == p.action {
				return &r.decl.Stages[i].Actions[j]
			}
		}
	}
	return nil
}

func (r *rewritten) stages() []string {
	var all []string
	for _, s := range r.decl.Stages {
		all = append(all, s.Name)
	}
	return all
}

func (r *rewritten) places() []string {
	var all []string
	for _, s := range r.decl.Stages {
		for _, a := range s.Actions {
			all = append(all, place{s.Name, a.Name}.String())
		}
	}
	return all
}

// leaveOut puts a provider that does nothing in the place of skipped actions,
// and gives what others need of them from folders.
func (r *rewritten) leaveOut(skip map[place]bool, folders map[string]string) error {
	needed := map[string]bool{}
	for _, s := range r.decl.Stages {
		for _, a := range s.Actions {
			for _, in := range a.InputArtifacts {
				needed[in.Name] = needed[in.Name] || !skip[place{s.Name, a.Name}]
			}
		}
	}
	var missing []error
	used := map[string]bool{}
	for i := range r.decl.Stages {
		for j := range r.decl.Stages[i].Actions {
			a := &r.decl.Stages[i].Actions[j]
			p := place{r.decl.Stages[i].Name, a.Name}
			if !skip[p] {
				continue
			}
			given := map[string]string{}
			for _, out := range a.OutputArtifacts {
				if dir, ok := folders[out.Name]; ok {
					given[out.Name], used[out.Name] = dir, true
				} else if needed[out.Name] {
					missing = append(missing, fmt.Errorf("%s is left out, but its artifact %s is needed: give it with --artifact %s=DIR", p, out.Name, out.Name))
				}
			}
			notRun(a, given)
			r.notRun = append(r.notRun, p.String())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		if !used[name] {
			missing = append(missing, fmt.Errorf("--artifact %s: no left-out action produces it", name))
		}
	}
	if len(missing) > 0 {
		return refuse("%w", errors.Join(missing...))
	}
	return nil
}

func notRun(a *pipeline.ActionDeclaration, folders map[string]string) {
	category := a.ActionTypeID.Category
	if category == pipeline.CategoryApproval {
		category = pipeline.CategoryInvoke
	}
	a.ActionTypeID = pipeline.ActionTypeID{Category: category, Owner: "Custom", Provider: "NotRun", Version: "1"}
	a.Configuration, a.Commands, a.EnvironmentVariables, a.OutputVariables = nil, nil, nil, nil
	for i := range a.OutputArtifacts {
		a.OutputArtifacts[i].Files = nil
	}
	if len(folders) > 0 {
		text, err := json.Marshal(folders)
		if err != nil {
			panic(err) // texts
		}
		a.Configuration = map[string]string{"Artifacts": string(text)}
	}
}

// localise takes away what has no meaning for one run on one machine.
func (r *rewritten) localise(skip map[place]bool) {
	if mode := r.decl.ExecutionMode; mode != "" && mode != pipeline.ModeSuperseded {
		r.decl.ExecutionMode = pipeline.ModeSuperseded
		r.notes = append(r.notes, fmt.Sprintf("the execution mode %s has no meaning for a single run", mode))
	}
	if len(r.decl.Triggers) > 0 {
		r.decl.Triggers = nil
		r.notes = append(r.notes, "triggers are not watched")
	}
	for i := range r.decl.Stages {
		s := &r.decl.Stages[i]
		if !slices.ContainsFunc(s.Actions, func(a pipeline.ActionDeclaration) bool { return !skip[place{s.Name, a.Name}] }) {
			s.BeforeEntry, s.OnSuccess, s.OnFailure = nil, nil, nil // nothing of the stage is run
		}
		for j := range r.decl.Stages[i].Actions {
			a := &r.decl.Stages[i].Actions[j]
			if _, ok := a.Configuration["NotificationArn"]; ok && a.ActionTypeID.Category == pipeline.CategoryApproval {
				delete(a.Configuration, "NotificationArn")
				r.notes = append(r.notes, fmt.Sprintf("approval %s is asked here, its NotificationArn is not told", place{r.decl.Stages[i].Name, a.Name}))
			}
		}
	}
}

// check refuses, before anything starts, what cannot run here, naming every such
// action and the flag that leaves it out.
func (r *rewritten) check(types pipeline.ActionTypes, region string) error {
	var errs []error
	for _, u := range pipeline.Unavailable(r.decl, types) {
		p, why := place{u.Stage, u.Action}, "cannot be run here"
		if _, known := types.ActionType(u.Type); !known {
			why = "is not known"
		}
		if u.Gate != "" {
			errs = append(errs, fmt.Errorf("%s: rule type %s of the %s condition %s; take the condition out of the pipeline to run it here", p, u.Type, u.Gate, why))
			continue
		}
		errs = append(errs, fmt.Errorf("%s: action type %s %s; leave the action out with --skip %s", p, u.Type, why, p))
	}
	if len(errs) > 0 {
		return refuse("%s: %w", r.file, errors.Join(errs...))
	}
	return checkDeclaration(declarationFile{path: r.file, decl: r.decl}, types, region, false)
}

// bucketsOf lists the buckets that a pipeline names.
func bucketsOf(d declaration) []string {
	var names []string
	add := func(name string) {
		if name != "" && !strings.Contains(name, "#{") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if d.ArtifactStore != nil {
		add(d.ArtifactStore.Location)
	}
	for _, store := range d.ArtifactStores {
		add(store.Location)
	}
	for _, s := range d.Stages {
		for _, a := range s.Actions {
			if a.ActionTypeID.Provider == "S3" && a.ActionTypeID.Owner == "AWS" {
				add(a.Configuration["BucketName"])
				add(a.Configuration["S3Bucket"])
			}
		}
	}
	slices.Sort(names)
	return names
}
