package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	cpwire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/server"
)

// TestClonedExecution shows that the rows of BenchmarkHistory have the form of
// those that a server writes: the clone of one execution, one further on, is the
// next execution, but for times and what is random.
func TestClonedExecution(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	second, third := executeForTraces(t, dir)
	if got := slices.Sorted(maps.Keys(third)); !slices.Equal(got, historyTables()) {
		t.Fatalf("an execution left rows in %v, the history has %v", got, historyTables())
	}
	c := newCloner(second)
	clone, id := c.clone(1)
	if diff := cmp.Diff(c.normalised(third), c.normalised(clone)); diff != "" {
		t.Errorf("clone (-executed +cloned):\n%s", diff)
	}
	if id == second["pipeline_executions"][0]["id"] || id == third["pipeline_executions"][0]["id"] {
		t.Errorf("the clone has the id of another execution: %s", id)
	}
	extendHistory(t, dir, 50)
	d := historyDB(t, dir)
	defer d.Close()
	if n := historyLength(t, d); n != 50 {
		t.Errorf("the history has %d executions, want 50", n)
	}
}

// BenchmarkHistory measures, on a pipeline with a million executions of history,
// the first page and pages of the middle half of both lists of its history, and
// how large the database is for each execution. PENSTOCK_HISTORY is another
// number of executions; PENSTOCK_HISTORY_DIR keeps the database, so that it can
// be used, and made longer, later.
func BenchmarkHistory(b *testing.B) {
	dir, size := os.Getenv("PENSTOCK_HISTORY_DIR"), int64(1_000_000)
	if dir == "" {
		dir = b.TempDir()
	}
	if text := os.Getenv("PENSTOCK_HISTORY"); text != "" {
		var err error
		if size, err = strconv.ParseInt(text, 10, 64); err != nil || size < 3 {
			b.Fatalf("PENSTOCK_HISTORY is %q, not a number of executions", text)
		}
	}
	size = extendHistory(b, dir, size)
	executions := middleHalf(b, dir)
	s, err := server.Start(b.Context(), historyConfig(dir), steadyOptions())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close(context.WithoutCancel(b.Context())) })
	c := benchClient(b, s, pipelineTarget)
	events := int64(4)
	for _, list := range []struct {
		operation string
		after     func() string // somewhere in the middle half
	}{
		{"ListPipelineExecutions", func() string { return executions[rand.IntN(len(executions))] }},
		{"ListActionExecutions", func() string { return strconv.FormatInt((size/4+rand.Int64N(size/2))*events<<20, 10) }},
	} {
		first := firstToken(b, c, list.operation)
		b.Run(list.operation+"/first", func(b *testing.B) {
			benchPage(b, c, list.operation, func() *string { return nil })
		})
		b.Run(list.operation+"/middle", func(b *testing.B) {
			benchPage(b, c, list.operation, func() *string {
				return tokenAt(b, first, list.after())
			})
		})
	}
	b.Run("size", func(b *testing.B) {
		for b.Loop() {
			info, err := os.Stat(filepath.Join(dir, "data", "penstock.db"))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(info.Size())/float64(size), "B/execution")
		}
	})
}

// benchPage reads pages of a hundred, one after the other.
func benchPage(b *testing.B, c *awsjson.Client, operation string, token func() *string) {
	var took []time.Duration
	for b.Loop() {
		in := raw{"pipelineName": historyName, "maxResults": 100}
		if t := token(); t != nil {
			in["nextToken"] = *t
		}
		begin := time.Now()
		steadyCall(b, c, operation, in, nil)
		took = append(took, time.Since(begin))
	}
	benchPercentiles(b, "page", took)
}

// firstToken is where the first page of a list ends.
func firstToken(b *testing.B, c *awsjson.Client, operation string) string {
	b.Helper()
	var out cpwire.ListPipelineExecutionsOutput
	steadyCall(b, c, operation, raw{"pipelineName": historyName, "maxResults": 100}, &out)
	if out.NextToken == nil {
		b.Fatalf("%s has only one page", operation)
	}
	return *out.NextToken
}

