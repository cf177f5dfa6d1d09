package git

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Commit is what a commit says about itself.
type Commit struct {
	ID            string
	AuthorName    string
	AuthorEmail   string
	AuthorDate    time.Time // UTC
	CommitterDate time.Time // UTC
	// Message is the whole message in UTF-8, without line ends after it.
	Message string
}

// readCommit reads a commit by its full id in the repository at or above dir.
func readCommit(ctx context.Context, dir, id string) (Commit, error) {
	c := command{
		args: []string{"log", "-1", "-z", "--no-show-signature", "--no-mailmap", "--no-color", "--encoding=UTF-8",
			"--format=%H%x00%an%x00%ae%x00%at%x00%ct%x00%B", "--end-of-options", id, "--"},
		dir: dir,
	}
	out, err := c.output(ctx)
	if err != nil {
		return Commit{}, err
	}
	fields := strings.SplitN(strings.ToValidUTF8(string(out), "\uFFFD"), "\x00", 6)
	if len(fields) != 6 || fields[0] != id {
		return Commit{}, fmt.Errorf("read commit %s: git gave an unknown answer", id)
	}
	return Commit{
		ID: id, AuthorName: fields[1], AuthorEmail: fields[2],
		AuthorDate: unixTime(fields[3]), CommitterDate: unixTime(fields[4]),
		Message: strings.TrimRight(fields[5], "\n\r\x00"),
	}, nil
}

// unixTime reads seconds since the epoch. A commit may claim any number; what
// does not fit into a date with four digits for the year is the epoch.
func unixTime(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 253402300799 {
		n = 0
	}
	return time.Unix(n, 0).UTC()
}
