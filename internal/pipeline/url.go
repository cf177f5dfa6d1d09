package pipeline

import "strings"

// consoleURL is what {Console} stands for.
const consoleURL = "https://console.aws.amazon.com"

// listedRegion marks, in the templates of the built-in action types, the places
// where CodePipeline shows the region itself in ListActionTypes. {Region} and
// {Console} stay placeholders even there (reference: observed.md 4).
const listedRegion = "{region}"

// ExpandURL fills a URL template of an action type: {Config:Key} with values of
// the action's configuration, {ExternalExecutionId}, {RevisionId}, {Region} and
// {Console}. ok is false if the template is empty or a value it needs is not
// there: the URL is then not shown at all.
func ExpandURL(template string, config map[string]string, region, externalID, revisionID string) (url string, ok bool) {
	if template == "" {
		return "", false
	}
	var b strings.Builder
	for rest := template; rest != ""; {
		literal, after, found := strings.Cut(rest, "{")
		b.WriteString(literal)
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return "", false
		}
		value := urlValue(name, config, region, externalID, revisionID)
		if value == "" {
			return "", false
		}
		b.WriteString(value)
		rest = tail
	}
	return b.String(), true
}

func urlValue(name string, config map[string]string, region, externalID, revisionID string) string {
	if key, ok := strings.CutPrefix(name, "Config:"); ok {
		return config[key]
	}
	switch name {
	case "ExternalExecutionId":
		return externalID
	case "RevisionId":
		return revisionID
	case "Region", strings.Trim(listedRegion, "{}"):
		return region
	case "Console":
		return consoleURL
	}
	return ""
}

// Listed returns the templates as ListActionTypes shows them in a region.
func (s ActionTypeSettings) Listed(region string) ActionTypeSettings {
	fill := func(template string) string { return strings.ReplaceAll(template, listedRegion, region) }
	return ActionTypeSettings{
		ThirdPartyConfigurationURL: fill(s.ThirdPartyConfigurationURL),
		EntityURLTemplate:          fill(s.EntityURLTemplate),
		ExecutionURLTemplate:       fill(s.ExecutionURLTemplate),
		RevisionURLTemplate:        fill(s.RevisionURLTemplate),
	}
}
