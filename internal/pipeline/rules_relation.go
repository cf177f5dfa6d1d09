package pipeline

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// namespacesUnique is S32. It lists every use of a namespace but the first.
func namespacesUnique(v *view) string {
	seen := make(map[string]bool)
	var lines []string
	for i := range v.actions {
		l := &v.actions[i]
		if l.Namespace == "" {
			continue
		}
		if seen[l.Namespace] {
			lines = append(lines, fmt.Sprintf("StageName=[%s], ActionName=[%s], Namespace=[%s]", v.stageName(l), l.Name, l.Namespace))
		}
		seen[l.Namespace] = true
	}
	return listed("Namespaces must be unique across the pipeline definition. The following occur more than once in the pipeline.", lines)
}

// maxListed bounds the lines of a text, so that a small request with very many
// mistakes does not get an enormous answer.
const maxListed = 50

// listed is a sentence and, below it, what it is about; "" if that is nothing.
func listed(sentence string, lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	if more := len(lines) - maxListed; more > 0 {
		lines = append(slices.Clone(lines[:maxListed]), fmt.Sprintf("(and %d more)", more))
	}
	return sentence + "\n" + strings.Join(lines, "\n")
}

func namespaceNotArtifact(v *view) string {
	artifacts := make(map[string]bool)
	for i := range v.actions {
		for _, out := range v.actions[i].OutputArtifacts {
			artifacts[out.Name] = true
		}
	}
	for i := range v.actions {
		if l := &v.actions[i]; l.Namespace != "" && artifacts[l.Namespace] {
			return fmt.Sprintf("Namespace '%s' in action '%s' is also the name of an artifact. A namespace must differ from all artifact names", l.Namespace, l.Name)
		}
	}
	return ""
}

// namespaceReserved is S34. "variables" is free as long as the pipeline
// declares no variables (observed.md 0).
func namespaceReserved(v *view) string {
	for i := range v.actions {
		l := &v.actions[i]
		if l.Namespace == NamespaceExecution || l.Namespace == NamespaceVariables && v.declaresVariables() {
			return fmt.Sprintf("Namespace '%s' in action '%s' is reserved", l.Namespace, l.Name)
		}
	}
	return ""
}

func (v *view) declaresVariables() bool { return len(v.d.Variables) > 0 }

const referenceFormat = "Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.)."

