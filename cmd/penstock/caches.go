package main

import (
	"os"
	"path/filepath"
)

// caches are where tools keep what they fetched and compiled, below the user's
// home or cache folder, and the variables that tell them.
var caches = []struct {
	variable string
	inCache  bool // below the cache folder, else below the home folder
	folder   string
}{
	{"GOCACHE", true, "go-build"},
	{"GOMODCACHE", false, "go/pkg/mod"},
	{"npm_config_cache", false, ".npm"},
	{"PIP_CACHE_DIR", true, "pip"},
	{"CARGO_HOME", false, ".cargo"},
	{"RUSTUP_HOME", false, ".rustup"},
}

// shareCaches names the user's own caches in the environment, as far as they
// exist. A build has a home folder of its own; without this its tools would
// begin with empty caches in every run.
func shareCaches() {
	home, errHome := os.UserHomeDir()
	cache, errCache := os.UserCacheDir()
	for _, c := range caches {
		base, err := home, errHome
		if c.inCache {
			base, err = cache, errCache
		}
		if _, set := os.LookupEnv(c.variable); set || err != nil {
			continue
		}
		folder := filepath.Join(base, filepath.FromSlash(c.folder))
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			os.Setenv(c.variable, folder)
		}
	}
}
