-- +goose Up
create table pipelines (
    id            text_key not null primary key,
    account       text_key not null,
    region        text_key not null,
    name          text_key not null,
    version       bigint   not null,
    state_version bigint   not null,
    state         text     not null,
    created       bigint   not null,
    updated       bigint   not null,
    deleted       bigint   not null default 0
);
create unique index pipelines_name on pipelines (account, region, name) where deleted = 0;

create table pipeline_versions (
    pipeline_id text_key not null,
    version     bigint   not null,
    declaration text     not null,
    created     bigint   not null,
    primary key (pipeline_id, version)
);

create table pipeline_tags (
    pipeline_id text_key not null,
    key         text_key not null,
    value       text     not null,
    primary key (pipeline_id, key)
);

-- One row an execution: its part of the engine's state. Columns repeat what
-- lists and filters need.
create table pipeline_executions (
    id            text_key not null primary key,
    pipeline_id   text_key not null,
    seq           bigint   not null,
    live          bigint   not null,
    start_time    bigint   not null,
    first_change  bigint   not null,
    last_change   bigint   not null,
    state         text     not null
);
create unique index pipeline_executions_seq on pipeline_executions (pipeline_id, seq);

-- One row an action execution. ord orders them by start within a pipeline.
create table action_executions (
    id           text_key not null primary key,
    pipeline_id  text_key not null,
    execution_id text_key not null,
    ord          bigint   not null,
    version      bigint   not null,
    stage        text_key not null,
    action       text_key not null,
    status       text     not null,
    start_time   bigint   not null,
    last_update  bigint   not null,
    updated_by   text     not null default '',
    started      text     not null,
    resolved     text,
    outcome      text
);
create unique index action_executions_ord on action_executions (pipeline_id, ord);
create index action_executions_execution on action_executions (execution_id, ord);

-- One row an applied event: what became true. It also tells an event that was
-- applied from one that was not, after a commit of unknown outcome.
create table changes (
    pipeline_id text_key not null,
    version     bigint   not null,
    event_id    text_key not null,
    at          bigint   not null,
    body        text     not null,
    primary key (pipeline_id, version)
);

create table effects (
    id             text_key not null primary key,
    kind           text     not null,
    pipeline_id    text_key not null,
    execution_id   text_key not null,
    action_id      text_key not null,
    version        bigint   not null,
    stage          text     not null,
    name           text     not null,
    deadline       bigint   not null,
    due            bigint   not null,
    node           text_key not null default '',
    begun_node     text_key not null default '',
    begun_at       bigint   not null default 0,
    provider_state text
);
create index effects_due on effects (due) where node = '';
create index effects_action on effects (action_id);
create index effects_node on effects (node);

create table start_tokens (
    pipeline_id  text_key not null,
    token        text_key not null,
    execution_id text_key not null,
    at           bigint   not null,
    primary key (pipeline_id, token)
);
create index start_tokens_at on start_tokens (at);

create table nodes (
    id      text_key not null primary key,
    expires bigint   not null
);
