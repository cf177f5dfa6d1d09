package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// nodeFile holds the name of the node that a data directory belongs to.
const nodeFile = "node"

// nodeName returns the node's name, which is the same after every restart on the
// same data directory, and another on another. The caller holds the directory's
// lock.
func nodeName(data string) (string, error) {
	path := filepath.Join(data, nodeFile)
	text, err := os.ReadFile(path)
	if name := strings.TrimSpace(string(text)); err == nil && name != "" {
		return name, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the node's name: %w", err)
	}
	name := "node-" + strings.ToLower(rand.Text()[:12])
	if err := os.WriteFile(path+".new", []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("writing the node's name: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return "", fmt.Errorf("writing the node's name: %w", err)
	}
	return name, nil
}
