package invoke

import (
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/penstock-cd/penstock/internal/provider"
)

// secretLog is the log of an attempt that remembers the secrets it was told of:
// those that were issued for the job. A function that fails likes to quote the event
// that has them, and what it says of itself is shown outside the log too.
type secretLog struct {
	io.Writer

	mu      sync.Mutex
	secrets []string // longest first
}

var _ provider.MaskingLog = (*secretLog)(nil)

// remember gives an attempt such a log in the place of its own.
func remember(a *provider.Attempt) *secretLog {
	s := &secretLog{Writer: a.Log}
	a.Log = s
	return s
}

// Mask implements provider.MaskingLog.
func (s *secretLog) Mask(secrets ...string) {
	if log, ok := s.Writer.(provider.MaskingLog); ok {
		log.Mask(secrets...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range secrets {
		if secret != "" {
			s.secrets = append(s.secrets, secret)
		}
	}
	slices.SortStableFunc(s.secrets, func(a, b string) int { return len(b) - len(a) })
}

const (
	// mask stands for a secret.
	mask = "***"
	// minCut is how much of a secret must be at the end of a text that was cut off
	// for it to be one.
	minCut = 8
)

// hide masks the secrets in a text, and a part of one at its end.
func (s *secretLog) hide(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pairs []string
	cut := 0
	for _, secret := range s.secrets {
		pairs = append(pairs, secret, mask)
		for n := min(len(secret)-1, len(text)); n >= max(minCut, cut+1); n-- {
			if strings.HasSuffix(text, secret[:n]) {
				cut = n
			}
		}
	}
	hidden := strings.NewReplacer(pairs...).Replace(text[:len(text)-cut])
	if cut > 0 {
		hidden += mask
	}
	return hidden
}

// hideIn masks the secrets in what a report shows.
func (s *secretLog) hideIn(r provider.Report) provider.Report {
	r.Summary, r.ErrorMessage = s.hide(r.Summary), s.hide(r.ErrorMessage)
	r.ExternalExecutionID, r.ExternalExecutionURL = s.hide(r.ExternalExecutionID), s.hide(r.ExternalExecutionURL)
	return r
}
