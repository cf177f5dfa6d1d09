-- +goose Up

-- One row a new version of an object, written in the commit that makes it visible
-- and gone when the executions that it starts have started. Those of one object
-- come one after the other. claimed is when a node took the row, 0 for nobody.
create table source_changes (
    id         text_key not null primary key,
    account    text_key not null,
    bucket     text_key not null,
    object_key text_key not null,
    version_id text_key not null,
    sequence   bigint   not null,
    at         bigint   not null,
    node       text_key not null default '',
    claimed    bigint   not null default 0
);
create index source_changes_object on source_changes (bucket, object_key, sequence);
create index source_changes_at on source_changes (at);

-- One row an object of an S3 elsewhere that is polled for a pipeline. The id is a
-- hash of the pipeline's id, the object, and how many actions before have the same
-- one. version_id is the newest version that was seen, empty before there was one.
create table source_polls (
    id         text_key not null primary key,
    version_id text_key not null default '',
    checked    bigint   not null
);
create index source_polls_checked on source_polls (checked);
