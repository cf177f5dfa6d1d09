package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider/source"
	"github.com/penstock-cd/penstock/internal/server"
)

// useSources takes source actions from working copies. The folder of the
// pipeline's file is the working copy of a single source action that fetches
// from git, unless --fetch says that it is to be fetched.
func (r *rewritten) useSources(f declarationFile, o runOptions, sources map[string]string, skip map[place]bool) error {
	if len(r.decl.Stages) == 0 {
		return nil // refused by the rules, with CodePipeline's text
	}
	first := &r.decl.Stages[0]
	if !o.fetch && len(sources) == 0 && len(first.Actions) == 1 && fetchesGit(first.Actions[0].ActionTypeID) && !skip[place{first.Name, first.Actions[0].Name}] {
		dir, err := absolute(f.dir)
		if err != nil {
			return refuse("the folder of %s: %w", f.path, err)
		}
		sources = map[string]string{first.Actions[0].Name: dir}
	}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		p := place{first.Name, name}
		a := r.action(p)
		switch {
		case a == nil:
			return refuse("--source %s: the pipeline has no such source action; it has %s", name, strings.Join(r.places()[:len(first.Actions)], ", "))
		case skip[p]:
			return refuse("--source %s: %s is left out too; one of the two", name, p)
		}
		r.workingCopy(a, sources[name])
	}
	return nil
}

func fetchesGit(id pipeline.ActionTypeID) bool {
	return id.Provider == "CodeStarSourceConnection" || id.Provider == "CodeCommit" || id.Provider == "GitHub"
}

// workingCopy puts a folder in a source action's place. What names the
// repository or the object stays, for the variables.
func (r *rewritten) workingCopy(a *pipeline.ActionDeclaration, dir string) {
	if a.Configuration["OutputArtifactFormat"] == "CODEBUILD_CLONE_REF" {
		r.notes = append(r.notes, fmt.Sprintf("builds get the files of %s without its git history, which source action %s would give them", dir, a.Name))
	}
	config := map[string]string{}
	for _, p := range (source.WorkingCopy{}).Type().Properties {
		if v, ok := a.Configuration[p.Name]; ok {
			config[p.Name] = v
		}
	}
	config["Directory"] = dir
	a.ActionTypeID = pipeline.ActionTypeID{Category: pipeline.CategorySource, Owner: pipeline.OwnerCustom, Provider: "WorkingCopy", Version: "1"}
	a.Configuration = config
}

// checkSources refuses, before anything starts, sources that cannot be reached
// with this configuration. Fresh says that the run has a data directory of its
// own, in which all buckets are empty.
func (r *rewritten) checkSources(cfg server.Config, fresh bool) error {
	var errs []error
	for _, s := range r.decl.Stages {
		for _, a := range s.Actions {
			if a.ActionTypeID.Category != pipeline.CategorySource || a.ActionTypeID.Owner != pipeline.OwnerAWS {
				continue
			}
			why := ""
			switch {
			case a.ActionTypeID.Provider == "CodeStarSourceConnection" && len(cfg.Connections) == 0:
				why = "where its connection leads is not known: map it under connections in the file of --config"
			case a.ActionTypeID.Provider == "CodeCommit" && cfg.CodeCommit == "":
				why = "where CodeCommit repositories are is not known: say codeCommit in the file of --config"
			case a.ActionTypeID.Provider == "S3" && cfg.S3.Endpoint == "" && fresh:
				why = "the buckets of a run are empty: name an S3 elsewhere under s3 in the file of --config, or a server's data with --data"
			}
			if why != "" {
				errs = append(errs, fmt.Errorf("%s/%s: %s; or take a folder with --source %s=DIR", s.Name, a.Name, why, a.Name))
			}
		}
	}
	if len(errs) > 0 {
		return refuse("%s: %w", r.file, errors.Join(errs...))
	}
	return nil
}
