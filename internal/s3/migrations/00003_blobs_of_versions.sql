-- +goose Up

-- Tells the sweep whether a blob is in use. Content that stands in its row names
-- no blob.
drop index s3_versions_blob;
create index s3_versions_blob on s3_versions (blob_key) where blob_key <> '' and content is null;
