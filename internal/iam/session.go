package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// Session is what temporary credentials are good for. Nothing is stored of it:
// the session token is the session, sealed by the keyring, so every node that has
// the encryption keys knows it.
type Session struct {
	Account string
	// Role and Name say in the ARN whose credentials they are.
	Role, Name string
	// Lifetime is how long they are good for.
	Lifetime time.Duration
	// Grants are all that may be done with them.
	Grants []Grant
}

// Grant permits actions on resources. All of them are meant to the letter: there
// are no wildcards, and a * is a *.
type Grant struct {
	Actions   []string `json:"actions"`
	Resources []string `json:"resources"`
}

// ARN names the holder of the credentials.
func (s Session) ARN() string {
	return "arn:aws:sts::" + s.Account + ":assumed-role/" + s.Role + "/" + s.Name
}

// sealedSession is what a session token holds.
type sealedSession struct {
	Secret  string  `json:"secret"`
	Account string  `json:"account"`
	Role    string  `json:"role"`
	Name    string  `json:"name"`
	Expires int64   `json:"expires"` // milliseconds
	Grants  []Grant `json:"grants"`
}

// sessionKeyPrefix begins the access key ids of temporary credentials.
const sessionKeyPrefix = "ASIA"

var sessionKeyPattern = regexp.MustCompile(`^ASIA[A-Z2-7]{16}$`)

func sealedSessionAbout(id string) string { return "session of access key " + id }

// IssueSession makes credentials for a session, another key and token each time,
// and says when they end.
func (s *Service) IssueSession(session Session) (sigv4.Credentials, time.Time, error) {
	if s.keyring == nil {
		return sigv4.Credentials{}, time.Time{}, errors.New("issuing a session: this server has no encryption key")
	}
	c := sigv4.Credentials{
		AccessKeyID:     sessionKeyPrefix + strings.TrimPrefix(newAccessKeyID(), "AKIA"),
		SecretAccessKey: newSecret(),
	}
	expires := s.now().Add(session.Lifetime)
	text, err := json.Marshal(sealedSession{
		Secret: c.SecretAccessKey, Account: session.Account, Role: session.Role, Name: session.Name,
		Expires: expires.UnixMilli(), Grants: session.Grants,
	})
	if err != nil {
		return sigv4.Credentials{}, time.Time{}, fmt.Errorf("issuing a session: %w", err)
	}
	if c.SessionToken, err = s.keyring.Seal(text, sealedSessionAbout(c.AccessKeyID)); err != nil {
		return sigv4.Credentials{}, time.Time{}, fmt.Errorf("issuing a session: %w", err)
	}
	return c, expires, nil
}

// The refusals of credentials by their key and token.
var (
	errUnknownKey     = errors.New("unknown access key")
	errInvalidToken   = errors.New("invalid session token")
	errSessionExpired = errors.New("session expired")
)

// holder is who signs with a key: a principal with a permanent key, or a session.
type holder struct {
	*knownKey
	// session are the grants of temporary credentials as text.
	session string
}

// caller describes the holder as the sender of a request.
func (h holder) caller(r *http.Request, sig *sigv4.Signature) api.Caller {
	c := h.knownKey.caller(r, sig)
	c.Session = h.session
	return c
}

// holderOf finds who signs with the key and the token of a signature, which is yet
// to be verified. The error is one of the refusals above, unless the key could not
// be read.
func (s *Service) holderOf(r *http.Request, sig *sigv4.Signature) (holder, error) {
	if sessionKeyPattern.MatchString(sig.AccessKeyID) && s.keyring != nil {
		return s.openSession(sig.AccessKeyID, sig.SessionToken)
	}
	key, err := s.find(r.Context(), sig.AccessKeyID)
	switch {
	case err != nil:
		return holder{}, err
	case key == nil:
		return holder{}, errUnknownKey
	case sig.SessionToken != "":
		// A token with a permanent key is as wrong as an unknown key.
		return holder{}, errInvalidToken
	}
	return holder{knownKey: key}, nil
}

// openSession reads a session token, which is proof of itself.
func (s *Service) openSession(id, token string) (holder, error) {
	text, err := s.keyring.Open(token, sealedSessionAbout(id))
	if err != nil {
		return holder{}, errInvalidToken
	}
	var sealed sealedSession
	if err := json.Unmarshal(text, &sealed); err != nil {
		return holder{}, errInvalidToken
	}
	if s.now().UnixMilli() >= sealed.Expires {
		return holder{}, errSessionExpired
	}
	grants, err := json.Marshal(sealed.Grants)
	if err != nil {
		return holder{}, err
	}
	session := Session{Account: sealed.Account, Role: sealed.Role, Name: sealed.Name}
	return holder{session: string(grants), knownKey: &knownKey{
		secret: sealed.Secret, enabled: true, arn: session.ARN(), fixed: true, principal: Principal{Account: sealed.Account},
	}}, nil
}

// decideSession asks the grants of a session, which were proven when its holder
// was. Nothing that they do not name is allowed.
func decideSession(caller api.Caller, r Request) (Decision, error) {
	var grants []Grant
	if err := json.Unmarshal([]byte(caller.Session), &grants); err != nil {
		return NotAllowed, err
	}
	for _, g := range grants {
		if slices.Contains(g.Actions, r.Action) && slices.Contains(g.Resources, r.Resource) {
			return Allowed, nil
		}
	}
	return NotAllowed, nil
}
