package sandbox

import (
	"fmt"
	"io"
	"os"
	"time"
)

// output carries one output of a command to its writer.
type output struct {
	pipe *os.File
	to   io.Writer
	done chan error // receives one value
}

// connect gives the supervisor its outputs. The returned function closes the
// ends that only the supervisor may hold; it is to be called in any case.
func (p *process) connect(s Spec) (func(), error) {
	var inherited []*os.File
	closeInherited := func() {
		for _, f := range inherited {
			f.Close()
		}
	}
	open := func(to io.Writer) (*os.File, error) {
		read, write, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		p.outputs = append(p.outputs, &output{pipe: read, to: to, done: make(chan error, 1)})
		inherited = append(inherited, write)
		return write, nil
	}
	if s.Stdout != nil {
		f, err := open(s.Stdout)
		if err != nil {
			return closeInherited, err
		}
		p.supervisor.Stdout = f
	}
	switch {
	case s.Stderr == nil:
	case same(s.Stdout, s.Stderr):
		p.supervisor.Stderr = p.supervisor.Stdout
	default:
		f, err := open(s.Stderr)
		if err != nil {
			return closeInherited, err
		}
		p.supervisor.Stderr = f
	}
	return closeInherited, nil
}

// same reports whether two writers are one; types that cannot be compared are
// taken for two.
func same(a, b io.Writer) (equal bool) {
	defer func() { _ = recover() }()
	return a == b
}

// copy moves output through a small buffer until every process that could write
// has ended, or the writer refuses.
func (o *output) copy() {
	buffer := make([]byte, 64<<10)
	// The writer alone is shown to Copy: a ReaderFrom would choose its own ways.
	_, err := io.CopyBuffer(struct{ io.Writer }{o.to}, struct{ io.Reader }{o.pipe}, buffer)
	o.pipe.Close()
	if err != nil {
		err = fmt.Errorf("keep the output: %w", err)
	}
	o.done <- err
}

// drain waits until all output was copied and returns the first error. With a
// limit it gives up the rest after that time.
func (p *process) drain(limit time.Duration) error {
	if limit > 0 {
		timer := time.AfterFunc(limit, func() {
			for _, o := range p.outputs {
				o.pipe.Close()
			}
		})
		defer timer.Stop()
	}
	var first error
	for _, o := range p.outputs {
		if err := <-o.done; first == nil {
			first = err
		}
	}
	return first
}
