package server_test

import (
	"cmp"
	"context"
	cryptorand "crypto/rand"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/server"
)

// historyName is the pipeline with the long history.
const historyName = "history"

// historyTables are the tables in which an execution leaves rows.
func historyTables() []string {
	return []string{"action_executions", "changes", "log_segments", "pipeline_executions", "s3_versions"}
}

// historyRow is a row by the names of its columns.
type historyRow map[string]any

// traces are the rows that one execution left, by table.
type traces map[string][]historyRow

func historyConfig(dir string) server.Config {
	return server.Config{Listen: "127.0.0.1:0", Data: filepath.Join(dir, "data"), Account: account, Region: region}
}

func historyDB(t testing.TB, dir string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{URL: "sqlite:" + filepath.Join(dir, "data")})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// executeForTraces makes the pipeline, executes it three times, and returns what
// the second and the third execution left.
func executeForTraces(t testing.TB, dir string) (second, third traces) {
	t.Helper()
	var found [3]traces
	for i := range found {
		s, err := server.Start(t.Context(), historyConfig(dir), steadyOptions())
		if err != nil {
			t.Fatal(err)
		}
		c := &awsjson.Client{Endpoint: s.Endpoint(), Region: region, Service: "codepipeline", TargetPrefix: pipelineTarget, Credentials: s.Root()}
		if i == 0 {
			steadyCall(t, c, "CreatePipeline", steadyPipeline(historyName), nil)
		} else {
			steadyCall(t, c, startOperation, raw{"name": historyName}, nil)
		}
		steadyAwait(t, c, historyName)
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		found[i] = readTraces(t, dir)
	}
	return newTraces(found[0], found[1]), newTraces(found[1], found[2])
}

