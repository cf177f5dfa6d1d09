// Package git puts the git binary to use, safely: it keeps a mirror of each
// remote repository in a cache folder, finds branches and commits in it, writes
// the files of a commit as a zip, clones it for a build, and lists the files of
// a working copy.
//
// Names come from pipeline declarations and so from strangers. They are checked
// before git sees them (names.go, remote.go); git runs in an environment made
// from scratch, with https, ssh and local folders as its only transports, with
// no system or user configuration, no hooks, no prompts, and with arguments that
// cannot be taken for options (command.go). Credentials travel in the
// environment of the one command that needs them, never on its command line.
package git
