package sandboxtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/penstock-cd/penstock/internal/sandbox"
)

// Tree is a stubborn tree of processes: a child, a grandchild and a daemon in a
// session of its own, all deaf to polite signals. Each holds a fifo open for
// writing, so the fifo's end proves that all of them are gone, without asking
// again and again.
type Tree struct {
	dir  string
	fifo *os.File
}

// NewTree makes the fifo.
func NewTree(t *testing.T) *Tree {
	t.Helper()
	tree := &Tree{dir: t.TempDir()}
	name := filepath.Join(tree.dir, "alive")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	// Non-blocking, so that the file works with the poller and Read can wait.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	tree.fifo = f
	t.Cleanup(func() { f.Close() })
	return tree
}

// Spec grows the tree. Each process says its name on the fifo; the command
// prints "grown" when all have, then waits for ever.
func (tree *Tree) Spec(t *testing.T) sandbox.Spec {
	t.Helper()
	return sandbox.Spec{Argv: []string{"/bin/sh", "-c", tree.Script() + "sleep 1000"}, Dir: tree.dir, Env: []string{Path}}
}

// Script grows the tree in its folder and ends, the tree does not.
func (tree *Tree) Script() string {
	return `trap '' TERM HUP INT
exec 9>alive
sh -c 'echo child >&9; : >child; sh -c "echo grandchild >&9; : >grandchild; sleep 1000; :"; :' &
setsid sh -c '(trap "" TERM; echo daemon >&9; : >daemon; sleep 1000; :) </dev/null >/dev/null 2>&1 &' &
while ! [ -e child ] || ! [ -e grandchild ] || ! [ -e daemon ]; do sleep 0.01; done
echo grown
`
}

// Grown waits for the line that the tree prints.
func (tree *Tree) Grown(t *testing.T, lines <-chan string) {
	t.Helper()
	for line := range lines {
		if line == "grown" {
			return
		}
	}
	t.Fatal("the output ended before the tree was grown")
}

// Gone returns when no process of the tree is left. If one outlives the tree,
// the test hangs here until its time is over.
func (tree *Tree) Gone(t *testing.T) {
	t.Helper()
	var text strings.Builder
	buffer := make([]byte, 1024)
	for {
		n, err := tree.fifo.Read(buffer)
		text.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	got := strings.Fields(text.String())
	slices.Sort(got)
	if want := []string{"child", "daemon", "grandchild"}; !slices.Equal(got, want) {
		t.Fatalf("the tree was %v, want %v: the test proves nothing", got, want)
	}
}
