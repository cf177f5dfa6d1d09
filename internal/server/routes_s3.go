package server

import (
	"cmp"
	"io"
	"net/http"
	"strings"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// authenticateS3 proves who sent an S3 request. A signature of version 2 names no
// region: the request is meant for the one that it arrived in.
func (s *Server) authenticateS3(r *http.Request) (api.Caller, io.Reader, error) {
	caller, body, err := s.iam.AuthenticateStream(r, "s3")
	caller.Region = cmp.Or(caller.Region, s.cfg.Region)
	return caller, body, err
}

// signedForS3 reports whether a request says that it is signed for S3, however
// badly: S3 tells what is wrong in its own words.
func signedForS3(r *http.Request) bool {
	return sigv4.ServiceOf(r) == "s3" || sigv4.HasV2(r) || strings.HasPrefix(r.Header.Get("Authorization"), "AWS ")
}

// looksLikeS3 tells by its shape whether a request without a readable signature is
// for S3: SDKs that were told not to sign, or whose signature is broken, can make
// something only of S3's own refusal.
func looksLikeS3(r *http.Request) bool {
	if sigv4.ServiceOf(r) != "" {
		return false // of another service
	}
	switch r.URL.Path {
	case "/trigger", "/healthz", "/readyz":
		return false
	case "", "/":
		// Browsers and monitors look here, too; only SDKs number what they send.
		return r.Method == http.MethodGet && r.Header.Get("Amz-Sdk-Invocation-Id") != ""
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete:
		return true
	case http.MethodPost:
		query := r.URL.Query()
		return query.Has("delete") || query.Has("uploads") || query.Has("uploadId") ||
			strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data")
	}
	return false
}
