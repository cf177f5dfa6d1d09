-- +goose Up
-- What became true by the event that started the execution: it has no row in
-- changes. Empty for executions from before, whose starts have one.
alter table pipeline_executions add column changes text not null default '';