// everything lists the actions, then the rules.
func (v *view) everything() iter.Seq[*located] {
	return func(yield func(*located) bool) {
		for _, list := range [][]located{v.actions, v.rules} {
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// references lists, in the form of CodePipeline's texts, the references that
// wrong accepts.
func (v *view) references(wrong func(*located, TemplatePart) bool) []string {
	var lines []string
	for l := range v.everything() {
		for _, t := range l.texts {
			for _, p := range t.text.Parts {
				if p.Namespace != "" && wrong(l, p) {
					lines = append(lines, v.referenceLine(l, t.key, p.Reference()))
				}
			}
		}
	}
	return lines
}

func (v *view) referenceLine(l *located, key, reference string) string {
	return fmt.Sprintf("StageName=[%[1]s], %[2]sName=[%[3]s], %[2]sConfigurationKey=[%[4]s], VariableReferenceText=[%[5]s]",
		v.stageName(l), l.title(), l.Name, key, reference)
}

func referencesFormed(v *view) string {
	var lines []string
	for l := range v.everything() {
		for _, t := range l.texts {
			for _, body := range MalformedReferences(t.text.Source) {
				lines = append(lines, v.referenceLine(l, t.key, body))
			}
		}
	}
	return listed(referenceFormat+" The following pipeline execution variables are not in this format.", lines)
}

// producers says when the variables of each namespace become known.
func (v *view) producers() map[string]position {
	known := map[string]position{NamespaceExecution: {-1, 0}}
	for i := range v.actions {
		if l := &v.actions[i]; l.Namespace != "" {
			known[l.Namespace] = l.position()
		}
	}
	if v.declaresVariables() {
		known[NamespaceVariables] = position{-1, 0}
	}
	return known
}

func referencesKnown(v *view) string {
	known := v.producers()
	return listed(referenceFormat+" The following pipeline execution variables are referencing a namespace that does not exist.",
		v.references(func(_ *located, p TemplatePart) bool {
			_, ok := known[p.Namespace]
			return !ok
		}))
}

// referencesEarlier is the rest of S35: the action that fills a namespace must
// be certain to have ended (execution.md 6.2).
func referencesEarlier(v *view) string {
	known := v.producers()
	return listed(referenceFormat+" The following pipeline execution variables are referencing a namespace of an action that does not run before the action with the reference.",
		v.references(func(l *located, p TemplatePart) bool {
			return !known[p.Namespace].before(l.position())
		}))
}

func noVariablesInSources(v *view) string {
	if !v.declaresVariables() {
		return ""
	}
	return listed("Variables at the pipeline level cannot be used in source actions.",
		v.references(func(l *located, p TemplatePart) bool {
			return p.Namespace == NamespaceVariables && l.isSource()
		}))
}

// variablesDeclared is S37. CodePipeline ends the text with an empty line. A
// pipeline that declares no variables at all breaks S35 instead.
func variablesDeclared(v *view) string {
	if !v.declaresVariables() {
		return ""
	}
	undeclared := v.references(func(_ *located, p TemplatePart) bool {
		return p.Namespace == NamespaceVariables &&
			!slices.ContainsFunc(v.d.Variables, func(d VariableDeclaration) bool { return d.Name == p.Key })
	})
	if len(undeclared) == 0 {
		return ""
	}
	return "The referenced variables haven't been declared.\n"
}

// inputsProduced is S38: artifacts come from actions that are certain to have
// ended. If several actions produce one, the earliest decides.
func inputsProduced(v *view) string {
	earliest := make(map[string]position)
	for i := range v.actions {
		l := &v.actions[i]
		for _, out := range l.OutputArtifacts {
			if at, ok := earliest[out.Name]; !ok || l.position().before(at) {
				earliest[out.Name] = l.position()
			}
		}
	}
	for l := range v.everything() {
		for _, in := range l.InputArtifacts {
			if at, ok := earliest[in.Name]; !ok || !at.before(l.position()) {
				return fmt.Sprintf("Input Artifact Bundle %s in %s %s is not declared as Output Artifact Bundle in any of the preceding actions", in.Name, l.noun(), l.Name)
			}
		}
	}
	return ""
}

func outputsUnique(v *view) string {
	seen := make(map[string]bool)
	for i := range v.actions {
		for _, out := range v.actions[i].OutputArtifacts {
			if seen[out.Name] {
				return fmt.Sprintf("Output Artifact Bundle name must be unique within the pipeline. %s has been used more than once.", out.Name)
			}
			seen[out.Name] = true
		}
	}
	return ""
}

func variableNamesUnique(v *view) string {
	seen := make(map[string]bool)
	for _, d := range v.d.Variables {
		if seen[d.Name] {
			return variableInUse(d.Name)
		}
		seen[d.Name] = true
	}
	return ""
}

func variableInUse(name string) string {
	return "Variable names must be unique. The following variable name is already in use: " + name
}

func triggerSources(v *view) string {
	for _, t := range v.d.Triggers {
		name := t.GitConfiguration.SourceActionName
		if !slices.ContainsFunc(v.actions, func(l located) bool {
			return l.Name == name && l.isAWS(CategorySource, "CodeStarSourceConnection")
		}) {
			return "Triggers for connections must reference a CodeStarSourceConnection action."
		}
	}
	return ""
}

func triggersUnique(v *view) string {
	seen := make(map[string]bool)
	for _, t := range v.d.Triggers {
		name := t.GitConfiguration.SourceActionName
		if seen[name] {
			return fmt.Sprintf("There can only be one trigger for each source action. The following source action has more than one: %s", name)
		}
		seen[name] = true
	}
	return ""
}

func oneKindOfStore(v *view) string {
	switch one, many := v.d.ArtifactStore != nil, len(v.d.ArtifactStores) > 0; {
	case one && many:
		return "Your pipeline can have either 'pipeline.artifactStore' or 'pipeline.artifactStores', but not both."
	case !one && !many:
		return "Your pipeline must have either 'pipeline.artifactStore' or 'pipeline.artifactStores'."
	}
	return ""
}

// regions lists the regions of the pipeline, its own first.
func (v *view) regions() []string {
	regions := []string{v.env.Region}
	for i := range v.actions {
		if r := v.actions[i].Region; r != "" && !slices.Contains(regions, r) {
			regions = append(regions, r)
		}
	}
	return regions
}

func oneStoreOneRegion(v *view) string {
	if v.d.ArtifactStore != nil && len(v.regions()) > 1 {
		return "Your pipeline contains actions in more than one region. Use 'pipeline.artifactStores' instead of 'pipeline.artifactStore' to declare an artifact store, such as an artifact bucket, for each region where you have an action."
	}
	return ""
}

func storesCoverRegions(v *view) string {
	if v.d.ArtifactStore != nil {
		return ""
	}
	for _, region := range v.regions() {
		if _, ok := v.d.ArtifactStores[region]; !ok {
			return fmt.Sprintf("Your pipeline must have an artifact store, such as an artifact bucket, for each region where you have an action. The following region is missing in 'pipeline.artifactStores': %s.", region)
		}
	}
	return ""
}
