package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Masked stands for a secret configuration value wherever one is shown
// (reference: execution.md 1.11).
const Masked = "****"

// secretPrefix begins the references that stand for secret values in a stored
// declaration. ReservedValue keeps it for them, and a reference counts only
// where the declaration has it, not where a variable's value looks like one.
const secretPrefix = "penstock-secret:"

// SecretReference is what a stored declaration holds in the place of the secret
// value with an id.
func SecretReference(id string) string { return secretPrefix + id }

// ParseSecretReference returns the id in a reference.
func ParseSecretReference(text string) (id string, ok bool) {
	return strings.CutPrefix(text, secretPrefix)
}

// IsMask reports whether a configuration value is a mask: asterisks only. The
// documentation writes five, answers show four; any number counts.
func IsMask(text string) bool {
	return text != "" && strings.Trim(text, "*") == ""
}

// MaskSecrets returns a configuration with masks in the place of references. The
// argument is not changed; it is returned as it is when it holds none.
func MaskSecrets(configuration map[string]string) map[string]string {
	var masked map[string]string
	//floors:ordered every key is masked by itself
	for key, value := range configuration {
		if _, secret := ParseSecretReference(value); !secret {
			continue
		}
		if masked == nil {
			masked = maps.Clone(configuration)
		}
		masked[key] = Masked
	}
	if masked == nil {
		return configuration
	}
	return masked
}

// SecretKeys lists the configuration keys of a type whose values are secret, in
// the order of its properties.
func (t ActionType) SecretKeys() []string {
	var keys []string
	for _, p := range t.Properties {
		if p.Secret {
			keys = append(keys, p.Name)
		}
	}
	return keys
}

// ReservedValue refuses a declaration from outside that holds what looks like a
// reference to a secret: nobody may refer to the secrets of others. It returns
// nil if there is nothing of the kind.
func ReservedValue(d Declaration) *Violation {
	for i := range d.Stages {
		for _, a := range d.Stages[i].Actions {
			if v := reservedValue("Action", a.Name, a.Configuration); v != nil {
				return v
			}
		}
		for _, g := range d.Stages[i].gates() {
			for _, c := range g.conditions {
				for _, r := range c.Rules {
					if v := reservedValue("Rule", r.Name, r.Configuration); v != nil {
						return v
					}
				}
			}
		}
	}
	return nil
}

func reservedValue(what, name string, configuration map[string]string) *Violation {
	for _, key := range slices.Sorted(maps.Keys(configuration)) {
		if _, reserved := ParseSecretReference(configuration[key]); reserved {
			return &Violation{Rule: "reserved", Exception: invalidAction, Message: fmt.Sprintf(
				"%s configuration for %s '%s' has a value for '%s' that begins with '%s', which is reserved",
				what, strings.ToLower(what), name, key, secretPrefix)}
		}
	}
	return nil
}

// KeepSecrets puts the values that a stored declaration has into the places of
// masks: a mask keeps the stored value of the action of the same name in the
// stage of the same name, if nothing else of the action changes (reference:
// execution.md 1.11, C36). A mask that keeps nothing is taken out, and the
// violation names the first one; the rest of the declaration is judged without
// it. Neither argument is changed.
func KeepSecrets(d, stored Declaration, types ActionTypes) (kept Declaration, lost *Violation) {
	kept = d
	for i := range d.Stages {
		for j := range d.Stages[i].Actions {
			a := &d.Stages[i].Actions[j]
			masks := maskedKeys(a, types)
			if len(masks) == 0 {
				continue
			}
			action, complete := keepSecrets(*a, findAction(stored, d.Stages[i].Name, a.Name), masks)
			kept = replaceAction(kept, i, j, action)
			if !complete && lost == nil {
				lost = &Violation{Rule: "S29", Exception: invalidAction, Message: missingConfiguration(&located{ActionDeclaration: a}, masks[0])}
			}
		}
	}
	return kept, lost
}

