package dispatch

import "time"

// trouble is why an effect could not be carried out when it was last tried. It is
// tried every few seconds: who is told of each would look at nothing else.
type trouble struct {
	text    string
	told    time.Time
	changes int
}

const (
	// troubleAgain is how long the same trouble is not told again.
	troubleAgain = time.Minute
	// troubleChanges is how often another text is told at once: some have a new id
	// in them each time.
	troubleChanges = 3
)

// news reports whether an error is to be told: the first, another than before, and
// one that has lasted.
func (t *trouble) news(err error, now time.Time) bool {
	text := err.Error()
	changed := t.text != "" && text != t.text
	if t.text != "" && now.Sub(t.told) < troubleAgain && (!changed || t.changes == troubleChanges) {
		return false
	}
	if changed && t.changes < troubleChanges {
		t.changes++
	}
	t.text, t.told = text, now
	return true
}
