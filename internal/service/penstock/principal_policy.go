package penstock

import (
	"context"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/penstock"
)

// PutPrincipalPolicy gives a principal a policy document of its own, in place of
// one with the same name. It may be sent again.
func (s *Service) PutPrincipalPolicy(ctx context.Context, c api.Caller, in *wire.PutPrincipalPolicyInput) error {
	if err := s.allowPrincipal(c, "PutPrincipalPolicy", *in.PrincipalName); err != nil {
		return err
	}
	return exception(s.auth.PutPolicy(ctx, c.Account, *in.PrincipalName, *in.PolicyName, *in.PolicyDocument))
}

// AttachPrincipalPolicy gives a principal a managed policy. It may be sent again.
func (s *Service) AttachPrincipalPolicy(ctx context.Context, c api.Caller, in *wire.AttachPrincipalPolicyInput) error {
	if err := s.allowPrincipal(c, "AttachPrincipalPolicy", *in.PrincipalName); err != nil {
		return err
	}
	return exception(s.auth.AttachPolicy(ctx, c.Account, *in.PrincipalName, *in.ManagedPolicy))
}

// DeletePrincipalPolicy takes a policy from a principal, one of its own or a
// managed one. Sent again, it answers PolicyNotFoundException.
func (s *Service) DeletePrincipalPolicy(ctx context.Context, c api.Caller, in *wire.DeletePrincipalPolicyInput) error {
	if err := s.allowPrincipal(c, "DeletePrincipalPolicy", *in.PrincipalName); err != nil {
		return err
	}
	return exception(s.auth.RemovePolicy(ctx, c.Account, *in.PrincipalName, *in.Policy))
}