// maskedKeys lists the secret keys of an action whose value is a mask.
func maskedKeys(a *ActionDeclaration, types ActionTypes) []string {
	t, known := types.ActionType(a.ActionTypeID)
	if !known {
		return nil
	}
	return slices.DeleteFunc(t.SecretKeys(), func(key string) bool { return !IsMask(a.Configuration[key]) })
}

// keepSecrets fills the masked keys of one action from the stored one, nil if
// there is none; all of them or none.
func keepSecrets(a ActionDeclaration, stored *ActionDeclaration, masks []string) (kept ActionDeclaration, complete bool) {
	filled := a
	filled.Configuration = maps.Clone(a.Configuration)
	complete = stored != nil
	for _, key := range masks {
		delete(filled.Configuration, key)
		if stored == nil {
			continue
		}
		value, has := stored.Configuration[key]
		if complete = complete && has; has {
			filled.Configuration[key] = value
		}
	}
	if complete && sameAction(filled, *stored) {
		return filled, true
	}
	for _, key := range masks {
		delete(filled.Configuration, key)
	}
	return filled, false
}

// findAction finds an action by its stage's name and its own.
func findAction(d Declaration, stage, action string) *ActionDeclaration {
	for i := range d.Stages {
		if d.Stages[i].Name != stage {
			continue
		}
		for j := range d.Stages[i].Actions {
			if d.Stages[i].Actions[j].Name == action {
				return &d.Stages[i].Actions[j]
			}
		}
	}
	return nil
}

// replaceAction returns the declaration with another action in a place. What
// does not change is shared.
func replaceAction(d Declaration, stage, index int, a ActionDeclaration) Declaration {
	d.Stages = slices.Clone(d.Stages)
	d.Stages[stage].Actions = slices.Clone(d.Stages[stage].Actions)
	d.Stages[stage].Actions[index] = a
	return d
}

// sameAction reports whether two actions declare the same, an absent member and
// the one that answers fill in for it being the same.
func sameAction(a, b ActionDeclaration) bool {
	return a.Name == b.Name && a.ActionTypeID == b.ActionTypeID && max(a.RunOrder, 1) == max(b.RunOrder, 1) &&
		maps.Equal(a.Configuration, b.Configuration) && slices.Equal(a.Commands, b.Commands) &&
		slices.EqualFunc(a.OutputArtifacts, b.OutputArtifacts, func(x, y OutputArtifact) bool {
			return x.Name == y.Name && slices.Equal(x.Files, y.Files)
		}) &&
		slices.Equal(a.InputArtifacts, b.InputArtifacts) && slices.Equal(a.OutputVariables, b.OutputVariables) &&
		a.RoleArn == b.RoleArn && a.Region == b.Region && a.Namespace == b.Namespace &&
		a.TimeoutInMinutes == b.TimeoutInMinutes && slices.Equal(a.EnvironmentVariables, b.EnvironmentVariables)
}

// ReplaceSecrets hands every secret value of a declaration that is neither a
// mask nor a reference to replace, and returns the declaration with what that
// answers in their places, in declared order. The argument is not changed.
func ReplaceSecrets(d Declaration, types ActionTypes, replace func(value string) (string, error)) (Declaration, error) {
	replaced := d
	for i := range d.Stages {
		for j := range d.Stages[i].Actions {
			a := d.Stages[i].Actions[j]
			t, _ := types.ActionType(a.ActionTypeID)
			for _, key := range t.SecretKeys() {
				value, declared := a.Configuration[key]
				if _, reference := ParseSecretReference(value); !declared || reference || IsMask(value) {
					continue
				}
				text, err := replace(value)
				if err != nil {
					return d, fmt.Errorf("keeping the secret '%s' of action '%s': %w", key, a.Name, err)
				}
				a.Configuration = maps.Clone(a.Configuration)
				a.Configuration[key] = text
				replaced = replaceAction(replaced, i, j, a)
			}
		}
	}
	return replaced, nil
}