// readTraces reads every table but those that hold what there is once: their rows
// are changed by executions, not added.
func readTraces(t testing.TB, dir string) traces {
	t.Helper()
	all := traces{}
	d := historyDB(t, dir)
	defer d.Close()
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		tables, err := historyStrings(tx, "select name from sqlite_schema where type = 'table' and name <> 'pipelines' order by name")
		if err != nil {
			return err
		}
		for _, table := range tables {
			if all[table], err = historyRows(tx, table, -1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func historyStrings(tx *db.Tx, query string, args ...any) ([]string, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// historyRows reads the rows that a table has had longest, all if limit is -1.
func historyRows(tx *db.Tx, table string, limit int) ([]historyRow, error) {
	columns, err := historyStrings(tx, "select name from pragma_table_info($1)", table)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query("select * from "+table+" order by rowid limit $1", limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []historyRow
	for rows.Next() {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		row := historyRow{}
		for i, column := range columns {
			row[column] = values[i]
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

func newTraces(before, after traces) traces {
	added := traces{}
	for table, rows := range after { //floors:ordered each table by itself
		if n := len(before[table]); len(rows) > n {
			added[table] = rows[n:]
		}
	}
	return added
}

// The parts of a row that are another execution's own: ids, the random ends of
// artifact keys, and the keys of blobs.
var (
	historyTime  = regexp.MustCompile(`\b1[0-9]{12}\b`)
	historyPart  = regexp.MustCompile(historyTime.String() + `|"seq":[0-9]+|` + historyToken.String())
	historyToken = regexp.MustCompile(`row/[A-Z2-7]{16}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|` +
		`\b` + historyName + `/(Fetched|Made)/[0-9A-Za-z]{7}\b|\b(s3|row)/[0-9a-f]{2}/[0-9a-f]{32}\b`)
)

// cloner writes executions that look as the one it was made of.
type cloner struct {
	of       traces
	texts    map[string][]string // cut into what stays and what changes, in turns
	pipeline string
	events   int64 // of one execution
	pace     int64 // milliseconds from one execution to the next
}

func newCloner(of traces) *cloner {
	x := of["pipeline_executions"][0]
	events := x["last_change"].(int64) - x["first_change"].(int64) + 1
	return &cloner{of: of, texts: map[string][]string{}, pipeline: x["pipeline_id"].(string), events: events, pace: 1000}
}

// clone returns what the k-th execution after the original would have left, with
// the id of the execution.
func (c *cloner) clone(k int64) (traces, string) {
	tokens := map[string]string{c.pipeline: c.pipeline}
	out := traces{}
	for _, table := range historyTables() {
		for _, row := range c.of[table] {
			copied := historyRow{}
			for _, column := range slices.Sorted(maps.Keys(row)) {
				copied[column] = c.value(table, column, row[column], k, tokens)
			}
			out[table] = append(out[table], copied)
		}
	}
	return out, out["pipeline_executions"][0]["id"].(string)
}

func (c *cloner) value(table, column string, v any, k int64, tokens map[string]string) any {
	switch v := v.(type) {
	case int64:
		switch table + "." + column {
		case "pipeline_executions.seq":
			return v + k
		case "pipeline_executions.first_change", "pipeline_executions.last_change", "changes.version":
			return v + k*c.events
		case "action_executions.ord":
			return v + k*c.events<<20
		}
		if v > 1e12 {
			return v + k*c.pace
		}
	case string:
		text := c.text(v, k, tokens)
		if v != "" && v[0] == '\x01' {
			text = dispatch.PackHistory(text)
		}
		return text
	}
	return v
}

// text writes a text for the k-th execution.
func (c *cloner) text(v string, k int64, tokens map[string]string) string {
	parts, known := c.texts[v]
	if !known {
		text, err := dispatch.UnpackHistory(v)
		if err != nil {
			panic(err) // it was just written
		}
		from := 0
		for _, at := range historyPart.FindAllStringIndex(text, -1) {
			parts = append(parts, text[from:at[0]], text[at[0]:at[1]])
			from = at[1]
		}
		parts = append(parts, text[from:])
		c.texts[v] = parts
	}
	var b strings.Builder
	for i, part := range parts {
		switch {
		case i%2 == 0:
			b.WriteString(part)
		case strings.HasPrefix(part, `"seq":`):
			b.WriteString(`"seq":` + shiftNumber(part[len(`"seq":`):], k))
		case len(part) == 13:
			b.WriteString(shiftNumber(part, k*c.pace))
		default:
			b.WriteString(c.token(part, k, tokens))
		}
	}
	return b.String()
}

func shiftNumber(s string, by int64) string {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(err) // the expression matches digits
	}
	return strconv.FormatInt(n+by, 10)
}

// token returns the new token for one of the original, always the same. An id
// begins with its time.
func (c *cloner) token(old string, k int64, tokens map[string]string) string {
	if t := tokens[old]; t != "" {
		return t
	}
	var t string
	switch {
	case strings.HasPrefix(old, "row/"):
		t = "row/" + cryptorand.Text()[:16]
	case strings.HasPrefix(old, "s3/"):
		random := fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
		t = old[:strings.Index(old, "/")+1] + random[:2] + "/" + random
	case strings.Contains(old, "/"):
		const all = 36 * 36 * 36 * 36 * 36 * 36 * 36 // a prime times a number is another for each below it
		n := strconv.FormatInt(k*2654435761%all, 36)
		t = old[:len(old)-7] + strings.Repeat("0", 7-len(n)) + n
	default:
		ms, err := strconv.ParseInt(old[:8]+old[9:13], 16, 64)
		if err != nil {
			panic(err) // the expression matches hexadecimal digits
		}
		time := fmt.Sprintf("%012x", ms+k*c.pace)
		random := fmt.Sprintf("%016x", rand.Uint64())
		t = time[:8] + "-" + time[8:] + "-" + old[14:15] + random[:3] + "-" + old[19:20] + random[3:6] + "-" + random[4:]
	}
	tokens[old] = t
	return t
}

// normalised shows traces without what differs from execution to execution.
func (c *cloner) normalised(t traces) traces {
	tokens := map[string]string{c.pipeline: "pipeline"}
	out := traces{}
	for _, table := range slices.Sorted(maps.Keys(t)) {
		rows := slices.Clone(t[table])
		if table == "log_segments" { // logs are closed in any order
			slices.SortFunc(rows, func(a, b historyRow) int { return strings.Compare(a["stream"].(string), b["stream"].(string)) })
		}
		for _, row := range rows {
			shown := historyRow{}
			for _, column := range slices.Sorted(maps.Keys(row)) {
				v := row[column]
				if n, ok := v.(int64); ok && n > 1e12 {
					v = "time"
				}
				if s, ok := v.(string); ok {
					text, err := dispatch.UnpackHistory(s)
					if err != nil {
						panic(err)
					}
					text = historyTime.ReplaceAllString(text, "time")
					v = historyToken.ReplaceAllStringFunc(text, func(s string) string {
						tokens[s] = cmp.Or(tokens[s], fmt.Sprintf("token%d", len(tokens)))
						return tokens[s]
					})
					shown[column+" is packed"] = text != s && s[0] == '\x01'
				}
				shown[column] = v
			}
			out[table] = append(out[table], shown)
		}
	}
	return out
}
