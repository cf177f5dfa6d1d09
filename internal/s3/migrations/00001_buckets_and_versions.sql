-- +goose Up
create table s3_buckets (
    name       text_key not null primary key,
    account    text_key not null,
    region     text     not null,
    versioning text     not null default '', -- '', 'Enabled' or 'Suspended'
    created_ms bigint   not null
);

create index s3_buckets_account on s3_buckets (account, name);

-- One row for each version of each object, delete markers included. A bucket
-- without versioning keeps its only version of a key under the id 'null'.
create table s3_versions (
    bucket         text_key not null references s3_buckets (name),
    object_key     text_key not null,
    version_id     text_key not null,
    sequence       bigint   not null, -- grows with every version of a key
    latest         integer  not null, -- 1 for the row with the highest sequence
    delete_marker  integer  not null,
    blob_key       text_key not null, -- '' for a delete marker
    size           bigint   not null,
    etag           text     not null,
    content_type   text     not null,
    cache_control  text     not null,
    acl            text     not null,
    sse            text     not null,
    sse_kms_key_id text     not null,
    details        text     not null, -- JSON with a format number
    modified_ms    bigint   not null,
    primary key (bucket, object_key, version_id)
);

-- Finds the current version, lists in key order, and lets only one of two
-- concurrent writers of a key win.
create unique index s3_versions_latest on s3_versions (bucket, object_key) where latest = 1;

-- Tells the sweep whether a blob is in use.
create index s3_versions_blob on s3_versions (blob_key) where blob_key <> '';
