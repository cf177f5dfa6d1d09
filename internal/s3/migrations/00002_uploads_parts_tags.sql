-- +goose Up

-- The content of a small object stands in its row; its blob_key then begins
-- with 'row/' and names no blob. That of an object uploaded in parts is 'parts/'
-- and the id of the upload, whose parts it is made of.
alter table s3_versions add column content bytea;

-- Lists the versions of a key from the newest.
create index s3_versions_order on s3_versions (bucket, object_key, sequence);

-- One row for each multipart upload. A completed one stays for a while, so that
-- completing it again gives the same answer.
create table s3_uploads (
    upload_id  text_key not null primary key,
    bucket     text_key not null references s3_buckets (name),
    object_key text_key not null,
    version_id text     not null default '', -- of the object, once completed
    details    text     not null, -- JSON with a format number
    created_ms bigint   not null
);

create index s3_uploads_key on s3_uploads (bucket, object_key, upload_id);

create index s3_uploads_created on s3_uploads (created_ms);

-- The parts of uploads, and of the objects made by them: these outlive the row
-- of their upload.
create table s3_parts (
    upload_id   text_key not null,
    number      integer  not null,
    blob_key    text_key not null,
    size        bigint   not null,
    etag        text     not null,
    checksum    text     not null, -- base64, of the upload's algorithm
    modified_ms bigint   not null,
    gone_ms     bigint   not null default 0, -- when its object went; 0 while it is there
    primary key (upload_id, number)
);

create index s3_parts_blob on s3_parts (blob_key);

create index s3_parts_gone on s3_parts (gone_ms) where gone_ms > 0;
