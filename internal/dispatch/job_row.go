package dispatch

import (
	"errors"
	"fmt"
	"strings"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// The statements of jobs.
const (
	sqlInsertJob = `
		insert into jobs (id, pipeline_id, execution_id, action_id, number, account, region, type, query, available,
			revision, state, data, created)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $12, $13)`
	sqlUpdateJob = `
		update jobs set available = $3, revision = revision + 1, state = $4 where id = $1 and revision = $2`
	sqlJobColumns = `
		select id, pipeline_id, account, region, type, query, revision, state, data,
			(select count(*) from effects e where e.id = jobs.action_id) from jobs `
	sqlSelectJob = sqlJobColumns + `where id = $1`
	sqlLastJob   = sqlJobColumns + `where action_id = $1 order by number desc limit 1`
	sqlNextJob   = `
		select coalesce(min(available), 0) from jobs
		where account = $1 and region = $2 and type = $3 and query = $4 and available > 0`
	sqlAvailableJobs = sqlJobColumns + `
		where account = $1 and region = $2 and type = $3 and query = $4 and available > 0 and available <= $5
		order by available limit $6`
	// An action's effect is due when its job needs attention.
	sqlEffectDue  = `update effects set due = $2 where id = $1 and kind = 'RunAction'`
	sqlDeleteJobs = `delete from jobs where execution_id = $1`
)

// jobRow is a job as stored.
type jobRow struct {
	engine.Job
	pipelineID, account, region string
	// kind is the action type, see jobKind.
	kind string
	// query is the value of the type's queryable property.
	query    string
	revision int64
	// data is the JSON of jobData, which all jobs of an action share.
	data string
	// needed says that the action is not over.
	needed bool
}

// jobKind names an action type in the table of jobs.
func jobKind(id pipeline.ActionTypeID) string {
	return strings.Join([]string{id.Owner, id.Category, id.Provider, id.Version}, "/")
}

// jobTopic wakes polls that wait for jobs of a type.
func jobTopic(account, region, kind string) string {
	return "jobs/" + account + "/" + region + "/" + kind
}

func scanJob(row scanner) (jobRow, error) {
	var r jobRow
	var state string
	var effects int64
	err := row.Scan(&r.ID, &r.pipelineID, &r.account, &r.region, &r.kind, &r.query, &r.revision, &state, &r.data, &effects)
	if err != nil {
		return r, err
	}
	id := r.ID
	if err := decodePart(state, &r.Job); err != nil {
		return r, fmt.Errorf("decoding job %s: %w", id, err)
	}
	r.needed = effects > 0
	return r, nil
}

// lastJob reads the newest job of an action execution; nil if it has none. With a
// lock it reads again until it finds the same one: who waits on PostgreSQL for the
// lock of a job gets that job, even if a newer one was made meanwhile.
func lastJob(tx *db.Tx, action, lock string) (*jobRow, error) {
	row, err := readLastJob(tx, action, lock)
	for lock != "" && err == nil && row != nil {
		var again *jobRow
		if again, err = readLastJob(tx, action, lock); err != nil || again == nil || again.ID == row.ID {
			return again, err
		}
		row = again
	}
	return row, err
}

func readLastJob(tx *db.Tx, action, lock string) (*jobRow, error) {
	r, err := scanJob(tx.QueryRow(sqlLastJob+lock, action))
	if errors.Is(err, db.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the job of action execution %s: %w", action, err)
	}
	return &r, nil
}

func (r *jobRow) insert(tx *db.Tx) error {
	state, err := encodePart(r.Job)
	if err != nil {
		return fmt.Errorf("encoding job %s: %w", r.ID, err)
	}
	_, err = tx.Exec(sqlInsertJob, r.ID, r.pipelineID, r.Execution, r.Action, r.Number, r.account, r.region, r.kind, r.query,
		r.Available(), state, r.data, r.LastAt)
	if err != nil {
		return fmt.Errorf("writing job %s: %w", r.ID, err)
	}
	if r.Available() > 0 {
		tx.Notify(jobTopic(r.account, r.region, r.kind))
	}
	return nil
}

// update writes what became of the job, if it is still as it was read.
func (r *jobRow) update(tx *db.Tx, stepped engine.Job) error {
	state, err := encodePart(stepped)
	if err != nil {
		return fmt.Errorf("encoding job %s: %w", r.ID, err)
	}
	n, err := tx.Exec(sqlUpdateJob, r.ID, r.revision, stepped.Available(), state)
	if err != nil {
		return fmt.Errorf("writing job %s: %w", r.ID, err)
	}
	if n == 0 {
		return errJobChanged
	}
	return nil
}

// errJobChanged says that somebody else changed the job since it was read.
var errJobChanged = errors.New("the job was changed meanwhile")

// step writes what an event does to the job that was read, with the job that
// continues it, and when its action needs attention. What is reported to the
// pipeline is for the caller.
func (r *jobRow) step(tx *db.Tx, stepped engine.Job, decision engine.JobDecision) error {
	if err := r.update(tx, stepped); err != nil {
		return err
	}
	due := stepped.Due()
	if next := decision.Next; next != nil {
		row := *r
		row.Job = *next
		if err := row.insert(tx); err != nil {
			return err
		}
		due = next.Due()
	}
	if due == r.Due() || decision.Report != nil {
		return nil
	}
	if _, err := tx.Exec(sqlEffectDue, r.Action, due); err != nil {
		return fmt.Errorf("setting when action execution %s needs attention: %w", r.Action, err)
	}
	tx.Notify(topicEffects)
	return nil
}
