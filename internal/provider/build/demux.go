package build

import (
	"bytes"
	"errors"
	"io"
)

// demux takes the results out of the driver's output: a NUL, the session's mark,
// a blank, the result, a line break. Since results travel with the output, all
// output of a command was passed on before its result is.
type demux struct {
	out     io.Writer
	mark    []byte
	held    []byte      // what may be, or is, the beginning of a result
	results chan string // holds the one result that was asked for
}

// maxResult bounds a result; a longer one is none.
const maxResult = 32

func newDemux(out io.Writer, mark string) *demux {
	return &demux{out: out, mark: []byte("\x00" + mark + " "), results: make(chan string, 1)}
}

// Write passes output on and keeps results.
func (d *demux) Write(p []byte) (int, error) {
	text := p
	if len(d.held) > 0 {
		text = append(d.held, p...)
	}
	for {
		i := indexMark(text, d.mark)
		if i < 0 {
			d.held = nil
			return len(p), d.pass(text)
		}
		if err := d.pass(text[:i]); err != nil {
			return 0, err
		}
		text = text[i:]
		if len(text) < len(d.mark) {
			break
		}
		end := bytes.IndexByte(text, '\n')
		if end < 0 && len(text) < len(d.mark)+maxResult {
			break
		}
		if end < 0 {
			return 0, errors.New("the shell of the build gave no readable result")
		}
		select {
		case d.results <- string(text[len(d.mark):end]):
		default: // a result that nobody asked for: somebody plays the driver
		}
		text = text[end+1:]
	}
	d.held = bytes.Clone(text)
	return len(p), nil
}

func (d *demux) pass(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_, err := d.out.Write(text)
	return err
}

// indexMark is where the mark begins, or what may become the mark at the end of
// text; -1 if there is neither.
func indexMark(text, mark []byte) int {
	for from := 0; ; {
		i := bytes.IndexByte(text[from:], mark[0])
		if i < 0 {
			return -1
		}
		i += from
		rest := text[i:]
		if bytes.HasPrefix(rest, mark) || bytes.HasPrefix(mark, rest) {
			return i
		}
		from = i + 1
	}
}
