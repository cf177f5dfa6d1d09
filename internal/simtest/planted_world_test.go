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
	// refusesReplays: a start whose token has an execution is refused for the limit.
	refusesReplays bool
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
	// offersTwice: an action may have two jobs of one number.
	offersTwice bool
	// handsOutOver: a poll does not look whether the action of a job is over.
	handsOutOver bool
	// acknowledgesOver: neither does what is said of a job.
	acknowledgesOver bool
	// ignoresRevision: a commit does not notice that others changed the job.
	ignoresRevision bool
	// forgetsDue: nobody is told when an action with a job needs attention.
	forgetsDue bool
	// withdrawsFirst: a word of unknown outcome is tried again on a job that was
	// withdrawn in memory, where it is not known any more.
	withdrawsFirst bool
	// reportsApart: a result is committed first, and what follows from it later.
	reportsApart bool
	// neverRefuses: the commit of an event does not notice that others changed the
	// job that reported it.
	neverRefuses bool
	// timesOutAlone: the time-out of an action leaves its job as it is.
	timesOutAlone bool
	// keepsJob: a stop takes the job from nobody.
	keepsJob bool
	// takesUnowned: a node that was about to bring a job does not look whether its
	// action is another's by now.
	takesUnowned bool
	// parksTimedOut: a job is left for later although the time of its action is over.
	parksTimedOut bool
	// leavesBegun: a job is not brought again after the node that was about to is gone.
	leavesBegun bool
	// losesToken: a function is invoked without the continuation token.
	losesToken bool
	// believesLost: an invocation that failed is taken for one that came through.
	believesLost bool
	// forgetsReturn: a continuation that was returned is forgotten when it cannot be
	// stored at once; forgetsDelivery: so is that a function has its job.
	forgetsReturn, forgetsDelivery bool
	// parksOld: a job is left until it needs attention as it was when it was taken.
	parksOld bool
	// believesReturned: what an invocation returned ends an action, whatever became of
	// the job.
	believesReturned bool
	// keepsReturned: what an invocation returned leaves the job open.
	keepsReturned bool
	// adoptsDue: a claim that a node finds was due when it is.
	adoptsDue bool
	// parksOthers: a node parks a job that another was about to bring.
	parksOthers bool
	// invokesOn: a stop does not reach a node that is about to bring a job.
	invokesOn bool
	// stopsHere: a stop is carried out where it was asked for.
	stopsHere bool
	// repeatsWord: what a worker says is a new event whenever it is tried again.
	repeatsWord bool
}

// worldPlants are the bugs of the world, one at a time.
var worldPlants = []struct {
	name string
	bugs bugs
	// from is the seed to begin with: what is rare was found near it.
	from uint64
}{
	{"unknown outcome applied twice", bugs{forgetsUnknown: true}, 1},
	{"lost update", bugs{ignoresVersion: true}, 1},
	{"answer from a stale state", bugs{believesCache: true}, 1},
	{"answer before the commit", bugs{answersEarly: true}, 1},
	{"void effect kept", bugs{keepsVoid: true}, 1},
	{"token forgotten", bugs{forgetsTokens: true}, 1},
	{"token refused at the limit", bugs{refusesReplays: true}, 1},
	{"claim forgotten", bugs{neverAdopts: true}, 1},
	{"claim without a lease", bugs{orphansClaims: true}, 1},
	{"begun twice", bugs{beginsAnyway: true}, 1},
	{"past from before the batch", bugs{pastBeforeBatch: true}, 1},
	{"first job offered twice", bugs{offersTwice: true}, 3400},
	{"job of what is over handed out", bugs{handsOutOver: true}, 1},
	{"job of what is over acknowledged", bugs{acknowledgesOver: true}, 1},
	{"job changed by two", bugs{ignoresRevision: true}, 1},
	{"time of a job forgotten", bugs{forgetsDue: true}, 1},
	{"word of a worker forgotten", bugs{repeatsWord: true}, 1},
	{"word of a worker on a withdrawn job", bugs{withdrawsFirst: true}, 21900},
	{"result apart from the pipeline", bugs{reportsApart: true}, 1},
	{"result on what another changed", bugs{neverRefuses: true}, 1},
	{"job of what timed out left open", bugs{timesOutAlone: true}, 1},
	{"stop leaves the job", bugs{keepsJob: true}, 1},
	{"stop where it was asked for", bugs{stopsHere: true}, 1},
	{"invoked by who lost the action", bugs{takesUnowned: true}, 1},
	{"invoked job left when its action timed out", bugs{parksTimedOut: true}, 1},
	{"not invoked after the node is gone", bugs{leavesBegun: true}, 1},
	{"invoked without the token", bugs{losesToken: true}, 1},
	{"failed invocation taken for delivered", bugs{believesLost: true}, 1},
	{"returned continuation forgotten", bugs{forgetsReturn: true}, 1},
	{"delivered invocation forgotten", bugs{forgetsDelivery: true}, 1},
	{"continuation while its job is parked", bugs{parksOld: true}, 1},
	{"late return ends the action", bugs{believesReturned: true}, 1},
	{"return leaves the job", bugs{keepsReturned: true}, 1},
	{"found claim due at the time-out", bugs{adoptsDue: true}, 11000},
	{"job of another parked", bugs{parksOthers: true}, 1},
	{"invoked after a stop", bugs{invokesOn: true}, 1},
}

// TestPlantedWorld plants each bug of the list in the world; some seed must find
// it. Whoever fixes a bug of dispatch adds it here.
func TestPlantedWorld(t *testing.T) {
	t.Parallel()
	for _, p := range worldPlants {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			seed, text := find(p.from, enoughSeeds, p.bugs)
			if seed == 0 {
				t.Fatalf("not caught by %d seeds", enoughSeeds)
			}
			t.Logf("caught by seed %d: %s", seed, text)
		})
	}
}
