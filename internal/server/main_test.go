package server_test

import (
	"os"
	"testing"

	"github.com/penstock-cd/penstock/internal/sandbox"
)

// TestMain lets the test program be what its tests start: a supervisor of the
// processes of a build, or a server that is killed.
func TestMain(m *testing.M) {
	sandbox.Supervise()
	if data := os.Getenv(crashData); data != "" {
		crashServe(data)
	}
	os.Exit(m.Run())
}
