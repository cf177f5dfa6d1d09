-- +goose Up

-- One index finds, orders and tells apart the versions of a key: the one with the
-- highest sequence is the current one, and the id of a version tells its sequence.
-- Each further index cost a put a page more. The columns mean what they did.
--
-- Renaming comes first: it keeps writers out, so that nothing is written to what
-- has been copied.
alter table s3_versions rename to s3_versions_before;

create table s3_versions (
    bucket         text_key not null references s3_buckets (name),
    object_key     text_key not null,
    sequence       bigint   not null, -- grows with every version of a key
    version_id     text_key not null,
    delete_marker  integer  not null,
    blob_key       text_key not null, -- of content elsewhere; 'row/...' for that of this row
    size           bigint   not null,
    etag           text     not null,
    content_type   text     not null,
    cache_control  text     not null,
    acl            text     not null,
    sse            text     not null,
    sse_kms_key_id text     not null,
    details        text     not null, -- JSON with a format number
    modified_ms    bigint   not null,
    content        bytea,
    old_id         integer  not null default 0 -- 1 for an id that tells no sequence
);

insert into s3_versions
select bucket, object_key, sequence, version_id, delete_marker, blob_key, size, etag,
    content_type, cache_control, acl, sse, sse_kms_key_id, details, modified_ms, content,
    case when version_id = 'null' then 0 else 1 end
from s3_versions_before;

drop table s3_versions_before;

create unique index s3_versions_order on s3_versions (bucket, object_key, sequence desc);

-- Finds the ids of releases before. New versions have no entry in it.
create index s3_versions_old_id on s3_versions (bucket, object_key, version_id) where old_id = 1;

-- Tells the sweep whether a blob is in use.
create index s3_versions_blob on s3_versions (blob_key) where blob_key <> '' and content is null;
