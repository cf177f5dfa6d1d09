-- +goose Up

-- One row a rollback: its artifacts are those of its target, and stay while one of
-- the two is remembered.
create table rollbacks (
    target_id    text_key not null,
    execution_id text_key not null,
    primary key (target_id, execution_id)
);

-- What an execution that was forgotten has left elsewhere, until that is deleted: its
-- artifacts, and the logs of its actions and rules.
create table leftovers (
    execution_id text_key not null primary key,
    artifacts    text     not null,
    attempts     text     not null,
    at           bigint   not null
);
