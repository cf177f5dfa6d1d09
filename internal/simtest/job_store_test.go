package simtest

import (
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
)

// jobRow is a job as stored, with what is asked of it by queries.
type jobRow struct {
	id, pipeline, action, kind string
	number                     int64
	available                  int64
	revision                   int64
	text                       string // the engine's job
}

func (r *jobRow) job() engine.Job {
	var j engine.Job
	decode(r.text, &j)
	return j
}

func (s *store) job(id string) *jobRow {
	for _, r := range s.jobs {
		if r.id == id {
			return r
		}
	}
	return nil
}

// lastJob returns the newest job of an action execution, nil if it has none.
func (s *store) lastJob(action string) (last *jobRow) {
	for _, r := range s.jobs {
		if r.action == action && (last == nil || r.number > last.number) {
			last = r
		}
	}
	return last
}

// insertJob stores a new job; false if the action execution has one of that number.
func (w *world) insertJob(like jobRow, j engine.Job) bool {
	for _, r := range w.store.jobs {
		if r.action == j.Action && r.number == int64(j.Number) && !w.bugs.offersTwice {
			return false
		}
	}
	r := like
	r.id, r.action, r.number, r.available, r.revision, r.text = j.ID, j.Action, int64(j.Number), j.Available(), 1, encode(j)
	w.store.jobs = append(w.store.jobs, &r)
	w.tables.note(1, `insert into jobs (id, pipeline, action, kind, number, available, revision, content)
		values ($1, $2, $3, $4, $5, $6, 1, $7)`, r.id, r.pipeline, r.action, r.kind, r.number, r.available, r.text)
	return true
}

// updateJob stores what became of a job, as it was when read.
func (w *world) updateJob(read *jobRow, j engine.Job) {
	r := w.store.job(read.id)
	r.available, r.text = j.Available(), encode(j)
	r.revision++
	w.tables.note(1, `update jobs set available = $3, revision = revision + 1, content = $4 where id = $1 and revision = $2`,
		r.id, r.revision-1, r.available, r.text)
}

const selectJob = `select id, pipeline, action, kind, number, available, revision, content from jobs `

// queryJobs reads jobs from the database.
func (w *world) queryJobs(query string, args ...any) (found []*jobRow) {
	w.read(func(tx *db.Tx) error {
		rows, err := tx.Query(selectJob+query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			r := &jobRow{}
			if err := rows.Scan(&r.id, &r.pipeline, &r.action, &r.kind, &r.number, &r.available, &r.revision, &r.text); err != nil {
				return err
			}
			found = append(found, r)
		}
		return rows.Err()
	})
	return found
}

// readJob reads a job as it is now, nil if there is none with the id.
func (w *world) readJob(id string) *jobRow {
	if w.tables != nil {
		return firstJob(w.queryJobs(`where id = $1`, id))
	}
	return copied(w.store.job(id))
}

// readLastJob reads the newest job of an action execution.
func (w *world) readLastJob(action string) *jobRow {
	if w.tables != nil {
		return firstJob(w.queryJobs(`where action = $1 order by number desc limit 1`, action))
	}
	return copied(w.store.lastJob(action))
}

func firstJob(rows []*jobRow) *jobRow {
	if len(rows) == 0 {
		return nil
	}
	return rows[0]
}

// copied is what a reader holds: later writes do not show in it.
func copied(r *jobRow) *jobRow {
	if r == nil {
		return nil
	}
	c := *r
	return &c
}

// availableJobs reads the jobs of a kind that may be handed out, the one that is
// available longest first.
func (w *world) availableJobs(kind string, atMost int) (found []*jobRow) {
	if w.tables != nil {
		return w.queryJobs(`where kind = $1 and available > 0 and available <= $2 order by available, id limit $3`, kind, w.now, atMost)
	}
	for _, r := range w.store.jobs {
		if r.kind != kind || r.available == 0 || r.available > w.now {
			continue
		}
		i := len(found)
		for i > 0 && (found[i-1].available > r.available || found[i-1].available == r.available && found[i-1].id > r.id) {
			i--
		}
		found = append(found[:i], append([]*jobRow{copied(r)}, found[i:]...)...)
	}
	return found[:min(len(found), atMost)]
}
