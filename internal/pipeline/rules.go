package pipeline

// rule is a check of a structural rule of the table (see Rules). It returns the
// text of the exception, or "" when the rule is kept. Exactly one of whole and
// each is set.
type rule struct {
	id string
	// whole judges the declaration.
	whole func(*view) string
	// each judges one action.
	each func(*view, *located) string
	// gates lets each judge the rules of conditions too.
	gates bool
}

// The exceptions of a broken rule.
const (
	invalidStructure = "InvalidStructureException"
	invalidStage     = "InvalidStageDeclarationException"
	invalidAction    = "InvalidActionDeclarationException"
	invalidBlocker   = "InvalidBlockerDeclarationException"
	validation       = "ValidationException"
)

// check returns the first broken rule. Rules about one action are applied
// action by action: all rules of the first action, then all of the second; the
// rules of conditions follow the actions.
func (v *view) check() *Violation {
	if violation := v.first(structureRules()); violation != nil {
		return violation
	}
	v.parse()
	if violation := v.first(actionRules()); violation != nil {
		return violation
	}
	if violation := v.first(relationRules()); violation != nil {
		return violation
	}
	// Whether a known action can really be run here is the last question, so
	// that everything wrong with a declaration is told before.
	return v.first([]rule{{id: "S27", each: typeAvailable, gates: true}})
}

// structureRules judge stages and modes.
//
// The order is that of execution.md 13, Q1, with one exception: S5 stands
// before S4, because otherwise no declaration could ever break it (a pipeline
// of sources only has a source in its second stage).
func structureRules() []rule {
	return []rule{
		{id: "S12", whole: modeNeedsV2},
		{id: "S13", whole: variablesNeedV2},
		{id: "S14", whole: triggersNeedV2},
		{id: "S15", whole: conditionsNeedV2},
		{id: "S1", whole: enoughStages},
		{id: "S2", whole: fewStages},
		{id: "S3", whole: firstStageSources},
		{id: "S5", whole: notOnlySources},
		{id: "S4", whole: sourcesFirst},
		{id: "S6", whole: stageNamesUnique},
		{id: "S8", whole: stageActionCount},
		{id: "S9", whole: pipelineActionCount},
		{id: "S7", whole: actionNamesUnique},
		{id: "S7", whole: ruleNamesUnique},
		{id: "S11", whole: noBlockers},
		{id: "S18", whole: parallelNoRollback},
		{id: "S19", whole: failureResultOrConditions},
		{id: "S45", whole: gateResults},
		{id: "S45", whole: retryModes},
		{id: "S45", whole: conditionsHaveRules},
		{id: "S46", whole: firstStageNoRollback},
		{id: "S44", whole: skipRules},
	}
}

// actionRules judge each action by itself, against its type; what types say of
// rules of conditions, too.
func actionRules() []rule {
	return []rule{
		{id: "S27", each: typeKnown, gates: true},
		{id: "S16", each: typeNeedsV2},
		{id: "S28", each: artifactCounts, gates: true},
		{id: "S29", each: requiredConfiguration, gates: true},
		{id: "S30", each: unknownConfiguration, gates: true},
		{id: "S31", each: commandsPresent, gates: true},
		{id: "S51", each: queryableValue},
		{id: "S53", each: primarySource, gates: true},
		{id: "S40", each: notificationFormat},
		{id: "S41", each: notificationService},
		{id: "S42", each: notificationRegion},
		{id: "S49", each: crossRegionOwner},
	}
}

// relationRules judge what actions, variables, triggers and stores say about
// each other.
func relationRules() []rule {
	return []rule{
		{id: "S32", whole: namespacesUnique},
		{id: "S33", whole: namespaceNotArtifact},
		{id: "S34", whole: namespaceReserved},
		{id: "S35", whole: referencesFormed},
		{id: "S35", whole: referencesKnown},
		{id: "S35", whole: referencesEarlier},
		{id: "S36", whole: noVariablesInSources},
		{id: "S37", whole: variablesDeclared},
		{id: "S38", whole: inputsProduced},
		{id: "S39", whole: outputsUnique},
		{id: "S17", whole: variableNamesUnique},
		{id: "S20", whole: triggerSources},
		{id: "S21", whole: triggersUnique},
		{id: "S22", whole: oneKindOfStore},
		{id: "S23", whole: oneStoreOneRegion},
		{id: "S24", whole: storesCoverRegions},
	}
}

// first applies rules in order. Neighbouring rules about one action go through
// the actions together.
func (v *view) first(rules []rule) *Violation {
	for len(rules) > 0 {
		if rules[0].whole != nil {
			if text := rules[0].whole(v); text != "" {
				return rules[0].violation(text)
			}
			rules = rules[1:]
			continue
		}
		n := 1
		for n < len(rules) && rules[n].each != nil {
			n++
		}
		if violation := v.firstOfEach(rules[:n]); violation != nil {
			return violation
		}
		rules = rules[n:]
	}
	return nil
}

func (v *view) firstOfEach(rules []rule) *Violation {
	for i := range v.actions {
		for _, r := range rules {
			if text := r.each(v, &v.actions[i]); text != "" {
				return r.violation(text)
			}
		}
	}
	for i := range v.rules {
		for _, r := range rules {
			if !r.gates {
				continue
			}
			if text := r.each(v, &v.rules[i]); text != "" {
				return r.violation(text)
			}
		}
	}
	return nil
}

func (r rule) violation(text string) *Violation {
	return Breach(r.id, text)
}
