-- +goose Up
-- One row an action type that is not built in: those of CreateCustomActionType
-- (owner Custom) and of UpdateActionType. A deleted custom type keeps its row:
-- its version may only come back with the same definition, and the pipelines
-- that use it go on knowing what it was.
create table action_types (
    id         text_key not null primary key,
    account    text_key not null,
    region     text_key not null,
    owner      text_key not null,
    category   text_key not null,
    provider   text_key not null,
    version    text_key not null,
    definition text     not null,
    created    bigint   not null,
    updated    bigint   not null,
    deleted    bigint   not null default 0
);
create unique index action_types_name on action_types (account, region, owner, category, provider, version);

create table action_type_tags (
    action_type_id text_key not null,
    key            text_key not null,
    value          text     not null,
    primary key (action_type_id, key)
);

-- Secret configuration values, encrypted. Declarations hold references to them.
create table pipeline_secrets (
    id          text_key not null primary key,
    pipeline_id text_key not null,
    sealed      text     not null,
    created     bigint   not null
);
create index pipeline_secrets_pipeline on pipeline_secrets (pipeline_id);
