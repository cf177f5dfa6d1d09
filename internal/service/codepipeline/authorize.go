package codepipeline

import (
	"context"
	"errors"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Which operation asks for which kind of resource is the table of triggers.md
// 5.2. Operations without a resource ask for all of the region, as CodePipeline's
// own refusals say: arn:aws:codepipeline:REGION:ACCOUNT:*.

// allow authorizes an operation on a pipeline; stage and action narrow it. All of
// them have the tags of the pipeline.
func (s *Service) allow(c api.Caller, operation, name string, path ...string) error {
	arn := pipeline.PipelineARN(c.Partition, c.Region, c.Account, name)
	for _, p := range path {
		arn += "/" + p
	}
	return s.ask(c, operation, arn, name, nil)
}

// allowAll authorizes an operation that has no resource.
func (s *Service) allowAll(c api.Caller, operation string) error {
	return s.auth.Authorize(c, "codepipeline:"+operation, pipeline.PipelineARN(c.Partition, c.Region, c.Account, "*"))
}

// allowJob authorizes an operation on a job: of a session it asks for that job, as
// a function may answer its own only.
func (s *Service) allowJob(c api.Caller, operation string, id *string) error {
	if c.Session == "" {
		return s.allowAll(c, operation)
	}
	return s.auth.Authorize(c, "codepipeline:"+operation, iam.JobARN(c.Partition, c.Region, c.Account, text(id)))
}

// ask authorizes an operation on a resource that has the tags of a pipeline;
// keys are the condition keys of the request.
func (s *Service) ask(c api.Caller, operation, arn, name string, keys map[string][]string) error {
	q := iam.Question{Request: iam.Request{Action: "codepipeline:" + operation, Resource: arn, Context: keys}}
	if name != "" {
		q.Tags = s.tagsOf(c, name)
	}
	return s.auth.Ask(c, q)
}

// tagsOf loads the tags of a pipeline; one that does not exist has none.
func (s *Service) tagsOf(c api.Caller, name string) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (map[string]string, error) {
		p, err := s.dispatch.Pipeline(ctx, keyOf(c, name), 0)
		if errors.Is(err, dispatch.ErrPipelineNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return s.dispatch.Tags(ctx, p)
	}
}

// allowCreate authorizes the creation of a pipeline, which has no tags yet, with
// the tags it is to have.
func (s *Service) allowCreate(c api.Caller, name string, tags []wire.Tag) error {
	return s.ask(c, "CreatePipeline", pipeline.PipelineARN(c.Partition, c.Region, c.Account, name), "", tagsToSet(tags))
}

// allowRoles asks whether the caller may pass the roles of a declaration: the
// pipeline's own and those of its actions and rules.
func (s *Service) allowRoles(c api.Caller, d *wire.PipelineDeclaration) error {
	asked := map[string]bool{"": true}
	for _, role := range rolesOf(d) {
		if asked[text(role)] {
			continue
		}
		asked[text(role)] = true
		if err := s.auth.AuthorizePassRole(c, text(role)); err != nil {
			return err
		}
	}
	return nil
}

func rolesOf(d *wire.PipelineDeclaration) []*string {
	roles := []*string{d.RoleArn}
	for _, stage := range d.Stages {
		for _, action := range stage.Actions {
			roles = append(roles, action.RoleArn)
		}
		for _, condition := range conditionsOf(stage) {
			for _, rule := range condition.Rules {
				roles = append(roles, rule.RoleArn)
			}
		}
	}
	return roles
}

func conditionsOf(stage wire.StageDeclaration) []wire.Condition {
	var list []wire.Condition
	if stage.BeforeEntry != nil {
		list = append(list, stage.BeforeEntry.Conditions...)
	}
	if stage.OnSuccess != nil {
		list = append(list, stage.OnSuccess.Conditions...)
	}
	if stage.OnFailure != nil {
		list = append(list, stage.OnFailure.Conditions...)
	}
	return list
}

// allowTagging authorizes an operation on the tags of the resource that an ARN
// names.
func (s *Service) allowTagging(c api.Caller, operation, arn string, keys map[string][]string) error {
	name := ""
	if parsed, err := pipeline.ParseARN(arn); err == nil && parsed.Account == c.Account && parsed.Region == c.Region {
		name = parsed.Pipeline
	}
	return s.ask(c, operation, arn, name, keys)
}

// tagsToSet are the condition keys of a request that sets tags.
func tagsToSet(tags []wire.Tag) map[string][]string {
	set := map[string]string{}
	for _, t := range tags {
		set[text(t.Key)] = text(t.Value)
	}
	return iam.RequestTags(set)
}
