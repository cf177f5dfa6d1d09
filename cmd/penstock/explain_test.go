package main

import (
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdUntilExplained waits until the explanation of a pipeline holds a text:
//
//	until-explained PIPELINE TEXT
func cmdUntilExplained(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until-explained PIPELINE TEXT")
	}
	until(ts, args[1], func() bool {
		ts.Check(ts.Exec("penstock", "explain", args[0]))
		return strings.Contains(ts.ReadFile("stdout"), args[1])
	})
}
