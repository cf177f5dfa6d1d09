// Package logs keeps the output of actions and builds. A stream is a sequence
// of numbered lines, each with the time at which it came; its id is that of an
// action execution or a pipeline execution.
//
// While a stream is written, its lines go to a local file of the node that runs
// the action, handed to the operating system with every write, so a crash of the
// server loses none; every five seconds the new ones are copied to a table, from
// which other nodes read. When the stream is closed, it becomes one compressed
// blob with an index of its lines, and file and table rows go. A node that never
// comes back costs at most the lines of its last five seconds, and the stream
// then ends with a line that says so. Readers on the node that writes see every
// line at once, without asking again and again; on other nodes they lag by the
// five seconds.
//
// A stream that was closed may be opened again: its numbering goes on. A stream
// exists from its first byte; one that was opened but never written leaves
// nothing behind.
//
// Secrets given to a writer are replaced by *** before anything is kept, also
// when they come in pieces.
package logs
