-- +goose Up

-- One row a webhook. The token of its URL and its secret are in sealed, opened
-- with the id.
create table webhooks (
    id         text_key not null primary key,
    account    text_key not null,
    region     text_key not null,
    name       text_key not null,
    version    bigint   not null,
    definition text     not null,
    token_hash text_key not null,
    sealed     text     not null,
    created    bigint   not null,
    updated    bigint   not null
);
create unique index webhooks_name on webhooks (account, region, name);
create unique index webhooks_token on webhooks (token_hash);

create table webhook_tags (
    webhook_id text_key not null,
    key        text_key not null,
    value      text     not null,
    primary key (webhook_id, key)
);

-- One row for each account and region that ever had a webhook: whoever adds one
-- locks it, so that two cannot both be the last one allowed.
create table webhook_regions (
    account text_key not null,
    region  text_key not null,
    primary key (account, region)
);

-- One row a pushed revision. The id is a hash of the pipeline's id, the stage,
-- the action and the revision; action is "stage/action".
create table pushed_revisions (
    id           text_key not null primary key,
    pipeline_id  text_key not null,
    action       text_key not null,
    revision     text     not null,
    execution_id text_key not null,
    at           bigint   not null
);
create index pushed_revisions_at on pushed_revisions (at);
create index pushed_revisions_action on pushed_revisions (pipeline_id, action, at);
