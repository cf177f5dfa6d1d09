-- +goose Up

-- A stream is the output of one action or execution. It is written in segments:
-- one each time it is opened, so that a stream may be continued after it was
-- closed, and on another node.
create table log_segments (
    stream     text_key not null,
    segment    bigint   not null, -- from 1
    node       text_key not null, -- that writes it, or wrote it
    first_line bigint   not null, -- number of its first line within the stream
    line_count bigint   not null, -- while open: lines that are in log_chunks
    open       integer  not null, -- 1 while it is written
    blob_key   text     not null default '', -- '' while open, and when it has no lines
    blocks     text     not null default '[]', -- index into the blob, JSON
    closed_ms  bigint   not null default 0,
    primary key (stream, segment)
);

create index log_segments_open on log_segments (node) where open = 1;

-- What of an open segment other nodes can see. Deleted when it is closed.
create table log_chunks (
    stream     text_key not null,
    segment    bigint   not null,
    first_line bigint   not null,
    line_count bigint   not null,
    content    text     not null, -- records, see record.go
    primary key (stream, segment, first_line)
);
