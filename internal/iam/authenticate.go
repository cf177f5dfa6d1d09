package iam

import (
	"net/http"

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
	key, err := s.find(r.Context(), sig.AccessKeyID)
	if err != nil {
		return api.Caller{}, err
	}
	// A token with a permanent key is as wrong as an unknown key.
	if key == nil || sig.SessionToken != "" {
		return api.Caller{}, &api.Error{Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}
	}
	if err := s.verifying.Verify(sig, r, sigv4.Hash(body), key.secret, s.now()); err != nil {
		return api.Caller{}, jsonError(err)
	}
	s.note(sig.AccessKeyID, key, sig.Service)
	return key.caller(r, sig), nil
}

// jsonError is a refused signature in the words of the JSON services, which are
// those of sigv4.
func jsonError(err error) error {
	e := refusal(err)
	return &api.Error{Code: e.Code, Message: e.Message}
}
