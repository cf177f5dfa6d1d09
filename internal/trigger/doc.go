// Package trigger is what starts executions besides people: webhooks, pushed
// action revisions, and objects that S3 sources name.
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
// A new version of an object is recorded in the transaction that makes it visible
// (RecordChange), and a loop starts the executions of all pipelines whose S3 source
// is that object: at once, for that version, under a token made of it. Rows are
// claimed, those of one object one after the other; who dies between the start and
// the deletion of the row is followed by one who starts nothing more. Objects of an
// S3 elsewhere are polled (PollSources).
//
// trigger owns the tables of migrations/ and all SQL on them (sql.go).
package trigger
