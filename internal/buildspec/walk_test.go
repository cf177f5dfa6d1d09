package buildspec_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/buildspec"
)

// TestWalk follows the table of actions.md D.5.1: which phases run after a
// failure, and what the build's result is.
func TestWalk(t *testing.T) {
	t.Parallel()
	const all = "DOWNLOAD_SOURCE INSTALL PRE_BUILD BUILD POST_BUILD UPLOAD_ARTIFACTS FINALIZING COMPLETED"
	tests := []struct {
		name  string
		fails string // phases that fail
		on    string // on-failure of those phases
		want  string // phases that are run
		cause buildspec.PhaseType
	}{
		{"success", "", "", all, ""},
		{"source", "DOWNLOAD_SOURCE", "", "DOWNLOAD_SOURCE FINALIZING COMPLETED", "DOWNLOAD_SOURCE"},
		{"install", "INSTALL", "", "DOWNLOAD_SOURCE INSTALL FINALIZING COMPLETED", "INSTALL"},
		{"pre_build", "PRE_BUILD", "", "DOWNLOAD_SOURCE INSTALL PRE_BUILD FINALIZING COMPLETED", "PRE_BUILD"},
		{"build", "BUILD", "", all, "BUILD"},
		{"post_build", "POST_BUILD", "", all, "POST_BUILD"},
		{"build and upload", "BUILD UPLOAD_ARTIFACTS", "", all, "BUILD"},
		{"upload", "UPLOAD_ARTIFACTS", "", all, "UPLOAD_ARTIFACTS"},
		{"install continues", "INSTALL", "CONTINUE", all, ""},
		{"build continues", "BUILD", "CONTINUE", all, ""},
		{"build aborts", "BUILD", "ABORT", "DOWNLOAD_SOURCE INSTALL PRE_BUILD BUILD FINALIZING COMPLETED", "BUILD"},
		{"post_build aborts", "POST_BUILD", "ABORT", "DOWNLOAD_SOURCE INSTALL PRE_BUILD BUILD POST_BUILD FINALIZING COMPLETED", "POST_BUILD"},
		{"build is not retried", "BUILD", "RETRY", all, "BUILD"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var phases strings.Builder
			for _, key := range []string{"install", "pre_build", "build", "post_build"} {
				on := ""
				if strings.Contains(" "+tt.fails+" ", " "+strings.ToUpper(key)+" ") {
					on = tt.on
				}
				fmt.Fprintf(&phases, "  %s: {commands: [x], on-failure: '%s'}\n", key, on)
			}
			spec, err := buildspec.Parse([]byte("version: 0.2\nphases:\n" + phases.String()))
			if err != nil {
				t.Fatal(err)
			}
			w := buildspec.NewWalk()
			got := []string{string(w.Phase)}
			for w.Phase != buildspec.Completed {
				failed := strings.Contains(" "+tt.fails+" ", " "+string(w.Phase)+" ")
				if w.Phase == buildspec.DownloadSource && !failed {
					w.Spec = spec
				}
				w.Ended(!failed)
				got = append(got, string(w.Phase))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if w.Cause != tt.cause || w.Succeeding() != (tt.cause == "") {
				t.Errorf("cause %q, want %q", w.Cause, tt.cause)
			}
		})
	}
}
