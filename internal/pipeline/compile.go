package pipeline

import (
	"maps"
	"slices"
	"strings"
)

// Compile checks a declaration against every structural rule and turns it into
// a Plan. The error is always a *Violation: the first rule broken, in the order
// in which rules() lists them. The shape constraints of the service model
// (lengths, patterns, required members) are checked before, by the generated
// Validate. Compile is deterministic and does not change the declaration.
func Compile(d Declaration, env Environment) (Plan, error) {
	v := newView(&d, env)
	if violation := v.check(); violation != nil {
		return Plan{}, violation
	}
	return v.plan(), nil
}

// view is a declaration prepared for judging: defaulted, with its actions in a
// row, their types looked up, and their references parsed.
type view struct {
	d       *Declaration
	env     Environment
	kind    PipelineType
	mode    ExecutionMode
	actions []located // in declared order
	rules   []located // of all gates, in the order of gates()
}

// located is an action or a rule and where it stands.
type located struct {
	*ActionDeclaration
	stage int    // index
	gate  string // name; empty for an action
	index int    // among the actions of the stage or the rules of the gate, as declared
	order int    // run order, defaulted
	kind  ActionType
	known bool // kind was found
	texts []locatedText
}

// locatedText is a text of an action that may hold references: a configuration
// value or the value of an environment variable.
type locatedText struct {
	key  string
	text Template
}

func (l *located) position() position { return position{l.stage, l.order} }

// position is when an action runs.
type position struct{ stage, order int }

// before reports whether an action at p is certain to have ended when one at q
// starts: an earlier stage, or the same stage and a lower run order. Equal run
// orders run together. The order of the list decides nothing (execution.md 1.4).
func (p position) before(q position) bool {
	return p.stage < q.stage || p.stage == q.stage && p.order < q.order
}

func newView(d *Declaration, env Environment) *view {
	env.Limits = env.Limits.withDefaults()
	v := &view{d: d, env: env, kind: EffectiveType(*d, env.Types), mode: EffectiveMode(*d)}
	n := 0
	for i := range d.Stages {
		n += len(d.Stages[i].Actions)
	}
	v.actions = make([]located, 0, n)
	for s := range d.Stages {
		for i := range d.Stages[s].Actions {
			l := located{ActionDeclaration: &d.Stages[s].Actions[i], stage: s, index: i}
			l.order = max(l.RunOrder, 1)
			if env.Types != nil {
				l.kind, l.known = env.Types.ActionType(l.ActionTypeID)
			}
			v.actions = append(v.actions, l)
		}
		v.rules = append(v.rules, v.locateRules(s)...)
	}
	return v
}

// parse finds the references of all actions and rules. It is done only when the
// structure is sound, because it is what costs most.
func (v *view) parse() {
	for i := range v.actions {
		v.actions[i].parse()
	}
	for i := range v.rules {
		v.rules[i].parse()
	}
}

func (l *located) parse() {
	l.texts = make([]locatedText, 0, len(l.Configuration)+len(l.EnvironmentVariables))
	for _, key := range slices.Sorted(maps.Keys(l.Configuration)) {
		l.texts = append(l.texts, locatedText{key, ParseTemplate(l.Configuration[key])})
	}
	for _, e := range l.EnvironmentVariables {
		l.texts = append(l.texts, locatedText{e.Name, ParseTemplate(e.Value)})
	}
}

// stageName is the name of the stage that an action stands in.
func (v *view) stageName(l *located) string { return v.d.Stages[l.stage].Name }

// plan builds the plan of a declaration that breaks no rule.
func (v *view) plan() Plan {
	d := v.d
	p := Plan{
		Name:      d.Name,
		Version:   d.Version,
		Mode:      v.mode,
		Type:      v.kind,
		RoleArn:   d.RoleArn,
		Stages:    make([]StagePlan, len(d.Stages)),
		Variables: slices.Clone(d.Variables),
		Stores:    v.stores(),
		Triggers:  len(d.Triggers),
	}
	for i := range d.Stages {
		p.Stages[i] = StagePlan{Name: d.Stages[i].Name, Actions: make([]ActionPlan, 0, len(d.Stages[i].Actions))}
	}
	for i := range v.actions {
		s := &p.Stages[v.actions[i].stage]
		s.Actions = append(s.Actions, v.action(&v.actions[i]))
	}
	for i := range p.Stages {
		s := &p.Stages[i]
		slices.SortStableFunc(s.Actions, func(a, b ActionPlan) int { return a.RunOrder - b.RunOrder })
		s.Groups = groups(s.Actions)
	}
	v.planGates(p.Stages)
	return p
}

// groups finds the ranges of equal run order in sorted actions.
func groups(actions []ActionPlan) []Group {
	var found []Group
	for i := range actions {
		if i > 0 && actions[i].RunOrder == actions[i-1].RunOrder {
			found[len(found)-1].To = i + 1
			continue
		}
		found = append(found, Group{From: i, To: i + 1})
	}
	return found
}

// action builds the plan of one action or rule. Its texts are the configuration,
// sorted, followed by the environment, as declared.
func (v *view) action(l *located) ActionPlan {
	a := ActionPlan{
		Name:            l.Name,
		Type:            l.ActionTypeID,
		RunOrder:        l.order,
		Commands:        slices.Clone(l.Commands),
		Outputs:         slices.Clone(l.OutputArtifacts),
		OutputVariables: slices.Clone(l.OutputVariables),
		Namespace:       l.Namespace,
		RoleArn:         l.RoleArn,
		Timeout:         l.timeout(),
		Index:           l.index,
	}
	if l.Region != v.env.Region {
		a.Region = l.Region
	}
	for _, t := range l.texts[:len(l.Configuration)] {
		a.Configuration = append(a.Configuration, ConfigurationEntry{Key: t.key, Text: t.text})
	}
	for i, t := range l.texts[len(l.Configuration):] {
		a.Environment = append(a.Environment, EnvironmentEntry{Name: t.key, Type: l.EnvironmentVariables[i].Type, Text: t.text})
	}
	for _, in := range l.InputArtifacts {
		a.Inputs = append(a.Inputs, in.Name)
	}
	return a
}

// stores lists the artifact stores by region; the pipeline's own is "".
func (v *view) stores() []RegionStore {
	if v.d.ArtifactStore != nil {
		return []RegionStore{{Store: *v.d.ArtifactStore}}
	}
	stores := make([]RegionStore, 0, len(v.d.ArtifactStores))
	for _, region := range slices.Sorted(maps.Keys(v.d.ArtifactStores)) {
		store := RegionStore{Region: region, Store: v.d.ArtifactStores[region]}
		if region == v.env.Region {
			store.Region = ""
		}
		stores = append(stores, store)
	}
	slices.SortFunc(stores, func(a, b RegionStore) int { return strings.Compare(a.Region, b.Region) })
	return stores
}
