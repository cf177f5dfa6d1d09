package penstock

import (
	"context"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/penstock"
	"github.com/penstock-cd/penstock/internal/iam"
)

// CreateAccessKey makes an access key and tells its secret, once. Sent again, it
// makes another; whoever lost the answer deletes the key that nobody knows.
func (s *Service) CreateAccessKey(ctx context.Context, c api.Caller, in *wire.CreateAccessKeyInput) (*wire.CreateAccessKeyOutput, error) {
	if err := s.allowPrincipal(c, "CreateAccessKey", *in.PrincipalName); err != nil {
		return nil, err
	}
	key, credentials, err := s.auth.CreateKey(ctx, c.Account, *in.PrincipalName)
	if err != nil {
		return nil, exception(err)
	}
	return &wire.CreateAccessKeyOutput{AccessKey: new(accessKey(key)), SecretAccessKey: &credentials.SecretAccessKey}, nil
}

// UpdateAccessKey enables or disables an access key. It may be sent again.
func (s *Service) UpdateAccessKey(ctx context.Context, c api.Caller, in *wire.UpdateAccessKeyInput) error {
	if err := s.allowKey(ctx, c, "UpdateAccessKey", *in.AccessKeyId); err != nil {
		return err
	}
	return exception(s.auth.SetKeyEnabled(ctx, c.Account, *in.AccessKeyId, in.Status == wire.AccessKeyStatusActive))
}

// DeleteAccessKey removes an access key. Sent again, it answers
// AccessKeyNotFoundException.
func (s *Service) DeleteAccessKey(ctx context.Context, c api.Caller, in *wire.DeleteAccessKeyInput) error {
	if err := s.allowKey(ctx, c, "DeleteAccessKey", *in.AccessKeyId); err != nil {
		return err
	}
	return exception(s.auth.DeleteKey(ctx, c.Account, *in.AccessKeyId))
}

// allowKey authorizes an operation on the principal of an access key. A key that
// does not exist is one of every principal, so that the answer tells nothing to
// those who may not ask.
func (s *Service) allowKey(ctx context.Context, c api.Caller, operation, id string) error {
	key, err := s.auth.FindKey(ctx, c.Account, id)
	name := key.Principal
	if err != nil {
		name = "*"
	}
	if denied := s.allowPrincipal(c, operation, name); denied != nil {
		return denied
	}
	return exception(err)
}

// ListAccessKeys lists the access keys of a principal, or of the whole account,
// by id.
func (s *Service) ListAccessKeys(ctx context.Context, c api.Caller, in *wire.ListAccessKeysInput) (*wire.ListAccessKeysOutput, error) {
	name := value(in.PrincipalName, "")
	if err := s.allowPrincipal(c, "ListAccessKeys", value(in.PrincipalName, "*")); err != nil {
		return nil, err
	}
	if name != "" {
		if _, err := s.auth.FindPrincipal(ctx, c.Account, name); err != nil {
			return nil, exception(err)
		}
	}
	page := int(value(in.MaxResults, 100))
	binding := "ListAccessKeys/" + c.Account + "/" + name
	after, err := openToken(binding, in.NextToken)
	if err != nil {
		return nil, err
	}
	list, err := s.auth.Keys(ctx, c.Account, name, after, page+1)
	if err != nil {
		return nil, err
	}
	out := &wire.ListAccessKeysOutput{AccessKeys: []wire.AccessKey{}}
	if len(list) > page {
		list = list[:page]
		out.NextToken = sealToken(binding, list[page-1].ID)
	}
	for _, key := range list {
		out.AccessKeys = append(out.AccessKeys, accessKey(key))
	}
	return out, nil
}

// accessKey is the view of a key that answers carry.
func accessKey(k iam.AccessKey) wire.AccessKey {
	status := wire.AccessKeyStatusInactive
	if k.Enabled {
		status = wire.AccessKeyStatusActive
	}
	w := wire.AccessKey{
		AccessKeyId: new(k.ID), PrincipalName: new(k.Principal), Status: status,
		Created: moment(k.Created), LastUsed: moment(k.Used), Configured: new(k.Configured),
	}
	if k.UsedService != "" {
		w.LastUsedService = new(k.UsedService)
	}
	return w
}
