// Package iam answers two questions about a request: who is calling, proven by
// its Signature Version 4, and what that caller may do.
//
// There is one principal so far: root, which may do everything. Its access key
// pair is given by configuration or made at the first start and kept in a file
// only the owner may read. JSON services use Authenticate, which has the whole
// body; S3 uses AuthenticateStream, which proves the body while it is read.
//
// Refusals are *api.Error values with the code, text and status that AWS
// answers, in the names of the protocol concerned: InvalidSignatureException
// for a JSON service is SignatureDoesNotMatch for S3.
package iam

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// Config is what Open needs.
type Config struct {
	// Dir is the directory of the root key file. It is made if it is absent,
	// and not touched if the key pair is given here.
	Dir string
	// Account is the twelve-digit account everything belongs to.
	Account string
	// RootAccessKeyID and RootSecretAccessKey are the root key pair. Either
	// both are given or neither.
	RootAccessKeyID     string
	RootSecretAccessKey string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Service knows the principals. It is safe for use by any number of goroutines.
type Service struct {
	now       func() time.Time
	root      sigv4.Credentials
	rootARN   string
	keys      map[string]accessKey
	verifying sigv4.KeyCache
}

// accessKey is one key and the principal it belongs to.
type accessKey struct {
	secret   string
	account  string
	arn      string
	disabled bool
}

// Open reads the root key pair, or makes it at the first start.
func Open(c Config) (*Service, error) {
	if !isAccount(c.Account) {
		return nil, fmt.Errorf("account %q is not twelve digits", c.Account)
	}
	root, err := rootKey(c)
	if err != nil {
		return nil, err
	}
	s := &Service{now: c.Now, root: root, rootARN: "arn:aws:iam::" + c.Account + ":root"}
	if s.now == nil {
		s.now = time.Now
	}
	s.keys = map[string]accessKey{
		root.AccessKeyID: {secret: root.SecretAccessKey, account: c.Account, arn: s.rootARN},
	}
	return s, nil
}

func isAccount(account string) bool {
	return regexp.MustCompile(`^[0-9]{12}$`).MatchString(account)
}

// Root returns the root key pair, for tools that run beside the server on the
// same data directory.
func (s *Service) Root() sigv4.Credentials { return s.root }

// Authorize tells whether the caller may perform an action, such as
// "codepipeline:GetPipeline", on the resource of an ARN. The error is an
// *api.Error.
func (s *Service) Authorize(caller api.Caller, action, resource string) error {
	if caller.ARN == s.rootARN {
		return nil
	}
	return &api.Error{Code: "AccessDeniedException", Message: fmt.Sprintf(
		"User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action",
		caller.ARN, action, resource, action)}
}

// caller describes the holder of a key as the sender of a request.
func (k accessKey) caller(sig *sigv4.Signature) api.Caller {
	return api.Caller{
		Partition:   "aws",
		Account:     k.account,
		Region:      sig.Region,
		ARN:         k.arn,
		AccessKeyID: sig.AccessKeyID,
	}
}

// find returns the enabled key of an id.
func (s *Service) find(id string) (accessKey, bool) {
	key, ok := s.keys[id]
	return key, ok && !key.disabled
}

// refusal is the reason of a signature error.
func refusal(err error) *sigv4.Error {
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return e
	}
	return &sigv4.Error{Reason: sigv4.Incomplete, Code: "IncompleteSignatureException", Message: err.Error()}
}
