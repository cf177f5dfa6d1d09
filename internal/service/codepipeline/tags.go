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

// TagResource adds tags to a pipeline, replacing those with the same keys.
func (s *Service) TagResource(ctx context.Context, c api.Caller, in *wire.TagResourceInput) (*wire.TagResourceOutput, error) {
	arn := text(in.ResourceArn)
	p, err := s.tagged(ctx, c, "TagResource", arn, tagsToSet(in.Tags))
	if err != nil {
		return nil, err
	}
	tags, err := tagMap(in.Tags, arn)
	if err != nil {
		return nil, err
	}
	if err := s.dispatch.SetTags(ctx, p, tags); errors.Is(err, dispatch.ErrTooManyTags) {
		return nil, tooManyTags(arn)
	} else if err != nil {
		return nil, err
	}
	return &wire.TagResourceOutput{}, nil
}

// UntagResource removes tags; absent keys are ignored.
func (s *Service) UntagResource(ctx context.Context, c api.Caller, in *wire.UntagResourceInput) (*wire.UntagResourceOutput, error) {
	p, err := s.tagged(ctx, c, "UntagResource", text(in.ResourceArn), map[string][]string{"aws:TagKeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	for _, k := range in.TagKeys {
		if err := checkTagKey(k); err != nil {
			return nil, err
		}
	}
	if err := s.dispatch.RemoveTags(ctx, p, in.TagKeys); err != nil {
		return nil, err
	}
	return &wire.UntagResourceOutput{}, nil
}

// ListTagsForResource lists all tags of a pipeline by key, in one page.
func (s *Service) ListTagsForResource(ctx context.Context, c api.Caller, in *wire.ListTagsForResourceInput) (*wire.ListTagsForResourceOutput, error) {
	p, err := s.tagged(ctx, c, "ListTagsForResource", text(in.ResourceArn), nil)
	if err != nil {
		return nil, err
	}
	if in.NextToken != nil {
		return nil, &wire.InvalidNextTokenException{Message: "This operation returns every tag at once and hands out no next token."}
	}
	tags, err := s.dispatch.Tags(ctx, p)
	if err != nil {
		return nil, err
	}
	return &wire.ListTagsForResourceOutput{Tags: tagList(tags)}, nil
}

// tagged finds the pipeline that an ARN names. Custom action types and webhooks
// can have tags too; there are none yet (docs/coverage.md).
func (s *Service) tagged(ctx context.Context, c api.Caller, operation, arn string, keys map[string][]string) (dispatch.Pipeline, error) {
	if err := s.allowTagging(c, operation, arn, keys); err != nil {
		return dispatch.Pipeline{}, err
	}
	parsed, err := pipeline.ParseARN(arn)
	if err != nil {
		return dispatch.Pipeline{}, &wire.InvalidArnException{Message: fmt.Sprintf("Invalid ARN: %s", arn)}
	}
	missing := &wire.ResourceNotFoundException{
		Message: fmt.Sprintf("The account with id '%s' does not include a pipeline with the name '%s'", c.Account, parsed.Pipeline),
	}
	if parsed.Pipeline == "" {
		missing.Message = fmt.Sprintf("The account with id '%s' does not include the resource '%s'", c.Account, arn)
	}
	if parsed.Pipeline == "" || parsed.Stage != "" || parsed.Account != c.Account || parsed.Region != c.Region {
		return dispatch.Pipeline{}, missing
	}
	p, err := s.dispatch.Pipeline(ctx, keyOf(c, parsed.Pipeline), 0)
	if errors.Is(err, dispatch.ErrPipelineNotFound) {
		return p, missing
	}
	return p, err
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
