-- +goose Up

-- Who may sign requests besides root. The id is minted at creation, so that a
-- name that is used again shares nothing with its predecessor.
create table principals (
    id         text_key not null primary key,
    account    text_key not null,
    name       text_key not null,
    created_ms bigint   not null,
    unique (account, name)
);

-- The policies of a principal: its own documents by their names, and the managed
-- ones by their ARNs, without a document.
create table principal_policies (
    principal_id text_key not null,
    name         text_key not null,
    document     text     not null default '',
    primary key (principal_id, name)
);

create table access_keys (
    id           text_key not null primary key, -- AKIA...
    principal_id text_key not null,
    secret       text     not null, -- sealed, see keyring.go
    enabled      integer  not null, -- 1 or 0
    created_ms   bigint   not null,
    used_ms      bigint   not null default 0, -- to the minute; 0 is never
    used_service text     not null default ''
);

create index access_keys_principal on access_keys (principal_id);
