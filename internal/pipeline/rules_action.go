package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// typeKnown is S27 for a type that nobody has heard of: without a type nothing
// more can be said about the action. typeAvailable is S27 for the rest.
func typeKnown(v *view, l *located) string {
	// A rule type is no action type.
	if l.known && (l.gate != "") == (l.ActionTypeID.Category == CategoryRule) {
		return ""
	}
	return notAvailable(v, l)
}

func typeAvailable(v *view, l *located) string {
	if l.kind.Available {
		return ""
	}
	return notAvailable(v, l)
}

// title and noun say what the texts are about.
func (l *located) title() string {
	if l.gate != "" {
		return "Rule"
	}
	return "Action"
}

func (l *located) noun() string { return strings.ToLower(l.title()) }

// notAvailable is the text of S27; the region prints as in US_EAST_1.
func notAvailable(v *view, l *located) string {
	region := l.Region
	if region == "" {
		region = v.env.Region
	}
	id := l.ActionTypeID
	return fmt.Sprintf("%sType (Category: '%s', Provider: '%s', Owner: '%s', Version: '%s') in %s '%s' is not available in region '%s'",
		l.title(), id.Category, id.Provider, id.Owner, id.Version, l.noun(), l.Name, strings.ToUpper(strings.ReplaceAll(region, "-", "_")))
}

func typeNeedsV2(v *view, l *located) string {
	if v.kind == TypeV1 && l.kind.V2Only {
		return l.ActionTypeID.Provider + " Action can only be used with V2 pipelines."
	}
	return ""
}

func artifactCounts(_ *view, l *located) string {
	if text := artifactCount(l, "input", len(l.InputArtifacts), l.kind.Inputs); text != "" {
		return text
	}
	return artifactCount(l, "output", len(l.OutputArtifacts), l.kind.Outputs)
}

func artifactCount(l *located, side string, n int, bounds ArtifactBounds) string {
	switch {
	case n < bounds.Min:
		return fmt.Sprintf("%s %s declares %d %s artifacts which is less than the minimum count (%d)", l.title(), l.Name, n, side, bounds.Min)
	case n > bounds.Max:
		return fmt.Sprintf("%s %s declares %d %s artifacts which is more than the maximum count (%d)", l.title(), l.Name, n, side, bounds.Max)
	}
	return ""
}

func requiredConfiguration(_ *view, l *located) string {
	for _, p := range l.kind.Properties {
		if _, given := l.Configuration[p.Name]; p.Required && !given {
			return missingConfiguration(l, p.Name)
		}
	}
	return ""
}

func missingConfiguration(l *located, key string) string {
	return fmt.Sprintf("%s configuration for %s '%s' is missing required configuration '%s'", l.title(), l.noun(), l.Name, key)
}

func unknownConfiguration(_ *view, l *located) string {
	for _, key := range slices.Sorted(maps.Keys(l.Configuration)) {
		if !slices.ContainsFunc(l.kind.Properties, func(p ConfigurationProperty) bool { return p.Name == key }) {
			return fmt.Sprintf("%s configuration for %s '%s' contains unknown configuration '%s'", l.title(), l.noun(), l.Name, key)
		}
	}
	return ""
}

// isAWS reports whether the action is of a type that AWS owns.
func (a *ActionDeclaration) isAWS(category, provider string) bool {
	id := a.ActionTypeID
	return id.Owner == OwnerAWS && id.Provider == provider && (category == "" || id.Category == category)
}

func commandsPresent(_ *view, l *located) string {
	if (l.isAWS(CategoryCompute, "Commands") || l.isAWS(CategoryRule, "Commands")) && len(l.Commands) == 0 {
		return fmt.Sprintf("%s %s must have a non-empty commands field", l.title(), l.Name)
	}
	return ""
}

// queryableValue is S51: what a job worker can ask for must fit its query.
func queryableValue(_ *view, l *located) string {
	for _, p := range l.kind.Properties {
		value, given := l.Configuration[p.Name]
		if !p.Queryable || !given {
			continue
		}
		ok := len(value) <= 20
		for i := range len(value) {
			ok = ok && isNameByte(value[i]) && value[i] != '@'
		}
		if !ok {
			return fmt.Sprintf("Action configuration for action '%s' has an invalid value for the queryable configuration '%s': it must have at most 20 characters, which must be letters, digits, underscores or hyphens", l.Name, p.Name)
		}
	}
	return ""
}

func primarySource(_ *view, l *located) string {
	if l.isAWS("", "CodeBuild") && len(l.InputArtifacts) > 1 {
		if _, given := l.Configuration["PrimarySource"]; !given {
			return missingConfiguration(l, "PrimarySource")
		}
	}
	return ""
}

// notificationARN returns the topic of an approval and its fields. A value with
// references is not known yet; it is judged when the approval notifies.
func notificationARN(l *located) (arn string, fields []string, ok bool) {
	if !l.isAWS(CategoryApproval, "Manual") {
		return "", nil, false
	}
	arn, ok = l.Configuration["NotificationArn"]
	if !ok || len(ParseTemplate(arn).References()) > 0 {
		return "", nil, false
	}
	return arn, strings.SplitN(arn, ":", 6), true
}

func notificationFormat(_ *view, l *located) string {
	arn, fields, ok := notificationARN(l)
	if !ok || len(fields) == 6 && fields[0] == "arn" && fields[1] != "" && fields[2] != "" && fields[5] != "" {
		return ""
	}
	return fmt.Sprintf("The ARN %s you specified for sending notifications for the approval action %s contains a format error.", arn, l.Name)
}

func notificationService(_ *view, l *located) string {
	arn, fields, ok := notificationARN(l)
	if !ok || fields[2] == "sns" {
		return ""
	}
	return fmt.Sprintf("The ARN %s has been specified for sending notifications for the approval action %s, but the AWS service for this ARN cannot be used to send approval requests.", arn, l.Name)
}

func notificationRegion(v *view, l *located) string {
	arn, fields, ok := notificationARN(l)
	if !ok || fields[3] == v.env.Region {
		return ""
	}
	return fmt.Sprintf("The ARN %s has been specified for sending notifications for the approval action %s, but the ARN is not in the same region as the pipeline.", arn, l.Name)
}

// crossRegionOwner is S49: sources and actions of others run in the pipeline's
// own region.
func crossRegionOwner(v *view, l *located) string {
	if l.Region == "" || l.Region == v.env.Region || !l.isSource() && l.ActionTypeID.Owner == OwnerAWS {
		return ""
	}
	return fmt.Sprintf("Action '%s' cannot be in another region than the pipeline: only actions that are owned by AWS and are not source actions can", l.Name)
}
