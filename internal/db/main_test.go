package db_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"
)

// goexit is what testing's FailNow does.
func goexit() { runtime.Goexit() }

// TestMain lets a test start this binary as another process that does something
// else: the variable names it.
func TestMain(m *testing.M) {
	children := map[string]func() error{
		"crash": crashChild,
		"lock":  lockChild,
	}
	child, ok := children[os.Getenv("PENSTOCK_TEST_CHILD")]
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
