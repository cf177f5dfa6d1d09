// Package sts answers the one operation of AWS STS that tools need before they
// ask anything else: GetCallerIdentity, which tells whom a key belongs to. STS
// speaks the query protocol, forms in and XML out, which nothing else here does.
package sts

import (
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/penstock-cd/penstock/internal/api"
)

// SigningName is the service of the signature scope.
const SigningName = "sts"

// namespace is the XML namespace of every answer, whose last part is version.
const (
	namespace = "https://sts.amazonaws.com/doc/" + version + "/"
	version   = "2011-06-15"
)

// maxBody bounds a form; AWS's own operations need less.
const maxBody = 64 << 10

// Authenticator proves who sent a request. Its refusals are *api.Error values
// in the words of the JSON services.
type Authenticator interface {
	Authenticate(r *http.Request, body []byte, service string) (api.Caller, error)
}

// Handler is the http.Handler of the service.
type Handler struct {
	auth   Authenticator
	logger *slog.Logger
}

// NewHandler makes a handler.
func NewHandler(auth Authenticator, logger *slog.Logger) *Handler {
	return &Handler{auth: auth, logger: logger}
}

// identity is the answer of GetCallerIdentity.
type identity struct {
	XMLName   xml.Name `xml:"GetCallerIdentityResponse"`
	Namespace string   `xml:"xmlns,attr"`
	ARN       string   `xml:"GetCallerIdentityResult>Arn"`
	UserID    string   `xml:"GetCallerIdentityResult>UserId"`
	Account   string   `xml:"GetCallerIdentityResult>Account"`
	RequestID string   `xml:"ResponseMetadata>RequestId"`
}

// failure is the answer to a request that is refused. Type is Sender, whose
// fault it is, or Receiver.
type failure struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := uuid.NewString()
	w.Header().Set("X-Amzn-Requestid", id)
	caller, err := h.serve(w, r)
	if err == nil {
		answer(w, http.StatusOK, identity{
			Namespace: namespace, ARN: caller.ARN, UserID: userID(caller), Account: caller.Account, RequestID: id,
		})
		return
	}
	refused, ok := errors.AsType[*api.Error](err)
	if !ok {
		h.logger.Error("answering a request to STS", "request_id", id, "error", err)
		answer(w, http.StatusInternalServerError, failure{
			Namespace: namespace, Type: "Receiver", Code: "InternalFailure",
			Message: "The request processing has failed because of an unknown error, exception or failure.", RequestID: id,
		})
		return
	}
	code, status := inQueryWords(refused)
	answer(w, status, failure{Namespace: namespace, Type: "Sender", Code: code, Message: refused.Message, RequestID: id})
}

// serve finds out who calls, if that is what the form asks. Everybody may know
// who they are: no policy is asked, as in AWS.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (api.Caller, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return api.Caller{}, &api.Error{Code: "RequestEntityTooLarge", Message: "The request's body cannot be read or is too long.", Status: http.StatusRequestEntityTooLarge}
	}
	caller, err := h.auth.Authenticate(r, body, SigningName)
	if err != nil {
		return caller, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return caller, &api.Error{Code: "MalformedQueryString", Message: "The request's body is no form."}
	}
	if form.Get("Action") == "" {
		form = r.URL.Query()
	}
	if form.Get("Action") != "GetCallerIdentity" || form.Get("Version") != version {
		return caller, &api.Error{
			Code:    "InvalidAction",
			Message: "Could not find operation " + form.Get("Action") + " for version " + form.Get("Version") + ": Penstock answers GetCallerIdentity only",
		}
	}
	return caller, nil
}

// userID is the account for root, as in AWS. Others have no made-up id here:
// theirs is their name.
func userID(c api.Caller) string {
	if _, name, ok := strings.Cut(c.ARN, ":user/"); ok {
		return name
	}
	return c.Account
}

// inQueryWords translates what the JSON services call a refused signature.
func inQueryWords(e *api.Error) (code string, status int) {
	switch e.Code {
	case "UnrecognizedClientException":
		return "InvalidClientTokenId", http.StatusForbidden
	case "InvalidSignatureException":
		return "SignatureDoesNotMatch", http.StatusForbidden
	case "MissingAuthenticationTokenException":
		return "MissingAuthenticationToken", http.StatusForbidden
	case "IncompleteSignatureException":
		return "IncompleteSignature", http.StatusBadRequest
	}
	if e.Status != 0 {
		return e.Code, e.Status
	}
	return e.Code, http.StatusBadRequest
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := xml.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	w.Write(text)
}
