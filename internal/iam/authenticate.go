package iam

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// Authenticate proves who sent a request to the JSON service with the given
// signing name. body is the body as it was received, all of it. The error is an
// *api.Error, unless the key could not be read.
func (s *Service) Authenticate(r *http.Request, body []byte, service string) (api.Caller, error) {
	sig, err := sigv4.Parse(r)
	if err != nil {
		return api.Caller{}, jsonError(err)
	}
	if err := sig.CheckScope(service); err != nil {
		return api.Caller{}, jsonError(err)
	}
	key, err := s.holderOf(r, sig)
	switch {
	case errors.Is(err, errUnknownKey), errors.Is(err, errInvalidToken):
		return api.Caller{}, &api.Error{Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}
	case errors.Is(err, errSessionExpired):
		return api.Caller{}, &api.Error{Code: "ExpiredTokenException", Message: "The security token included in the request is expired"}
	case err != nil:
		return api.Caller{}, err
	}
	if err := s.verifying.Verify(sig, r, sigv4.Hash(body), key.secret, s.now()); err != nil {
		return api.Caller{}, jsonError(err)
	}
	s.note(sig.AccessKeyID, key.knownKey, sig.Service)
	caller := key.caller(r, sig)
	caller.Wait = waitOf(r, sig)
	return caller, nil
}

// waitHeader is how long a caller is willing to wait for an answer, in seconds.
const waitHeader = "X-Penstock-Wait-Seconds"

// waitOf reads how long the caller is willing to wait. A header that is not
// signed may be anybody's and does not count.
func waitOf(r *http.Request, sig *sigv4.Signature) time.Duration {
	text := r.Header.Get(waitHeader)
	if text == "" || !slices.Contains(sig.SignedHeaders, strings.ToLower(waitHeader)) {
		return 0
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, int(api.MaxWait/time.Second))) * time.Second
}

// jsonError is a refused signature in the words of the JSON services, which are
// those of sigv4.
func jsonError(err error) error {
	e := refusal(err)
	return &api.Error{Code: e.Code, Message: e.Message}
}
