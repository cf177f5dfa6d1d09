package simtest

import (
	"strings"
	"testing"
)

// bugs are mistakes planted on purpose in the world: those that dispatch could
// make.
type bugs struct {
	// forgetsUnknown: after a commit of unknown outcome the event is applied
	// again without a look.
	forgetsUnknown bool
	// ignoresVersion: a commit does not notice that somebody else was first.
	ignoresVersion bool
	// believesCache: what seems to change nothing is answered from memory.
	believesCache bool
	// answersEarly: success is answered although the commit failed.
	answersEarly bool
	// keepsVoid: the effect of an action that is over stays.
	keepsVoid bool
	// forgetsTokens: a client request token is not kept.
	forgetsTokens bool
	// neverAdopts: a node does not look for claims that it does not carry out.
	neverAdopts bool
	// orphansClaims: only the claims of expired leases are freed, not those
	// without any.
	orphansClaims bool
	// beginsAnyway: who loses the race to begin an attempt starts it too.
	beginsAnyway bool
	// pastBeforeBatch: an ended execution is handed to a step as it was before the
	// batch that ended it.
	pastBeforeBatch bool
}

// TestPlantedWorld plants each bug of the list in the world; some seed must find
// it. Whoever fixes a bug of dispatch adds it here.
func TestPlantedWorld(t *testing.T) {
	t.Parallel()
	for name, planted := range map[string]bugs{
		"unknown outcome applied twice": {forgetsUnknown: true},
		"lost update":                   {ignoresVersion: true},
		"answer from a stale state":     {believesCache: true},
		"answer before the commit":      {answersEarly: true},
		"void effect kept":              {keepsVoid: true},
		"token forgotten":               {forgetsTokens: true},
		"claim forgotten":               {neverAdopts: true},
		"claim without a lease":         {orphansClaims: true},
		"begun twice":                   {beginsAnyway: true},
		"past from before the batch":    {pastBeforeBatch: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(enoughSeeds) {
				// A crash of the planted code itself proves nothing.
				if _, err := simulate(seed+1, planted); err != nil && !strings.Contains(err.Error(), "runtime error") {
					t.Logf("caught by seed %d: %.300s", seed+1, err)
					return
				}
			}
			t.Errorf("not caught by %d seeds", enoughSeeds)
		})
	}
}
