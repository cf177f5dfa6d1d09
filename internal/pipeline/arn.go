package pipeline

import (
	"fmt"
	"strings"
)

// ARN names a resource of CodePipeline (reference: execution.md 1.9). Which
// fields are set tells what kind of resource it is: Webhook, ActionType, or
// else a pipeline, one of its stages, or an action of that stage. Stages and
// actions have ARNs for policies only.
type ARN struct {
	Partition  string
	Region     string
	Account    string
	Pipeline   string
	Stage      string
	Action     string
	Webhook    string
	ActionType ActionTypeID
}

// PipelineARN is the ARN of a pipeline in the partition "aws" unless another
// one is given.
func PipelineARN(partition, region, account, name string) string {
	return ARN{Partition: partition, Region: region, Account: account, Pipeline: name}.String()
}

// StageARN is the ARN of a stage.
func StageARN(partition, region, account, pipeline, stage string) string {
	return ARN{Partition: partition, Region: region, Account: account, Pipeline: pipeline, Stage: stage}.String()
}

// ActionARN is the ARN of an action.
func ActionARN(partition, region, account, pipeline, stage, action string) string {
	return ARN{Partition: partition, Region: region, Account: account, Pipeline: pipeline, Stage: stage, Action: action}.String()
}

// WebhookARN is the ARN of a webhook.
func WebhookARN(partition, region, account, name string) string {
	return ARN{Partition: partition, Region: region, Account: account, Webhook: name}.String()
}

// ActionTypeARN is the ARN of an action type.
func ActionTypeARN(partition, region, account string, id ActionTypeID) string {
	return ARN{Partition: partition, Region: region, Account: account, ActionType: id}.String()
}

const (
	webhookPrefix    = "webhook:"
	actionTypePrefix = "actiontype:"
)

// String prints the ARN. An empty partition is "aws".
func (a ARN) String() string {
	if a.Partition == "" {
		a.Partition = "aws"
	}
	return "arn:" + a.Partition + ":codepipeline:" + a.Region + ":" + a.Account + ":" + a.resource()
}

func (a ARN) resource() string {
	switch {
	case a.Webhook != "":
		return webhookPrefix + a.Webhook
	case a.ActionType != ActionTypeID{}:
		id := a.ActionType
		return actionTypePrefix + id.Owner + "/" + id.Category + "/" + id.Provider + "/" + id.Version
	case a.Action != "":
		return a.Pipeline + "/" + a.Stage + "/" + a.Action
	case a.Stage != "":
		return a.Pipeline + "/" + a.Stage
	}
	return a.Pipeline
}

// ParseARN reads the ARN of a resource of CodePipeline. Printing the result
// gives the text back.
func ParseARN(text string) (ARN, error) {
	fields := strings.SplitN(text, ":", 6)
	if len(fields) != 6 || fields[0] != "arn" || fields[1] == "" || fields[2] != "codepipeline" {
		return ARN{}, fmt.Errorf("parse arn %q: it does not name a resource of codepipeline", text)
	}
	a := ARN{Partition: fields[1], Region: fields[3], Account: fields[4]}
	if !a.setResource(fields[5]) {
		return ARN{}, fmt.Errorf("parse arn %q: unknown form of resource %q", text, fields[5])
	}
	return a, nil
}

func (a *ARN) setResource(resource string) bool {
	if name, ok := strings.CutPrefix(resource, webhookPrefix); ok {
		a.Webhook = name
		return isName(name)
	}
	if id, ok := strings.CutPrefix(resource, actionTypePrefix); ok {
		parts := strings.Split(id, "/")
		if len(parts) != 4 || !allNames(parts) {
			return false
		}
		a.ActionType = ActionTypeID{Owner: parts[0], Category: parts[1], Provider: parts[2], Version: parts[3]}
		return true
	}
	parts := strings.Split(resource, "/")
	if len(parts) > 3 || !allNames(parts) {
		return false
	}
	parts = append(parts, "", "")
	a.Pipeline, a.Stage, a.Action = parts[0], parts[1], parts[2]
	return true
}

func allNames(parts []string) bool {
	for _, p := range parts {
		if !isName(p) {
			return false
		}
	}
	return true
}

// isName reports whether a text is made of the characters of the names of
// pipelines, stages, actions and webhooks.
func isName(text string) bool {
	for i := range len(text) {
		if !isNameByte(text[i]) && text[i] != '.' {
			return false
		}
	}
	return text != ""
}
