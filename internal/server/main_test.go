package server_test

import (
	"os"
	"testing"

	"github.com/penstock-cd/penstock/internal/sandbox"
)

// TestMain lets the test program supervise the processes of the builds that its
// servers run.
func TestMain(m *testing.M) {
	sandbox.Supervise()
	os.Exit(m.Run())
}
