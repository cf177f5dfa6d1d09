package simtest

import "testing"

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

// worldPlants are the bugs of the world, one at a time.
var worldPlants = []struct {
	name string
	bugs bugs
}{
	{"unknown outcome applied twice", bugs{forgetsUnknown: true}},
	{"lost update", bugs{ignoresVersion: true}},
	{"answer from a stale state", bugs{believesCache: true}},
	{"answer before the commit", bugs{answersEarly: true}},
	{"void effect kept", bugs{keepsVoid: true}},
	{"token forgotten", bugs{forgetsTokens: true}},
	{"claim forgotten", bugs{neverAdopts: true}},
	{"claim without a lease", bugs{orphansClaims: true}},
	{"begun twice", bugs{beginsAnyway: true}},
	{"past from before the batch", bugs{pastBeforeBatch: true}},
}

// TestPlantedWorld plants each bug of the list in the world; some seed must find
// it. Whoever fixes a bug of dispatch adds it here.
func TestPlantedWorld(t *testing.T) {
	t.Parallel()
	for _, p := range worldPlants {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			seed, text := find(enoughSeeds, p.bugs)
			if seed == 0 {
				t.Fatalf("not caught by %d seeds", enoughSeeds)
			}
			t.Logf("caught by seed %d: %s", seed, text)
		})
	}
}
