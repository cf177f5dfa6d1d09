-- +goose Up

-- One row a job: what somebody outside carries out of an action execution. The
-- columns repeat what lookups need of the state; revision counts its changes.
-- available is when a poll may have the job, 0 when none may.
create table jobs (
    id           text_key not null primary key,
    pipeline_id  text_key not null,
    execution_id text_key not null,
    action_id    text_key not null,
    number       bigint   not null,
    account      text_key not null,
    region       text_key not null,
    type         text_key not null,
    query        text_key not null default '',
    available    bigint   not null,
    revision     bigint   not null,
    state        text     not null,
    data         text     not null,
    created      bigint   not null
);
create unique index jobs_action on jobs (action_id, number);
create index jobs_execution on jobs (execution_id);
create index jobs_poll on jobs (account, region, type, query, available) where available > 0;
