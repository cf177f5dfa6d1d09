// Package source has the providers that fetch source: connections and
// CodeCommit repositories, both over git, and S3 objects; and two that only
// local runs register, which take the place of an action: a working copy as a
// source, and given folders as the outputs of an action that is not run.
//
// Each does its work in Start, again from the beginning when it is called again:
// the location of the output artifact is fixed before, so that a repeated start
// writes the same place. What a source fetched is decided anew by each start.
package source
