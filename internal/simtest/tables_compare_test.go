package simtest

import (
	"fmt"
	"slices"

	"github.com/penstock-cd/penstock/internal/db"
)

// compareTables compares every row of the database with the store in memory.
func (w *world) compareTables() {
	want := map[string][]string{}
	add := func(table string, columns ...any) { want[table] = append(want[table], rowText(columns)) }
	bit := map[bool]int64{true: 1}
	for _, p := range w.store.pipelines {
		add("pipelines", p.id, p.name, p.version, p.state, bit[p.deleted])
		for _, e := range p.executions {
			add("executions", e.id, p.id, bit[e.live], e.text)
		}
		for _, c := range p.changes {
			add("changes", p.id, c.event, encode(c.changes))
		}
	}
	for _, e := range w.store.effects {
		add("effects", e.id, e.pipeline, e.due, e.node, e.begun, encode(e.Effect))
	}
	for _, l := range w.store.leases {
		add("leases", l.node, l.expires)
	}
	for _, t := range w.store.tokens {
		add("tokens", t.pipeline, t.token, t.execution, t.at)
	}
	for _, r := range w.store.jobs {
		add("jobs", r.id, r.pipeline, r.action, r.kind, r.number, r.available, r.revision, r.text)
	}
	for _, table := range tableNames {
		got := w.rowsOf(table)
		slices.Sort(got)
		slices.Sort(want[table])
		if !slices.Equal(got, want[table]) {
			w.fatalf("table %s has %d rows, memory %d; first difference: %s", table, len(got), len(want[table]), firstRow(got, want[table]))
		}
	}
}

func rowText(columns []any) string { return fmt.Sprintf("%q", columns) }

func firstRow(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return a[i] + " and " + b[i]
		}
	}
	return "one has more"
}

// columns of the tables, texts and numbers.
var columns = map[string]string{
	"pipelines": "id, name, version, state, deleted", "executions": "id, pipeline, live, content",
	"changes": "pipeline, event, content", "effects": "id, pipeline, due, node, begun, content",
	"leases": "node, expires", "tokens": "pipeline, token, execution, used",
	"jobs": "id, pipeline, action, kind, number, available, revision, content",
}

// numbers tells which columns of a table are numbers.
var numbers = map[string][]int{"pipelines": {2, 4}, "executions": {2}, "effects": {2}, "leases": {1}, "tokens": {3}, "jobs": {4, 5, 6}}

var widths = map[string]int{"pipelines": 5, "executions": 4, "changes": 3, "effects": 6, "leases": 2, "tokens": 4, "jobs": 8}

func (w *world) rowsOf(table string) (lines []string) {
	w.read(func(tx *db.Tx) error {
		rows, err := tx.Query("select " + columns[table] + " from " + table)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			texts, ints := make([]string, widths[table]), make([]int64, widths[table])
			dest := make([]any, widths[table])
			for i := range dest {
				dest[i] = &texts[i]
				if slices.Contains(numbers[table], i) {
					dest[i] = &ints[i]
				}
			}
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			values := make([]any, len(dest))
			for i := range dest {
				values[i] = texts[i]
				if slices.Contains(numbers[table], i) {
					values[i] = ints[i]
				}
			}
			lines = append(lines, rowText(values))
		}
		return rows.Err()
	})
	return lines
}
