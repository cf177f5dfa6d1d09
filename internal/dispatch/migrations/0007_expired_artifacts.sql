-- +goose Up

-- One row a rollback: its artifacts are those of its target, and stay while one of
-- the two is remembered.
create table rollbacks (
    target_id    text_key not null,
    execution_id text_key not null,
    primary key (target_id, execution_id)
);

-- The artifacts of an execution that was forgotten, until their content is deleted.
create table expired_artifacts (
    execution_id text_key not null primary key,
    locations    text     not null,
    at           bigint   not null
);
