package iam

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
)

// CodePipeline is the service to which roles are passed.
const CodePipeline = "codepipeline.amazonaws.com"

// authorizeTime bounds what an authorization may read.
const authorizeTime = 10 * time.Second

// Question is a request of a caller, about a resource that may have tags.
type Question struct {
	Request
	// Tags loads the tags of the resource, for conditions on aws:ResourceTag. It
	// is called only if a policy of the caller has one. Nil: there are none.
	Tags func(ctx context.Context) (map[string]string, error)
}

// Authorize tells whether the caller may perform an action, such as
// "codepipeline:GetPipeline", on the resource of an ARN. The error is an
// *api.Error, unless the policies could not be read.
func (s *Service) Authorize(caller api.Caller, action, resource string) error {
	return s.Ask(caller, Question{Request: Request{Action: action, Resource: resource}})
}

// AuthorizeWith is Authorize for a request with condition keys of its own.
func (s *Service) AuthorizeWith(caller api.Caller, r Request) error {
	return s.Ask(caller, Question{Request: r})
}

// Ask is AuthorizeWith for a resource that may have tags.
func (s *Service) Ask(caller api.Caller, q Question) error {
	kind := "identity-based"
	if caller.Session != "" {
		kind = "session"
	}
	return refused(caller, q.Request, " because no "+kind+" policy allows the "+q.Action+" action", func() (Decision, error) {
		return s.decide(caller, q)
	})
}

// AuthorizePassRole tells whether the caller may have CodePipeline act as a
// role. The text is that of execution.md 1.12, which has no reason.
func (s *Service) AuthorizePassRole(caller api.Caller, roleARN string) error {
	r := Request{Action: "iam:PassRole", Resource: roleARN, Context: map[string][]string{"iam:PassedToService": {CodePipeline}}}
	return refused(caller, r, "", func() (Decision, error) { return s.decide(caller, Question{Request: r}) })
}

// AuthorizeObject is Authorize in the words of S3.
func (s *Service) AuthorizeObject(caller api.Caller, action, resource string) error {
	err := s.Authorize(caller, action, resource)
	if e, ok := err.(*api.Error); ok {
		return &api.Error{Code: "AccessDenied", Message: e.Message, Status: http.StatusForbidden}
	}
	return err
}

// refused is the exception for a decision.
func refused(caller api.Caller, r Request, missing string, decide func() (Decision, error)) error {
	decision, err := decide()
	if err != nil {
		return fmt.Errorf("authorizing %s: %w", r.Action, err)
	}
	reason := missing
	switch decision {
	case Allowed:
		return nil
	case Denied:
		reason = " with an explicit deny in an identity-based policy"
	}
	return &api.Error{Code: "AccessDeniedException", Message: fmt.Sprintf(
		"User: %s is not authorized to perform: %s on resource: %s%s", caller.ARN, r.Action, r.Resource, reason)}
}

// decide asks the policies of a caller.
func (s *Service) decide(caller api.Caller, q Question) (Decision, error) {
	if caller.Session != "" {
		return decideSession(caller, q.Request)
	}
	if caller.ARN == s.rootARN {
		return Allowed, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), authorizeTime)
	defer cancel()
	key, err := s.find(ctx, caller.AccessKeyID)
	if err != nil {
		return NotAllowed, err
	}
	if key == nil || key.arn != caller.ARN {
		return NotAllowed, nil
	}
	r := q.Request
	r.Context = s.context(caller, key.principal)
	for name, values := range q.Context {
		r.Context[name] = values
	}
	if q.Tags != nil && looksAt(key.policies, "aws:resourcetag/") {
		tags, err := q.Tags(ctx)
		if err != nil {
			return NotAllowed, err
		}
		for name, value := range tags {
			r.Context["aws:ResourceTag/"+name] = []string{value}
		}
	}
	return Evaluate(key.policies, r), nil
}

func looksAt(policies []*Policy, prefix string) bool {
	for _, p := range policies {
		if p.looksAt(prefix) {
			return true
		}
	}
	return false
}

// context are the condition keys that every request has.
func (s *Service) context(caller api.Caller, p Principal) map[string][]string {
	now := s.now().UTC()
	context := map[string][]string{
		"aws:CurrentTime":      {now.Format(time.RFC3339)},
		"aws:EpochTime":        {strconv.FormatInt(now.Unix(), 10)},
		"aws:PrincipalAccount": {p.Account},
		"aws:PrincipalArn":     {caller.ARN},
		"aws:PrincipalType":    {"User"},
		"aws:RequestedRegion":  {caller.Region},
		"aws:username":         {p.Name},
	}
	if p.ID != "" {
		context["aws:userid"] = []string{p.ID}
	}
	if caller.SourceIP != "" {
		context["aws:SourceIp"] = []string{caller.SourceIP}
	}
	return context
}

// RequestTags are the condition keys of a request that sets tags.
func RequestTags(tags map[string]string) map[string][]string {
	keys := make([]string, 0, len(tags))
	context := make(map[string][]string, len(tags)+1)
	for name, value := range tags {
		keys = append(keys, name)
		context["aws:RequestTag/"+name] = []string{value}
	}
	context["aws:TagKeys"] = keys
	return context
}
