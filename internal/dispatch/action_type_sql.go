package dispatch

// The statements on action types, their tags, secrets and quotas. They run
// unchanged on SQLite and PostgreSQL.
const (
	sqlInsertActionType = `
		insert into action_types (id, account, region, owner, category, provider, version, definition, created, updated)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
		on conflict (account, region, owner, category, provider, version) do nothing`
	sqlSelectActionType = `
		select id, definition, deleted from action_types
		where account = $1 and region = $2 and owner = $3 and category = $4 and provider = $5 and version = $6`
	sqlUpdateActionType = `
		update action_types set definition = $2, updated = $3, deleted = $4 where id = $1`
	sqlListActionTypes = `
		select owner, category, provider, version, definition from action_types
		where account = $1 and region = $2 and deleted = 0 order by owner, category, provider, version`
	sqlCountCustomActionTypes = `
		select count(*) from action_types where account = $1 and region = $2 and owner = 'Custom' and deleted = 0`

	sqlSelectActionTypeTags = `select key, value from action_type_tags where action_type_id = $1 order by key`
	sqlUpsertActionTypeTag  = `
		insert into action_type_tags (action_type_id, key, value) values ($1, $2, $3)
		on conflict (action_type_id, key) do update set value = excluded.value`
	sqlDeleteActionTypeTag  = `delete from action_type_tags where action_type_id = $1 and key = $2`
	sqlDeleteActionTypeTags = `delete from action_type_tags where action_type_id = $1`

	sqlInsertSecret     = `insert into pipeline_secrets (id, pipeline_id, sealed, created) values ($1, $2, $3, $4)`
	sqlSelectSecret     = `select sealed from pipeline_secrets where id = $1 and pipeline_id = $2`
	sqlDeleteSecret     = `delete from pipeline_secrets where id = $1 and pipeline_id = $2`
	sqlForgetSecrets    = `delete from pipeline_secrets where pipeline_id = $1`
	sqlForgetAllSecrets = `
		delete from pipeline_secrets where exists (
			select 1 from pipelines where pipelines.id = pipeline_secrets.pipeline_id and pipelines.deleted > 0)`

	sqlCountPipelines = `
		select count(*) from pipelines where account = $1 and region = $2 and deleted = 0`
)
