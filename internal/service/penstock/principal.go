package penstock

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/penstock"
	"github.com/penstock-cd/penstock/internal/iam"
)

// allowPrincipal authorizes an operation on a principal of the caller's account.
func (s *Service) allowPrincipal(c api.Caller, operation, name string) error {
	return s.auth.Authorize(c, "penstock:"+operation, iam.UserARN(c.Account, name))
}

// CreatePrincipal makes a principal with its policies. Sent again, it answers
// PrincipalAlreadyExistsException.
func (s *Service) CreatePrincipal(ctx context.Context, c api.Caller, in *wire.CreatePrincipalInput) (*wire.CreatePrincipalOutput, error) {
	if err := s.allowPrincipal(c, "CreatePrincipal", *in.Name); err != nil {
		return nil, err
	}
	p := iam.Principal{Account: c.Account, Name: *in.Name, Managed: in.ManagedPolicies, Policies: map[string]string{}}
	for _, policy := range in.Policies {
		if _, twice := p.Policies[*policy.PolicyName]; twice {
			return nil, &api.Error{Code: "ValidationException", Message: "Policy " + *policy.PolicyName + " stands twice."}
		}
		p.Policies[*policy.PolicyName] = *policy.PolicyDocument
	}
	p, err := s.auth.CreatePrincipal(ctx, p)
	if err != nil {
		return nil, exception(err)
	}
	return &wire.CreatePrincipalOutput{Principal: principal(p)}, nil
}

// GetPrincipal returns a principal with its policies.
func (s *Service) GetPrincipal(ctx context.Context, c api.Caller, in *wire.GetPrincipalInput) (*wire.GetPrincipalOutput, error) {
	if err := s.allowPrincipal(c, "GetPrincipal", *in.Name); err != nil {
		return nil, err
	}
	p, err := s.auth.FindPrincipal(ctx, c.Account, *in.Name)
	if err != nil {
		return nil, exception(err)
	}
	return &wire.GetPrincipalOutput{Principal: principal(p)}, nil
}

// DeletePrincipal removes a principal with its policies and access keys. Sent
// again, it answers PrincipalNotFoundException.
func (s *Service) DeletePrincipal(ctx context.Context, c api.Caller, in *wire.DeletePrincipalInput) error {
	if err := s.allowPrincipal(c, "DeletePrincipal", *in.Name); err != nil {
		return err
	}
	return exception(s.auth.DeletePrincipal(ctx, c.Account, *in.Name))
}

// ListPrincipals lists the principals of the caller's account by name.
func (s *Service) ListPrincipals(ctx context.Context, c api.Caller, in *wire.ListPrincipalsInput) (*wire.ListPrincipalsOutput, error) {
	if err := s.allowPrincipal(c, "ListPrincipals", "*"); err != nil {
		return nil, err
	}
	page := int(value(in.MaxResults, 100))
	binding := "ListPrincipals/" + c.Account
	after, err := openToken(binding, in.NextToken)
	if err != nil {
		return nil, err
	}
	list, err := s.auth.Principals(ctx, c.Account, after, page+1)
	if err != nil {
		return nil, err
	}
	out := &wire.ListPrincipalsOutput{Principals: []wire.PrincipalSummary{}}
	if len(list) > page {
		list = list[:page]
		out.NextToken = sealToken(binding, list[page-1].Name)
	}
	for _, p := range list {
		out.Principals = append(out.Principals, wire.PrincipalSummary{
			Name: new(p.Name), Arn: new(p.ARN()), Created: moment(p.Created), Configured: new(p.Configured),
		})
	}
	return out, nil
}

// principal is the view of a principal that answers carry.
func principal(p iam.Principal) *wire.Principal {
	w := &wire.Principal{
		Name: new(p.Name), Arn: new(p.ARN()), Created: moment(p.Created), Configured: new(p.Configured),
		Policies: []wire.PrincipalPolicy{}, ManagedPolicies: append([]string{}, p.Managed...),
	}
	for _, name := range slices.Sorted(maps.Keys(p.Policies)) {
		w.Policies = append(w.Policies, wire.PrincipalPolicy{PolicyName: new(name), PolicyDocument: new(p.Policies[name])})
	}
	return w
}

// moment is a time of an answer; one that never was is left out.
func moment(ms int64) *api.Timestamp {
	if ms == 0 {
		return nil
	}
	return api.TimestampOf(ms)
}

// exception is the table from the errors of iam to exceptions. What is not in it
// becomes an internal failure.
func exception(err error) error {
	if err == nil {
		return nil
	}
	message := err.Error()
	switch {
	case errors.Is(err, iam.ErrPrincipalNotFound):
		return &wire.PrincipalNotFoundException{Message: message}
	case errors.Is(err, iam.ErrPrincipalExists):
		return &wire.PrincipalAlreadyExistsException{Message: message}
	case errors.Is(err, iam.ErrPolicyNotFound):
		return &wire.PolicyNotFoundException{Message: message}
	case errors.Is(err, iam.ErrMalformedPolicy):
		return &wire.MalformedPolicyDocumentException{Message: message}
	case errors.Is(err, iam.ErrKeyNotFound):
		return &wire.AccessKeyNotFoundException{Message: message}
	case errors.Is(err, iam.ErrLimit):
		return &wire.LimitExceededException{Message: message}
	case errors.Is(err, iam.ErrConfigured):
		return &wire.PrincipalConfiguredException{Message: message}
	case errors.Is(err, iam.ErrInvalidName):
		return &api.Error{Code: "ValidationException", Message: message}
	}
	return err
}

// sealToken makes a token that goes on after a key of the same list.
func sealToken(binding, after string) *string {
	return new(base64.RawURLEncoding.EncodeToString([]byte(binding + "\n" + after)))
}

// openToken reads where a list goes on.
func openToken(binding string, token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(*token)
	list, after, found := strings.Cut(string(text), "\n")
	if err != nil || !found || list != binding {
		return "", &wire.InvalidNextTokenException{Message: "The next token belongs to another list."}
	}
	return after, nil
}
