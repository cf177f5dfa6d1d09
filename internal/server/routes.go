package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/s3"
	"github.com/penstock-cd/penstock/internal/service/sts"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// routes sends each request of the one port to where it belongs (DESIGN.md,
// section 6). No multiplexer stands in front: S3 keys are paths that must not be
// cleaned.
func (s *Server) routes(operations http.Handler) http.Handler {
	objects := s3.NewHandler(s.buckets, s3.AuthenticatorFunc(s.authenticateS3), s.iam.AuthorizeObject, s.log)
	if len(s.cfg.ArtifactStores) > 0 {
		objects.Forward(s.stores.outside(s.cfg.Account))
	}
	identities := sts.NewHandler(s.iam, s.log)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Amz-Target") != "":
			operations.ServeHTTP(w, r)
		case signedForS3(r):
			objects.ServeHTTP(w, r)
		case signedFor(r, sts.SigningName):
			identities.ServeHTTP(w, r)
		case r.URL.Path == "/trigger":
			// Webhooks have URLs already; what arrives there is not handled yet.
			http.Error(w, "This version of Penstock does not take webhook requests.", http.StatusNotFound)
		case r.Method == http.MethodGet && r.URL.Path == "/healthz":
			io.WriteString(w, "ok\n")
		case r.Method == http.MethodGet && r.URL.Path == "/readyz":
			s.ready(w, r)
		case looksLikeS3(r):
			objects.ServeHTTP(w, r)
		default:
			operations.ServeHTTP(w, r)
		}
	})
}

// signedFor reports whether a request is signed for a service, in its header or
// its query, in a way that can be read.
func signedFor(r *http.Request, service string) bool {
	if strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") || r.URL.Query().Has("X-Amz-Signature") {
		signature, err := sigv4.Parse(r)
		return err == nil && signature.Service == service
	}
	return false
}

// ready answers whether the server can do its work: its database answers.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	err := s.db.Read(r.Context(), func(tx *db.Tx) error {
		_, err := tx.Now()
		return err
	})
	if err != nil {
		s.log.Error("not ready", "error", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, "ok\n")
}

// trouble tells clients that the server can store nothing, which its operator
// has to mend.
func trouble(err error) string {
	switch {
	case errors.Is(err, db.ErrFull), errors.Is(err, blob.ErrFull):
		return "The server has no space left on its disk."
	case errors.Is(err, db.ErrReadOnly), errors.Is(err, blob.ErrReadOnly):
		return "The server cannot write to its storage."
	}
	return ""
}

// parseLevel reads a log level; empty is info.
func parseLevel(text string) (slog.Level, error) {
	var level slog.Level
	if text == "" {
		return slog.LevelInfo, nil
	}
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return 0, fmt.Errorf("%q is none of debug, info, warn and error", text)
	}
	return level, nil
}

// Level is the configured log level.
func (c Config) Level() slog.Level {
	level, err := parseLevel(c.LogLevel)
	if err != nil {
		return slog.LevelInfo
	}
	return level
}
