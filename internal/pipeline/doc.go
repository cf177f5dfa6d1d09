// Package pipeline holds the nouns of Penstock: a declaration and the Plan it
// is compiled to, variables, revisions, artifact names, ARNs. It is pure: it
// reads no clock, rolls no dice and does no I/O.
package pipeline
