//go:build !linux

package main

import "github.com/rogpeppe/go-internal/testscript"

// cmdTerminal is made for Linux; scripts ask for it first.
func cmdTerminal(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("no terminals are made here")
}
