package iam

import (
	"testing"
	"time"
)

// TestNothingOldIsRemembered: a key that was read before this node changed it
// must not be remembered after.
func TestNothingOldIsRemembered(t *testing.T) {
	t.Parallel()
	s := &Service{now: time.Now}
	read := remembered{key: &knownKey{enabled: true}, at: s.now()}
	s.remember("AKIA", read, s.memory.generation)
	if s.memory.keys["AKIA"].key == nil {
		t.Fatal("nothing is remembered at all")
	}
	before := s.memory.generation
	s.forget()
	s.remember("AKIA", read, before)
	if s.memory.keys["AKIA"].key != nil {
		t.Error("what was read before the change is remembered after it")
	}
	s.remember("AKIA", read, s.memory.generation)
	s.remember("AKIA", remembered{at: s.now()}, s.memory.generation)
	if _, ok := s.memory.keys["AKIA"]; ok {
		t.Error("a key that is gone is remembered")
	}
}
