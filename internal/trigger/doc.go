// Package trigger is what starts executions besides people: webhooks and pushed
// action revisions.
//
// A webhook is a record with a URL. The URL is a capability: it holds a token
// that nobody can guess, so the database keeps the token's hash, to find the
// webhook by, and the token itself only sealed, to show the URL again. The
// secret of a webhook is sealed with it and is shown to nobody. What arrives at
// a URL is not handled yet.
//
// A pushed revision (PutActionRevision) starts an execution the first time it is
// seen. Store remembers every one under a hash of what names it, so that pushing
// it again, also after a crash, starts nothing.
//
// trigger owns the tables of migrations/ and all SQL on them (sql.go).
package trigger
