package codepipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// taggable is a resource that can have tags: a pipeline, a custom action type
// or a webhook. Set answers dispatch.ErrTooManyTags.
type taggable interface {
	All(ctx context.Context) (map[string]string, error)
	Set(ctx context.Context, tags map[string]string) error
	Remove(ctx context.Context, keys []string) error
}

// TagResource adds tags to a resource, replacing those with the same keys.
func (s *Service) TagResource(ctx context.Context, c api.Caller, in *wire.TagResourceInput) (*wire.TagResourceOutput, error) {
	arn := text(in.ResourceArn)
	resource, err := s.tagged(ctx, c, "TagResource", arn, tagsToSet(in.Tags))
	if err != nil {
		return nil, err
	}
	tags, err := tagMap(in.Tags, arn)
	if err != nil {
		return nil, err
	}
	if err := resource.Set(ctx, tags); errors.Is(err, dispatch.ErrTooManyTags) {
		return nil, tooManyTags(arn)
	} else if err != nil {
		return nil, err
	}
	return &wire.TagResourceOutput{}, nil
}

// UntagResource removes tags; absent keys are ignored.
func (s *Service) UntagResource(ctx context.Context, c api.Caller, in *wire.UntagResourceInput) (*wire.UntagResourceOutput, error) {
	resource, err := s.tagged(ctx, c, "UntagResource", text(in.ResourceArn), map[string][]string{"aws:TagKeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	for _, k := range in.TagKeys {
		if err := checkTagKey(k); err != nil {
			return nil, err
		}
	}
	if err := resource.Remove(ctx, in.TagKeys); err != nil {
		return nil, err
	}
	return &wire.UntagResourceOutput{}, nil
}

// ListTagsForResource lists all tags of a resource by key, in one page.
func (s *Service) ListTagsForResource(ctx context.Context, c api.Caller, in *wire.ListTagsForResourceInput) (*wire.ListTagsForResourceOutput, error) {
	resource, err := s.tagged(ctx, c, "ListTagsForResource", text(in.ResourceArn), nil)
	if err != nil {
		return nil, err
	}
	if in.NextToken != nil {
		return nil, &wire.InvalidNextTokenException{Message: "This operation returns every tag at once and hands out no next token."}
	}
	tags, err := resource.All(ctx)
	if err != nil {
		return nil, err
	}
	return &wire.ListTagsForResourceOutput{Tags: tagList(tags)}, nil
}

// tagged finds the resource that an ARN names, for a caller who may do the
// operation on it; keys are the condition keys of the request.
func (s *Service) tagged(ctx context.Context, c api.Caller, operation, arn string, keys map[string][]string) (taggable, error) {
	arn = spellActionType(arn)
	parsed, bad := pipeline.ParseARN(arn)
	here := bad == nil && parsed.Account == c.Account && parsed.Region == c.Region
	var err error
	switch {
	case here && parsed.ActionType != pipeline.ActionTypeID{}:
		err = s.allowActionType(c, operation, parsed.ActionType, keys)
	case here && parsed.Webhook != "":
		err = s.allowWebhook(c, operation, parsed.Webhook, keys)
	default:
		err = s.allowTagging(c, operation, arn, keys)
	}
	if err != nil {
		return nil, err
	}
	if bad != nil {
		return nil, &wire.InvalidArnException{Message: fmt.Sprintf("Invalid ARN: %s", arn)}
	}
	missing := &wire.ResourceNotFoundException{
		Message: fmt.Sprintf("The account with id '%s' does not include the resource '%s'", c.Account, arn),
	}
	if parsed.Pipeline != "" {
		missing.Message = fmt.Sprintf("The account with id '%s' does not include a pipeline with the name '%s'", c.Account, parsed.Pipeline)
	}
	if !here || parsed.Stage != "" {
		return nil, missing
	}
	var resource taggable
	switch {
	case parsed.Pipeline != "":
		resource, err = s.taggedPipeline(ctx, keyOf(c, parsed.Pipeline))
	case parsed.ActionType != pipeline.ActionTypeID{}:
		resource, err = s.taggedActionType(ctx, c, parsed.ActionType)
	case parsed.Webhook != "":
		resource, err = s.taggedWebhook(ctx, keyOf(c, parsed.Webhook))
	}
	if errors.Is(err, errNoResource) {
		return nil, missing
	}
	return resource, err
}

// errNoResource says that an ARN names nothing that is there.
var errNoResource = errors.New("no such resource")

// spellActionType spells the resource type of an action type's ARN as tools do:
// the user guide writes actionType, tools write actiontype (triggers.md 5.1).
func spellActionType(arn string) string {
	const kind = "actiontype:"
	fields := strings.SplitAfterN(arn, ":", 6)
	if len(fields) == 6 && len(fields[5]) > len(kind) && strings.EqualFold(fields[5][:len(kind)], kind) {
		fields[5] = kind + fields[5][len(kind):]
	}
	return strings.Join(fields, "")
}

// taggedPipeline is a pipeline that exists.
type taggedPipeline struct {
	dispatch *dispatch.Dispatcher
	pipeline dispatch.Pipeline
}

func (s *Service) taggedPipeline(ctx context.Context, key dispatch.Key) (taggable, error) {
	p, err := s.dispatch.Pipeline(ctx, key, 0)
	if errors.Is(err, dispatch.ErrPipelineNotFound) {
		return nil, errNoResource
	}
	return taggedPipeline{s.dispatch, p}, err
}

func (t taggedPipeline) All(ctx context.Context) (map[string]string, error) {
	return t.dispatch.Tags(ctx, t.pipeline)
}

func (t taggedPipeline) Set(ctx context.Context, tags map[string]string) error {
	return t.dispatch.SetTags(ctx, t.pipeline, tags)
}

func (t taggedPipeline) Remove(ctx context.Context, keys []string) error {
	return t.dispatch.RemoveTags(ctx, t.pipeline, keys)
}

// taggedActionType is a custom action type that exists.
type taggedActionType struct {
	dispatch        *dispatch.Dispatcher
	account, region string
	id              pipeline.ActionTypeID
}

func (s *Service) taggedActionType(ctx context.Context, c api.Caller, id pipeline.ActionTypeID) (taggable, error) {
	t := taggedActionType{s.dispatch, c.Account, c.Region, id}
	if _, err := t.All(ctx); errors.Is(err, dispatch.ErrActionTypeNotFound) {
		return nil, errNoResource
	} else if err != nil {
		return nil, err
	}
	return t, nil
}

func (t taggedActionType) All(ctx context.Context) (map[string]string, error) {
	return t.dispatch.ActionTypeTags(ctx, t.account, t.region, t.id)
}

func (t taggedActionType) Set(ctx context.Context, tags map[string]string) error {
	return t.gone(t.dispatch.SetActionTypeTags(ctx, t.account, t.region, t.id, tags))
}

func (t taggedActionType) Remove(ctx context.Context, keys []string) error {
	return t.gone(t.dispatch.RemoveActionTypeTags(ctx, t.account, t.region, t.id, keys))
}

// gone tells that the type was deleted since it was looked up.
func (t taggedActionType) gone(err error) error {
	if errors.Is(err, dispatch.ErrActionTypeNotFound) {
		return &wire.ResourceNotFoundException{
			Message: fmt.Sprintf("The account with id '%s' does not include the action type %s", t.account, describeType(t.id)),
		}
	}
	return err
}

func tagMap(list []wire.Tag, arn string) (map[string]string, error) {
	tags := map[string]string{}
	for _, t := range list {
		if err := checkTagKey(text(t.Key)); err != nil {
			return nil, err
		}
		if _, twice := tags[text(t.Key)]; twice {
			return nil, &wire.InvalidTagsException{Message: fmt.Sprintf("Duplicate tag keys found: '%s'", text(t.Key))}
		}
		tags[text(t.Key)] = text(t.Value)
	}
	if len(tags) > dispatch.MaxTags {
		return nil, tooManyTags(arn)
	}
	return tags, nil
}

func checkTagKey(key string) error {
	if strings.HasPrefix(strings.ToLower(key), "aws:") {
		return &wire.InvalidTagsException{
			Message: "Not allowed to modify system tags. System tags start with 'aws:'. msg=[Caller is an end user and not allowed to mutate system tags]",
		}
	}
	return nil
}

func tooManyTags(arn string) error {
	return &wire.TooManyTagsException{Message: fmt.Sprintf("Tag limit exceeded for resource [%s].", arn)}
}

func tagList(tags map[string]string) []wire.Tag {
	list := []wire.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, wire.Tag{Key: new(k), Value: new(tags[k])})
	}
	return list
}
