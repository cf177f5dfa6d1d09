package iam

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/db"
)

// Principal is somebody who may sign requests, with the policies that say what
// may be done.
type Principal struct {
	// ID is minted at creation; empty for a principal of the configuration.
	ID      string
	Account string
	Name    string
	// Created is in milliseconds since the epoch; 0 for a principal of the
	// configuration.
	Created int64
	// Configured principals come from the configuration of the server and are
	// changed there only.
	Configured bool
	// Policies are the principal's own documents by name.
	Policies map[string]string
	// Managed are the ARNs of managed policies, sorted.
	Managed []string
}

// ARN names the principal in policies and in answers.
func (p Principal) ARN() string { return UserARN(p.Account, p.Name) }

// UserARN is the ARN of a principal.
func UserARN(account, name string) string { return "arn:aws:iam::" + account + ":user/" + name }

// Limits of principals, policies and keys, per account and per principal.
const (
	MaxPrincipals = 1000
	MaxPolicies   = 20
	MaxKeys       = 2
)

// What requests about principals can get wrong.
var (
	ErrPrincipalNotFound = errors.New("there is no such principal")
	ErrPrincipalExists   = errors.New("the principal exists already")
	ErrPolicyNotFound    = errors.New("there is no such policy")
	ErrMalformedPolicy   = errors.New("malformed policy document")
	ErrKeyNotFound       = errors.New("there is no such access key")
	ErrLimit             = errors.New("too many")
	ErrConfigured        = errors.New("it is part of the server's configuration: change it there")
	ErrInvalidName       = errors.New("invalid name")
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{1,64}$`)

// checkName refuses names that AWS refuses for users and their policies.
func checkName(what, name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%w of a %s: %q is not made of 1 to 64 letters, digits and _+=,.@-", ErrInvalidName, what, name)
	}
	return nil
}

// check reports what is wrong with a principal, and brings its managed policies
// into the form of ARNs.
func (p *Principal) check() error {
	if err := checkName("principal", p.Name); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.Policies)) {
		if err := checkPolicy(name, p.Policies[name]); err != nil {
			return err
		}
	}
	managed := []string{}
	for _, m := range p.Managed {
		arn, err := ManagedPolicyARN(m)
		if err != nil {
			return err
		}
		managed = append(managed, arn)
	}
	slices.Sort(managed)
	p.Managed = slices.Compact(managed)
	if len(p.Policies)+len(p.Managed) > MaxPolicies {
		return fmt.Errorf("%w policies: a principal has %d at most", ErrLimit, MaxPolicies)
	}
	return nil
}

func checkPolicy(name, document string) error {
	if err := checkName("policy", name); err != nil {
		return err
	}
	if _, err := ParsePolicy([]byte(document)); err != nil {
		return fmt.Errorf("%w %s: %w", ErrMalformedPolicy, name, err)
	}
	return nil
}

// CreatePrincipal makes a principal with its policies. A second call with the
// same name gets ErrPrincipalExists.
func (s *Service) CreatePrincipal(ctx context.Context, p Principal) (Principal, error) {
	if err := p.check(); err != nil {
		return Principal{}, err
	}
	if s.configured(p.Account, p.Name) != nil {
		return Principal{}, ErrPrincipalExists
	}
	p.ID = "AIDA" + rand.Text()[:16]
	err := s.write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		p.Created = now
		count, err := countPrincipals(tx, p.Account)
		if err != nil {
			return err
		}
		if count >= MaxPrincipals {
			return fmt.Errorf("%w principals: an account has %d at most", ErrLimit, MaxPrincipals)
		}
		if err := insertPrincipal(tx, p); err != nil {
			return err
		}
		for name, document := range p.Policies {
			if err := putPolicy(tx, p.ID, name, document); err != nil {
				return err
			}
		}
		for _, arn := range p.Managed {
			if err := putPolicy(tx, p.ID, arn, ""); err != nil {
				return err
			}
		}
		return nil
	})
	if db.IsUnique(err) {
		err = ErrPrincipalExists
	}
	return p, err
}

// DeletePrincipal removes a principal with its policies and its access keys. A
// second call gets ErrPrincipalNotFound.
func (s *Service) DeletePrincipal(ctx context.Context, account, name string) error {
	return s.change(ctx, account, name, func(tx *db.Tx, id string) error { return deletePrincipal(tx, id) })
}

// PutPolicy gives a principal a policy document of its own, in place of one with
// the same name. It may be repeated.
func (s *Service) PutPolicy(ctx context.Context, account, principal, name, document string) error {
	if err := checkPolicy(name, document); err != nil {
		return err
	}
	return s.addPolicy(ctx, account, principal, name, document)
}

// AttachPolicy gives a principal a managed policy, named by its ARN or its name.
// It may be repeated.
func (s *Service) AttachPolicy(ctx context.Context, account, principal, policy string) error {
	arn, err := ManagedPolicyARN(policy)
	if err != nil {
		return err
	}
	return s.addPolicy(ctx, account, principal, arn, "")
}

func (s *Service) addPolicy(ctx context.Context, account, principal, name, document string) error {
	return s.change(ctx, account, principal, func(tx *db.Tx, id string) error {
		if err := putPolicy(tx, id, name, document); err != nil {
			return err
		}
		count, err := countPolicies(tx, id)
		if err == nil && count > MaxPolicies {
			err = fmt.Errorf("%w policies: a principal has %d at most", ErrLimit, MaxPolicies)
		}
		return err
	})
}

// RemovePolicy takes a policy from a principal: one of its own by name, a
// managed one by name or ARN. A second call gets ErrPolicyNotFound.
func (s *Service) RemovePolicy(ctx context.Context, account, principal, policy string) error {
	names := []string{policy}
	if arn, err := ManagedPolicyARN(policy); err == nil {
		names = append(names, arn)
	}
	return s.change(ctx, account, principal, func(tx *db.Tx, id string) error {
		for _, name := range names {
			if removed, err := removePolicy(tx, id, name); err != nil || removed {
				return err
			}
		}
		return ErrPolicyNotFound
	})
}

// FindPrincipal returns a principal with its policies.
func (s *Service) FindPrincipal(ctx context.Context, account, name string) (Principal, error) {
	if p := s.configured(account, name); p != nil {
		return *p, nil
	}
	var p Principal
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		var err error
		if p, err = selectPrincipal(tx, account, name, ""); err != nil {
			return err
		}
		return loadPolicies(tx, &p)
	})
	if errors.Is(err, db.ErrNoRows) {
		err = ErrPrincipalNotFound
	}
	return p, err
}

// Principals lists an account's principals by name, those after the given one
// and limit at most. Their policies are not loaded.
func (s *Service) Principals(ctx context.Context, account, after string, limit int) ([]Principal, error) {
	var list []Principal
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = selectPrincipals(tx, account, after, limit)
		return err
	})
	for _, p := range s.fixed {
		if p.Account == account && p.Name > after {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Principal) int { return strings.Compare(a.Name, b.Name) })
	return list[:min(limit, len(list))], err
}

// configured returns a principal of the configuration, or nil.
func (s *Service) configured(account, name string) *Principal {
	for i := range s.fixed {
		if s.fixed[i].Account == account && s.fixed[i].Name == name {
			return &s.fixed[i]
		}
	}
	return nil
}

// change runs a write on a principal, whose row is locked so that nothing is
// added to one that is just being removed.
func (s *Service) change(ctx context.Context, account, name string, f func(tx *db.Tx, id string) error) error {
	if s.configured(account, name) != nil {
		return fmt.Errorf("principal %s: %w", name, ErrConfigured)
	}
	return s.write(ctx, func(tx *db.Tx) error {
		p, err := selectPrincipal(tx, account, name, s.db.Dialect().LockSuffix)
		if errors.Is(err, db.ErrNoRows) {
			return ErrPrincipalNotFound
		}
		if err != nil {
			return err
		}
		return f(tx, p.ID)
	})
}

// write runs a write and forgets what this node remembers of keys, whatever came
// of it: the outcome may be unknown.
func (s *Service) write(ctx context.Context, f func(tx *db.Tx) error) error {
	defer s.forget()
	return s.db.Write(ctx, f)
}
