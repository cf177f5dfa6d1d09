package server

import (
	"fmt"
	"maps"
	"path/filepath"
)

// placed is the configuration with absolute paths in the place of relative ones:
// builds, functions and git run in folders of their own, where a relative path
// would lead elsewhere. The URL of a connection, or codeCommit, is absolute or none.
func (c Config) placed() (Config, error) {
	c.Connections, c.Functions = maps.Clone(c.Connections), maps.Clone(c.Functions)
	var failed error
	place := func(path *string) {
		if *path == "" {
			return
		}
		at, err := filepath.Abs(*path)
		if err != nil {
			failed = fmt.Errorf("finding out where %s is: %w", *path, err)
			return
		}
		*path = at
	}
	place(&c.Data)
	place(&c.Blobs)
	for arn, connection := range c.Connections {
		place(&connection.SSHKeyFile)
		c.Connections[arn] = connection
	}
	for name, function := range c.Functions {
		place(&function.Directory)
		c.Functions[name] = function
	}
	return c, failed
}
