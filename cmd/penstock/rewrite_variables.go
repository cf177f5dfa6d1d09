package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// setVariables gives variables their values. Those of the pipeline become its
// defaults: the execution that creation starts is the one that runs. Those of a
// left-out action, NAMESPACE.NAME, are put where they are used.
func (r *rewritten) setVariables(skip map[place]bool) error {
	outputs := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(r.variables)) {
		value := r.variables[name]
		if namespace, _, dotted := strings.Cut(name, "."); dotted {
			if _, left := r.leftOut(namespace, skip); !left {
				return refuse("--var %s: no left-out action has the namespace %s", name, namespace)
			}
			if len(pipeline.ParseTemplate(value).References()) > 0 {
				return refuse("--var %s: a value cannot refer to other variables", name)
			}
			outputs[name] = value
			continue
		}
		i := slices.IndexFunc(r.decl.Variables, func(v pipeline.VariableDeclaration) bool { return v.Name == name })
		switch {
		case i < 0 && len(r.decl.Variables) == 0:
			return refuse("--var %s: the pipeline declares no variables", name)
		case i < 0:
			return refuse("--var %s: the pipeline declares no such variable; it declares %s", name, strings.Join(r.declared(), ", "))
		}
		r.decl.Variables[i].DefaultValue = &value
	}
	return r.putOutputs(outputs, skip)
}

func (r *rewritten) declared() []string {
	var names []string
	for _, v := range r.decl.Variables {
		names = append(names, v.Name)
	}
	return names
}

// leftOut finds the left-out action of a namespace.
func (r *rewritten) leftOut(namespace string, skip map[place]bool) (place, bool) {
	for _, s := range r.decl.Stages {
		for _, a := range s.Actions {
			if p := (place{s.Name, a.Name}); skip[p] && a.Namespace == namespace && namespace != "" {
				return p, true
			}
		}
	}
	return place{}, false
}

// putOutputs replaces references to the variables of left-out actions, and
// refuses those that have no value.
func (r *rewritten) putOutputs(outputs map[string]string, skip map[place]bool) error {
	var missing []error
	for i := range r.decl.Stages {
		for j := range r.decl.Stages[i].Actions {
			a := &r.decl.Stages[i].Actions[j]
			user := place{r.decl.Stages[i].Name, a.Name}
			if skip[user] {
				continue
			}
			put := func(text string) string {
				var b strings.Builder
				for _, part := range pipeline.ParseTemplate(text).Parts {
					owner, left := r.leftOut(part.Namespace, skip)
					value, given := outputs[part.Reference()]
					switch {
					case part.Namespace == "":
						b.WriteString(part.Literal)
					case !left:
						b.WriteString("#{" + part.Reference() + "}")
					case given:
						b.WriteString(value)
					default:
						missing = append(missing, fmt.Errorf("%s uses #{%s} of %s, which is left out: give it with --var %s=VALUE", user, part.Reference(), owner, part.Reference()))
					}
				}
				return b.String()
			}
			for _, key := range slices.Sorted(maps.Keys(a.Configuration)) {
				a.Configuration[key] = put(a.Configuration[key])
			}
			for k := range a.EnvironmentVariables {
				a.EnvironmentVariables[k].Value = put(a.EnvironmentVariables[k].Value)
			}
		}
	}
	if len(missing) > 0 {
		return refuse("%w", errors.Join(missing...))
	}
	return nil
}
