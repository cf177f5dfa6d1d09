package dispatch

import "time"

// trouble is why an effect could not be carried out when it was last tried. It is
// tried every few seconds: who is told of each would look at nothing else.
type trouble struct {
	text string
	told time.Time
}

// troubleAgain is how long the same trouble is not told again.
const troubleAgain = time.Minute

// news reports whether an error is to be told: the first, another than before, and
// one that has lasted.
func (t *trouble) news(err error, now time.Time) bool {
	if text := err.Error(); text != t.text {
		t.text = text
	} else if now.Sub(t.told) < troubleAgain {
		return false
	}
	t.told = now
	return true
}
