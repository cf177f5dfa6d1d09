package pipeline

// rule is one structural rule (reference: execution.md 1.3, corrected by
// observed.md 0 and 3). Its check returns the text of the exception, or "" when
// the rule is kept. Exactly one of whole and each is set.
type rule struct {
	id        string
	exception string
	// whole judges the declaration.
	whole func(*view) string
	// each judges one action.
	each func(*view, *located) string
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
// action by action: all rules of the first action, then all of the second.
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
	return v.first([]rule{{id: "S27", exception: invalidAction, each: typeAvailable}})
}

// structureRules judge stages and modes.
//
// The order is that of execution.md 13, Q1, with one exception: S5 stands
// before S4, because otherwise no declaration could ever break it (a pipeline
// of sources only has a source in its second stage).
func structureRules() []rule {
	return []rule{
		{id: "S12", exception: invalidStructure, whole: modeNeedsV2},
		{id: "S13", exception: invalidStructure, whole: variablesNeedV2},
		{id: "S14", exception: invalidStructure, whole: triggersNeedV2},
		{id: "S15", exception: invalidStage, whole: conditionsNeedV2},
		{id: "S1", exception: invalidStructure, whole: enoughStages},
		{id: "S2", exception: invalidStructure, whole: fewStages},
		{id: "S3", exception: invalidStructure, whole: firstStageSources},
		{id: "S5", exception: invalidStructure, whole: notOnlySources},
		{id: "S4", exception: invalidStructure, whole: sourcesFirst},
		{id: "S6", exception: invalidStage, whole: stageNamesUnique},
		{id: "S8", exception: invalidStage, whole: stageActionCount},
		{id: "S9", exception: invalidStructure, whole: pipelineActionCount},
		{id: "S7", exception: invalidAction, whole: actionNamesUnique},
		{id: "S11", exception: invalidBlocker, whole: noBlockers},
		{id: "S18", exception: invalidStage, whole: parallelNoRollback},
		{id: "S19", exception: invalidStage, whole: failureResultOrConditions},
		{id: "S45", exception: invalidStage, whole: gateResults},
		{id: "S46", exception: invalidStage, whole: firstStageNoRollback},
		{id: "S44", exception: invalidStage, whole: skipRules},
	}
}

// actionRules judge each action by itself, against its type.
func actionRules() []rule {
	return []rule{
		{id: "S27", exception: invalidAction, each: typeKnown},
		{id: "S16", exception: invalidAction, each: typeNeedsV2},
		{id: "S28", exception: invalidAction, each: artifactCounts},
		{id: "S29", exception: invalidAction, each: requiredConfiguration},
		{id: "S30", exception: invalidAction, each: unknownConfiguration},
		{id: "S31", exception: invalidAction, each: commandsPresent},
		{id: "S51", exception: invalidAction, each: queryableValue},
		{id: "S53", exception: invalidAction, each: primarySource},
		{id: "S40", exception: invalidAction, each: notificationFormat},
		{id: "S41", exception: invalidAction, each: notificationService},
		{id: "S42", exception: invalidAction, each: notificationRegion},
		{id: "S49", exception: invalidAction, each: crossRegionOwner},
	}
}

// relationRules judge what actions, variables, triggers and stores say about
// each other.
func relationRules() []rule {
	return []rule{
		{id: "S32", exception: invalidAction, whole: namespacesUnique},
		{id: "S33", exception: invalidAction, whole: namespaceNotArtifact},
		{id: "S34", exception: invalidAction, whole: namespaceReserved},
		{id: "S35", exception: invalidAction, whole: referencesFormed},
		{id: "S35", exception: invalidAction, whole: referencesKnown},
		{id: "S35", exception: invalidAction, whole: referencesEarlier},
		{id: "S36", exception: invalidStructure, whole: noVariablesInSources},
		{id: "S37", exception: invalidStructure, whole: variablesDeclared},
		{id: "S38", exception: invalidAction, whole: inputsProduced},
		{id: "S39", exception: invalidAction, whole: outputsUnique},
		{id: "S17", exception: invalidStructure, whole: variableNamesUnique},
		{id: "S20", exception: invalidStructure, whole: triggerSources},
		{id: "S21", exception: invalidStructure, whole: triggersUnique},
		{id: "S22", exception: invalidStructure, whole: oneKindOfStore},
		{id: "S23", exception: invalidStructure, whole: oneStoreOneRegion},
		{id: "S24", exception: invalidStructure, whole: storesCoverRegions},
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
	return nil
}

func (r rule) violation(text string) *Violation {
	return &Violation{Rule: r.id, Exception: r.exception, Message: text}
}
