package iam

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// CacheTime is how long a node trusts what it read of an access key and its
// principal. Changes that it makes itself count at once.
const CacheTime = 3 * time.Second

// knownKey is an access key as this node knows it, with its principal and what
// that one may do. It does not change.
type knownKey struct {
	secret    string
	enabled   bool
	arn       string
	fixed     bool      // root's or of the configuration
	principal Principal // without a name: root
	policies  []*Policy
	usedAt    atomic.Int64 // the minute that was noted last
}

// caller describes the holder of a key as the sender of a request.
func (k *knownKey) caller(r *http.Request, sig *sigv4.Signature) api.Caller {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = ""
	}
	return api.Caller{
		Partition:   "aws",
		Account:     k.principal.Account,
		Region:      sig.Region,
		ARN:         k.arn,
		AccessKeyID: sig.AccessKeyID,
		SourceIP:    host,
	}
}

// memory is what a node remembers of the keys in the database.
type memory struct {
	mu sync.RWMutex
	// generation grows with each change that this node makes, so that what was
	// read before is not remembered after it.
	generation uint64
	keys       map[string]remembered
}

type remembered struct {
	key *knownKey
	at  time.Time
}

// maxRemembered bounds the memory; past it, it starts anew.
const maxRemembered = 10_000

// forget drops what this node remembers.
func (s *Service) forget() {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	s.memory.generation++
	s.memory.keys = nil
}

// keyIDPattern is what newAccessKeyID makes. Other ids are not looked up.
var keyIDPattern = regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`)

// find returns the enabled key of an id, or nil if there is none.
func (s *Service) find(ctx context.Context, id string) (*knownKey, error) {
	if k, fixed := s.fixedKeys[id]; fixed {
		return k, nil
	}
	if s.db == nil || !keyIDPattern.MatchString(id) {
		return nil, nil
	}
	now := s.now()
	s.memory.mu.RLock()
	r, ok := s.memory.keys[id]
	generation := s.memory.generation
	s.memory.mu.RUnlock()
	if age := now.Sub(r.at); !ok || age < 0 || age >= CacheTime {
		var err error
		if r.key, err = s.load(ctx, id); err != nil {
			return nil, err
		}
		s.remember(id, remembered{r.key, now}, generation)
	}
	if r.key == nil || !r.key.enabled {
		return nil, nil
	}
	return r.key, nil
}

// remember keeps what was read in a generation, unless a newer one has begun.
// What does not exist is not remembered: anybody can invent ids.
func (s *Service) remember(id string, r remembered, generation uint64) {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	if s.memory.generation != generation {
		return
	}
	if r.key == nil {
		delete(s.memory.keys, id)
		return
	}
	if s.memory.keys == nil || len(s.memory.keys) >= maxRemembered {
		s.memory.keys = map[string]remembered{}
	}
	s.memory.keys[id] = r
}

// load reads a key and its principal; nil if there is none.
func (s *Service) load(ctx context.Context, id string) (*knownKey, error) {
	var row keyRow
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if row, err = selectKey(tx, "", id); err != nil {
			return err
		}
		return loadPolicies(tx, &row.principal)
	})
	if errors.Is(err, db.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("loading access key %s: %w", id, err)
	}
	if !row.Enabled {
		return &knownKey{}, nil
	}
	secret, err := s.keyring.Open(row.sealed, sealedAbout(id))
	if err != nil {
		return nil, err
	}
	k := &knownKey{secret: string(secret), enabled: true, arn: row.principal.ARN(), principal: row.principal}
	k.usedAt.Store(row.Used)
	k.policies, err = compilePolicies(row.principal)
	return k, err
}

// compilePolicies reads the policies of a principal. Stored documents were
// checked when they were stored; one that cannot be read now may hold a Deny, so
// nothing is decided without it.
func compilePolicies(p Principal) ([]*Policy, error) {
	var list []*Policy
	for _, arn := range p.Managed {
		policy := managedPolicies()[arn]
		if policy == nil {
			return nil, fmt.Errorf("principal %s: %w: %s", p.Name, ErrPolicyNotFound, arn)
		}
		list = append(list, policy)
	}
	for name, document := range p.Policies {
		policy, err := ParsePolicy([]byte(document))
		if err != nil {
			return nil, fmt.Errorf("principal %s: %w %s: %w", p.Name, ErrMalformedPolicy, name, err)
		}
		list = append(list, policy)
	}
	return list, nil
}
