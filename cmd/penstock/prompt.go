package main

import (
	"bufio"
	"io"
	"strings"
	"sync"
)

// prompter asks a person, one question after the other.
type prompter struct {
	mu    sync.Mutex
	lines *bufio.Scanner
	show  show
}

func newPrompter(in io.Reader, s show) *prompter {
	return &prompter{lines: bufio.NewScanner(in), show: s}
}

// ask asks until there is an answer. The error is why there will be none.
func (p *prompter) ask(question string) (yes bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		p.show.question(question + " [y/n] ")
		if !p.lines.Scan() {
			p.show.answered()
			if err := p.lines.Err(); err != nil {
				return false, err
			}
			return false, io.EOF
		}
		p.show.answered()
		switch strings.ToLower(strings.TrimSpace(p.lines.Text())) {
		case "y", "yes":
			return true, nil
		case "n", "no":
			return false, nil
		}
	}
}
