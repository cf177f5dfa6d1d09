-- +goose Up

-- Each execution names the one that was started before it in its pipeline, and the
-- pipeline the newest: lists are read along them. An index of the executions of a
-- pipeline was half of what a start wrote.
alter table pipelines add column newest text_key not null default '';
update pipelines set newest = coalesce((
    select id from pipeline_executions x where x.pipeline_id = pipelines.id order by seq desc limit 1), '');
alter table pipeline_executions add column previous text_key not null default '';
update pipeline_executions set previous = coalesce((
    select o.id from pipeline_executions o
    where o.pipeline_id = pipeline_executions.pipeline_id and o.seq < pipeline_executions.seq
    order by o.seq desc limit 1), '');
drop index pipeline_executions_seq;