// tokenAt makes the token of a place that nobody wants to turn ten thousand pages
// for. Clients cannot know how.
func tokenAt(b *testing.B, token, after string) *string {
	b.Helper()
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		b.Fatal(err)
	}
	var fields map[string]string
	if err := json.Unmarshal(text, &fields); err != nil {
		b.Fatal(err)
	}
	fields["after"] = after
	if text, err = json.Marshal(fields); err != nil {
		b.Fatal(err)
	}
	return new(base64.RawURLEncoding.EncodeToString(text))
}

// extendHistory makes the history of a data directory that long, from the start
// or from where it is, and returns how long it is then: it may have been longer.
func extendHistory(t testing.TB, dir string, size int64) int64 {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "data")); err != nil {
		executeForTraces(t, dir)
	}
	d := historyDB(t, dir)
	defer d.Close()
	c := newCloner(secondTraces(t, d))
	const batch = 500
	last := newestExecution(t, d, c.pipeline)
	for have := historyLength(t, d); have < size; have += batch {
		var rows traces = map[string][]historyRow{}
		for n := have; n < min(size, have+batch); n++ {
			clone, id := c.clone(n - 1) // the original is number 1
			clone["pipeline_executions"][0]["previous"] = last
			for _, table := range historyTables() {
				rows[table] = append(rows[table], clone[table]...)
			}
			last = id
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for _, table := range historyTables() {
				if err := insertHistory(tx, table, rows[table]); err != nil {
					return err
				}
			}
			return advancePipeline(tx, c, last, min(size, have+batch))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return historyLength(t, d)
}

// secondTraces reads again what the second execution left.
func secondTraces(t testing.TB, d *db.DB) traces {
	t.Helper()
	all := traces{}
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		for table, n := range map[string]int{ //floors:ordered each table by itself
			"pipeline_executions": 1, "action_executions": 3, "changes": 3, "log_segments": 3, "s3_versions": 2,
		} {
			rows, err := historyRows(tx, table, 2*n)
			if err != nil {
				return err
			}
			all[table] = rows[n:]
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func historyLength(t testing.TB, d *db.DB) (n int64) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow("select max(seq) + 1 from pipeline_executions").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newestExecution(t testing.TB, d *db.DB, pipeline string) (id string) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow("select newest from pipelines where id = $1", pipeline).Scan(&id)
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// middleHalf returns the places of the executions in the middle half of a history.
func middleHalf(t testing.TB, dir string) (places []string) {
	t.Helper()
	d := historyDB(t, dir)
	defer d.Close()
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		var err error
		places, err = historyStrings(tx, "select seq || '/' || id from pipeline_executions order by seq")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return places[len(places)/4 : len(places)*3/4]
}

// insertHistory writes rows, some with each statement.
func insertHistory(tx *db.Tx, table string, rows []historyRow) error {
	columns := slices.Sorted(maps.Keys(rows[0]))
	const some = 50
	for part := range slices.Chunk(rows, some) {
		var args []any
		groups := make([]string, len(part))
		for i, row := range part {
			places := make([]string, len(columns))
			for j, column := range columns {
				args = append(args, row[column])
				places[j] = "$" + strconv.Itoa(len(args))
			}
			groups[i] = "(" + strings.Join(places, ", ") + ")"
		}
		_, err := tx.Exec("insert into "+table+" ("+strings.Join(columns, ", ")+") values "+strings.Join(groups, ", "), args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// advancePipeline makes the state that of a pipeline with so many executions.
func advancePipeline(tx *db.Tx, c *cloner, last string, size int64) error {
	var state string
	if err := tx.QueryRow("select state from pipelines where id = $1", c.pipeline).Scan(&state); err != nil {
		return err
	}
	state = regexp.MustCompile(`"nextSeq":[0-9]+`).ReplaceAllString(state, `"nextSeq":`+strconv.FormatInt(size, 10))
	state = regexp.MustCompile(`"(latest|succeeded)":"[^"]*"`).ReplaceAllString(state, `"$1":"`+last+`"`)
	_, err := tx.Exec("update pipelines set state = $2, state_version = $3, newest = $4 where id = $1", c.pipeline, state, size*c.events, last)
	return err
}
