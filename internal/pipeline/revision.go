package pipeline

import (
	"fmt"
	"slices"
	"strings"
)

// SourceRevisionOverride pins the revision that a source action takes
// (StartPipelineExecution, sourceRevisions).
type SourceRevisionOverride struct {
	ActionName    string       `json:"actionName"`
	RevisionType  RevisionType `json:"revisionType"`
	RevisionValue string       `json:"revisionValue"`
}

// RevisionType is the kind of a source revision override.
type RevisionType string

// The revision types of CodePipeline.
const (
	RevisionCommitID          RevisionType = "COMMIT_ID"
	RevisionImageDigest       RevisionType = "IMAGE_DIGEST"
	RevisionS3ObjectVersionID RevisionType = "S3_OBJECT_VERSION_ID"
	RevisionS3ObjectKey       RevisionType = "S3_OBJECT_KEY"
)

// Revision is what a source action fetched.
type Revision struct {
	ID               string `json:"id"`
	ChangeIdentifier string `json:"changeIdentifier,omitempty"`
	Summary          string `json:"summary,omitempty"`
	URL              string `json:"url,omitempty"`
	// Created is in milliseconds since the epoch, 0 when unknown.
	Created int64 `json:"created,omitempty"`
}

// ArtifactLocation is where an artifact's content is kept.
type ArtifactLocation struct {
	Name   string `json:"name"`
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// Variable is a resolved pipeline variable.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// RevisionTypes returns the kinds of overrides that source actions of a type
// take, none for other actions (reference: execution.md 3.5).
func RevisionTypes(id ActionTypeID) []RevisionType {
	if id.Category != CategorySource {
		return nil
	}
	switch id.Owner + "/" + id.Provider {
	case "AWS/CodeCommit", "AWS/CodeStarSourceConnection", "ThirdParty/GitHub":
		return []RevisionType{RevisionCommitID}
	case "AWS/ECR":
		return []RevisionType{RevisionImageDigest}
	case "AWS/S3":
		return []RevisionType{RevisionS3ObjectVersionID, RevisionS3ObjectKey}
	}
	return nil
}

// CheckOverrides judges the source revision overrides of a start. The result is
// nil, or a violation with a ValidationException.
func CheckOverrides(p *Plan, overrides []SourceRevisionOverride) *Violation {
	type slot struct {
		action string
		kind   RevisionType
	}
	seen := make(map[slot]bool, len(overrides))
	for _, o := range overrides {
		action := p.source(o.ActionName)
		if action == nil {
			return overrideViolation("The action name provided in the source revision is not valid. The action must be a source action in your pipeline.")
		}
		if !slices.Contains(RevisionTypes(action.Type), o.RevisionType) {
			return overrideViolation(fmt.Sprintf("The revision type %s provided in the source revision is not valid for the action %s of the provider %s.",
				o.RevisionType, o.ActionName, action.Type.Provider))
		}
		if o.RevisionType == RevisionS3ObjectKey && !action.allowsObjectKey() {
			return overrideViolation(fmt.Sprintf("The revision type %s provided in the source revision is not valid for the action %s: its configuration %s is not true.",
				o.RevisionType, o.ActionName, allowObjectKey))
		}
		at := slot{o.ActionName, o.RevisionType}
		if seen[at] {
			return overrideViolation(fmt.Sprintf("The source revision for the action %s with the revision type %s is provided more than once.",
				o.ActionName, o.RevisionType))
		}
		seen[at] = true
	}
	return nil
}

const allowObjectKey = "AllowOverrideForS3ObjectKey"

// allowsObjectKey reports whether an S3 source lets a start choose the key.
func (a *ActionPlan) allowsObjectKey() bool {
	text, _ := a.ConfigurationText(allowObjectKey)
	return strings.EqualFold(text.Source, "true")
}

// source returns the named source action, or nil.
func (p *Plan) source(name string) *ActionPlan {
	for i := range p.Stages {
		for j := range p.Stages[i].Actions {
			if a := &p.Stages[i].Actions[j]; a.IsSource() && a.Name == name {
				return a
			}
		}
	}
	return nil
}

func overrideViolation(text string) *Violation {
	return &Violation{Rule: "sourceRevisions", Exception: validation, Message: text}
}
