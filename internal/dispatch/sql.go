package dispatch

import (
	"embed"
	"io/fs"

	"github.com/penstock-cd/penstock/internal/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables that dispatch owns.
func Schema() db.Schema {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is embedded
	}
	return db.Schema{Name: "dispatch", Files: files}
}

// Every statement of the package. They run unchanged on SQLite and PostgreSQL.
const (
	sqlInsertPipeline = `
		insert into pipelines (id, account, region, name, version, state_version, state, created, updated)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $8)`
	sqlUpdatePipeline = `
		update pipelines set state_version = $2, state = $3, version = $4, updated = $5, newest = $7
		where id = $1 and state_version = $6`
	// Of its own: the index of names holds what is not deleted, and would be
	// written by every update that names the column.
	sqlMarkDeleted = `update pipelines set deleted = $2 where id = $1`
	sqlSelectState = `
		select account, region, state_version, state, created, updated, newest from pipelines where id = $1`
	sqlStateVersion = `select state_version from pipelines where id = $1`
	sqlFindPipeline = `
		select id, version, created, updated from pipelines
		where account = $1 and region = $2 and name = $3 and deleted = 0`
	sqlListPipelines = `
		select p.id, p.name, p.version, p.created, p.updated, v.declaration
		from pipelines p join pipeline_versions v on v.pipeline_id = p.id and v.version = p.version
		where p.account = $1 and p.region = $2 and p.deleted = 0 and p.name > $3 order by p.name limit $4`

	sqlInsertVersion = `
		insert into pipeline_versions (pipeline_id, version, declaration, created) values ($1, $2, $3, $4)`
	sqlSelectVersion = `
		select declaration, created from pipeline_versions where pipeline_id = $1 and version = $2`

	sqlUpsertTag = `
		insert into pipeline_tags (pipeline_id, key, value) values ($1, $2, $3)
		on conflict (pipeline_id, key) do update set value = excluded.value`
	sqlDeleteTag  = `delete from pipeline_tags where pipeline_id = $1 and key = $2`
	sqlSelectTags = `select key, value from pipeline_tags where pipeline_id = $1 order by key`

	sqlInsertExecution = `
		insert into pipeline_executions (id, pipeline_id, seq, live, start_time, first_change, last_change, state, changes,
			previous)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	sqlUpdateExecution = `
		update pipeline_executions set live = $2, last_change = $3, state = $4 where id = $1`
	sqlSelectExecution = `
		select pipeline_id, first_change, last_change, state from pipeline_executions where id = $1`
	sqlNewestExecution = `
		select p.newest, x.id from pipelines p left join pipeline_executions x on x.id = p.newest where p.id = $1`
	sqlPreviousExecution = `
		select x.previous, p.id from pipeline_executions x left join pipeline_executions p on p.id = x.previous
		where x.id = $1 and x.pipeline_id = $2`
	// Each execution names the one before it: an index of a pipeline's executions
	// would be half of what a start writes.
	sqlListExecutions = `
		with recursive list (number, state, previous) as (
			select 1, state, previous from pipeline_executions where id = $1
			union all
			select number + 1, x.state, x.previous from list join pipeline_executions x on x.id = list.previous
			where number < $2)
		select state from list order by number`

	sqlInsertAction = `
		insert into action_executions (id, pipeline_id, execution_id, ord, version, stage, action, status,
			start_time, last_update, started)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)`
	sqlEndAction = `
		update action_executions set status = $2, last_update = $3, updated_by = $4, outcome = $5 where id = $1`
	sqlResolveAction = `update action_executions set resolved = $2 where id = $1`
	sqlSelectAction  = `
		select id, execution_id, ord, version, stage, action, status, start_time, last_update, updated_by,
			started, resolved, outcome
		from action_executions where id = $1 and pipeline_id = $2`
	sqlListActions = `
		select id, execution_id, ord, version, stage, action, status, start_time, last_update, updated_by,
			started, resolved, outcome
		from action_executions where pipeline_id = $1 and ord < $2 order by ord desc limit $3`
	sqlListStageActions = `
		select id, execution_id, ord, version, stage, action, status, start_time, last_update, updated_by,
			started, resolved, outcome
		from action_executions where execution_id = $1 and stage = $2 order by ord`
	sqlListExecutionActions = `
		select id, execution_id, ord, version, stage, action, status, start_time, last_update, updated_by,
			started, resolved, outcome
		from action_executions where execution_id = $1 and ord < $2 order by ord desc limit $3`

	sqlInsertChange = `
		insert into changes (pipeline_id, version, event_id, at, body) values ($1, $2, $3, $4, $5)`
	sqlSelectChange = `
		select body from changes where pipeline_id = $1 and version > $2 and event_id = $3
		union all
		select changes from pipeline_executions where id = $4 and pipeline_id = $1 and changes <> ''`
	sqlListChanges = `
		select version, body from changes where pipeline_id = $1 and version between $2 and $3
		union all
		select first_change, changes from pipeline_executions where id = $4 and changes <> ''
		order by 1`

	sqlInsertEffect = `
		insert into effects (id, kind, pipeline_id, execution_id, action_id, version, stage, name, deadline, due, node,
			provider_state, gate)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
	sqlVoidEffects = `
		delete from effects where action_id = $1 and kind = 'RunAction' returning node, begun_node, provider_state`
	sqlDeleteEffect = `delete from effects where id = $1`
	sqlClaimEffects = `
		update effects set node = $1 where id in (
			select id from effects where node = '' and due <= $2 order by due limit $3 %s)
		returning id, kind, pipeline_id, execution_id, action_id, version, stage, name, deadline, due, begun_node, provider_state,
			gate`
	sqlOwnEffects = `
		select id, kind, pipeline_id, execution_id, action_id, version, stage, name, deadline, due, begun_node, provider_state,
			gate
		from effects where node = $1`
	sqlNextDue = `select coalesce(min(due), 0) from effects where node = ''`
	sqlBegin   = `
		update effects set begun_node = $2, begun_at = $3 where id = $1 and node = $2 and begun_node = $4`
	sqlKeepState = `update effects set provider_state = $3 where id = $1 and node = $2`
	sqlRelease   = `
		update effects set node = '', begun_node = '*', due = $3, provider_state = $4 where id = $1 and node = $2`
	sqlSelectEffect = `select begun_node, provider_state from effects where id = $1 and node = $2`

	sqlInsertToken = `
		insert into start_tokens (pipeline_id, token, execution_id, at) values ($1, $2, $3, $4)
		on conflict (pipeline_id, token) do update set execution_id = excluded.execution_id, at = excluded.at
		where start_tokens.at < $5`
	sqlOldExecutions = `
		select id, pipeline_id, start_time from pipeline_executions where id > $1 and id < $2 order by id limit $3`
	// The oldest change of a pipeline tells whether it has any that are old: they are
	// in the order of time.
	sqlNextOldChanges = `
		select id from pipelines where id >= $1 and
			(select at from changes c where c.pipeline_id = pipelines.id order by version limit 1) < $2
		order by id limit 1`
	sqlActionIDs       = `select id from action_executions where execution_id = $1`
	sqlDeleteActions   = `delete from action_executions where execution_id = $1`
	sqlDeleteExecution = `delete from pipeline_executions where id = $1`
	sqlNamedByState    = `select state from pipelines where id = $1 and deleted = 0`
	sqlOldChanges      = `select version, at from changes where pipeline_id = $1 order by version limit $2`
	sqlDeleteChanges   = `delete from changes where pipeline_id = $1 and version <= $2`
	sqlSelectToken     = `select execution_id from start_tokens where pipeline_id = $1 and token = $2`
	sqlPruneTokens     = `delete from start_tokens where at < $1`

	sqlRenewNode   = `update nodes set expires = $2 where id = $1`
	sqlInsertNode  = `insert into nodes (id, expires) values ($1, $2)`
	sqlDropExpired = `delete from nodes where expires < $1 and id <> $2 returning id`
	sqlDropOthers  = `delete from nodes where id <> $1 returning id`
	sqlFreeOrphans = `
		update effects set node = '' where node <> '' and node not in (select id from nodes)`
	sqlDeleteNode = `delete from nodes where id = $1`
)
