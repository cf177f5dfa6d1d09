// Package iam answers two questions about a request: who is calling, proven by
// its Signature Version 4, and what that caller may do.
//
// Root may do everything. Its access key pair is given by configuration or made
// at the first start and kept in a file only the owner may read. All others are
// principals: they have access keys and policies, documents of the IAM policy
// language. [ParsePolicy] and [Evaluate] are that language, without any state;
// [Service] knows the principals of the configuration and those in the database.
//
// JSON services use Authenticate, which has the whole body; S3 uses
// AuthenticateStream, which proves the body while it is read. Refusals are
// *api.Error values with the code, text and status that AWS answers, in the
// names of the protocol concerned: InvalidSignatureException for a JSON service
// is SignatureDoesNotMatch for S3.
//
// The secrets of access keys are needed to verify signatures, so they cannot be
// hashed. They are stored sealed by a [Keyring], whose keys are outside of the
// database.
package iam

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// Config is what Open needs.
type Config struct {
	// Dir is the directory of the root key file and of the keyring. They are made
	// if they are absent; the root key file is not if the key pair is given here.
	Dir string
	// DB has the tables of Schema. Without it there is only root, and no keyring.
	DB *db.DB
	// Account is the twelve-digit account everything belongs to.
	Account string
	// RootAccessKeyID and RootSecretAccessKey are the root key pair. Either
	// both are given or neither.
	RootAccessKeyID     string
	RootSecretAccessKey string
	// Principals are those of the configuration.
	Principals []Configured
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Configured is a principal of the configuration. It may have no key: then it
// cannot sign anything.
type Configured struct {
	Principal
	Credentials sigv4.Credentials
}

// Service knows the principals. It is safe for use by any number of goroutines.
type Service struct {
	now     func() time.Time
	account string
	root    sigv4.Credentials
	rootARN string
	// fixed are the principals of the configuration, fixedKeys their keys and
	// root's by id.
	fixed     []Principal
	fixedKeys map[string]*knownKey
	db        *db.DB
	keyring   *Keyring
	memory    memory
	uses      uses
	verifying sigv4.KeyCache
}

// Open reads the root key pair, or makes it at the first start, and reads the
// keyring if there is a database.
func Open(c Config) (*Service, error) {
	if !isAccount(c.Account) {
		return nil, fmt.Errorf("account %q is not twelve digits", c.Account)
	}
	root, err := rootKey(c)
	if err != nil {
		return nil, err
	}
	s := &Service{now: c.Now, account: c.Account, root: root, rootARN: "arn:aws:iam::" + c.Account + ":root", db: c.DB}
	if s.now == nil {
		s.now = time.Now
	}
	s.fixedKeys = map[string]*knownKey{root.AccessKeyID: {
		secret: root.SecretAccessKey, enabled: true, arn: s.rootARN, fixed: true, principal: Principal{Account: c.Account},
	}}
	for _, p := range c.Principals {
		if err := s.configure(p); err != nil {
			return nil, fmt.Errorf("principal %q of the configuration: %w", p.Name, err)
		}
	}
	if s.db != nil {
		if s.keyring, err = OpenKeyring(c.Dir); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// CheckPrincipals reports what is wrong with the principals of a configuration.
func CheckPrincipals(account string, list []Configured) error {
	s := &Service{account: account, fixedKeys: map[string]*knownKey{}}
	for _, p := range list {
		if err := s.configure(p); err != nil {
			return fmt.Errorf("principal %q: %w", p.Name, err)
		}
	}
	return nil
}

// configure adds a principal of the configuration.
func (s *Service) configure(c Configured) error {
	p := c.Principal
	p.Account, p.Configured = s.account, true
	if err := p.check(); err != nil {
		return err
	}
	if s.configured(p.Account, p.Name) != nil {
		return errors.New("the name stands twice")
	}
	s.fixed = append(s.fixed, p)
	if c.Credentials == (sigv4.Credentials{}) {
		return nil
	}
	if err := checkKey(c.Credentials); err != nil {
		return err
	}
	if _, taken := s.fixedKeys[c.Credentials.AccessKeyID]; taken {
		return fmt.Errorf("access key id %s stands twice", c.Credentials.AccessKeyID)
	}
	policies, err := compilePolicies(p)
	if err != nil {
		return err
	}
	s.fixedKeys[c.Credentials.AccessKeyID] = &knownKey{
		secret: c.Credentials.SecretAccessKey, enabled: true, arn: p.ARN(), fixed: true, principal: p, policies: policies,
	}
	return nil
}

// CheckConfigured refuses to go on if a principal is both in the configuration
// and in the database: its policies would not be those that its reader sees.
func (s *Service) CheckConfigured(ctx context.Context) error {
	for _, p := range s.fixed {
		err := s.db.Read(ctx, func(tx *db.Tx) error {
			_, err := selectPrincipal(tx, p.Account, p.Name, "")
			return err
		})
		if errors.Is(err, db.ErrNoRows) {
			continue
		}
		if err != nil {
			return fmt.Errorf("looking for principal %s: %w", p.Name, err)
		}
		return fmt.Errorf("principal %s is in the configuration and in the database: rename one, or start without it and remove it with penstock principal remove", p.Name)
	}
	return nil
}

func isAccount(account string) bool {
	return regexp.MustCompile(`^[0-9]{12}$`).MatchString(account)
}

// Root returns the root key pair, for tools that run beside the server on the
// same data directory.
func (s *Service) Root() sigv4.Credentials { return s.root }

// Keyring seals secrets; nil without a database.
func (s *Service) Keyring() *Keyring { return s.keyring }

// refusal is the reason of a signature error.
func refusal(err error) *sigv4.Error {
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return e
	}
	return &sigv4.Error{Reason: sigv4.Incomplete, Code: "IncompleteSignatureException", Message: err.Error()}
}
