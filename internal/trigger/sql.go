package trigger

import (
	"embed"
	"io/fs"

	"github.com/penstock-cd/penstock/internal/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables that trigger owns.
func Schema() db.Schema {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is embedded
	}
	return db.Schema{Name: "trigger", Files: files}
}

// Every statement of the package. They run unchanged on SQLite and PostgreSQL.
const (
	sqlSelectWebhook = `
		select id, account, region, name, version, definition, sealed, created, updated from webhooks
		where account = $1 and region = $2 and name = $3`
	sqlListWebhooks = `
		select id, account, region, name, version, definition, sealed, created, updated from webhooks
		where account = $1 and region = $2 and name > $3 order by name limit $4`
	sqlLockRegion = `
		insert into webhook_regions (account, region) values ($1, $2)
		on conflict (account, region) do update set region = excluded.region`
	sqlCountWebhooks = `select count(*) from webhooks where account = $1 and region = $2`
	sqlInsertWebhook = `
		insert into webhooks (id, account, region, name, version, definition, token_hash, sealed, created, updated)
		values ($1, $2, $3, $4, 1, $5, $6, $7, $8, $8)`
	sqlUpdateWebhook = `
		update webhooks set version = version + 1, definition = $3, sealed = $4, updated = $5
		where id = $1 and version = $2`
	sqlDeleteWebhook = `delete from webhooks where id = $1`

	sqlSelectTags = `select key, value from webhook_tags where webhook_id = $1 order by key`
	sqlUpsertTag  = `
		insert into webhook_tags (webhook_id, key, value) values ($1, $2, $3)
		on conflict (webhook_id, key) do update set value = excluded.value`
	sqlDeleteTag  = `delete from webhook_tags where webhook_id = $1 and key = $2`
	sqlDeleteTags = `delete from webhook_tags where webhook_id = $1`

	sqlSelectRevision = `select execution_id from pushed_revisions where id = $1`
	sqlInsertRevision = `
		insert into pushed_revisions (id, pipeline_id, action, revision, execution_id, at)
		values ($1, $2, $3, $4, $5, $6)
		on conflict (id) do nothing`
	sqlPruneRevisions = `
		delete from pushed_revisions where id in (
			select r.id from pushed_revisions r where r.at < $1 and exists (
				select 1 from pushed_revisions n
				where n.pipeline_id = r.pipeline_id and n.action = r.action and n.at > r.at)
			order by r.at limit $2)`

	sqlInsertChange = `
		insert into source_changes (id, account, bucket, object_key, version_id, sequence, at) values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (id) do nothing`
	sqlAnyChange    = `select count(*) from (select 1 from source_changes limit 1) c`
	sqlClaimChanges = `
		update source_changes set node = $1, claimed = $2 where id in (
			select c.id from source_changes c where c.claimed <= $3 and not exists (
				select 1 from source_changes e
				where e.bucket = c.bucket and e.object_key = c.object_key and e.sequence < c.sequence)
			order by c.at limit $4 %s)
		returning id, account, bucket, object_key, version_id, sequence, at`
	sqlReleaseChanges = `update source_changes set claimed = 0 where node = $1 and claimed > 0`
	sqlDeleteChange   = `delete from source_changes where id = $1`

	sqlSelectPoll = `select version_id, checked, code, message, failed from source_polls where id = $1`
	sqlTakePoll   = `
		insert into source_polls (id, checked) values ($1, $2)
		on conflict (id) do update set checked = excluded.checked where source_polls.checked = $3`
	sqlSawVersion = `update source_polls set version_id = $2 where id = $1`
	sqlPollFailed = `update source_polls set code = $2, message = $3, failed = $4 where id = $1`
	sqlPrunePolls = `
		delete from source_polls where id in (select id from source_polls where checked < $1 order by checked limit $2)`
)
