-- +goose Up

-- Why an object that is polled cannot be had, and since when; code is empty when it
-- can.
alter table source_polls add column code text not null default '';
alter table source_polls add column message text not null default '';
alter table source_polls add column failed bigint not null default 0;
