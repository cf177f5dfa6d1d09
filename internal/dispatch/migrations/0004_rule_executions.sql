-- +goose Up

-- One row a rule execution: like an action execution, with the gate of the stage
-- that the rule belongs to. Actions and rules of a pipeline share one order.
create table rule_executions (
    id           text_key not null primary key,
    pipeline_id  text_key not null,
    execution_id text_key not null,
    ord          bigint   not null,
    version      bigint   not null,
    stage        text_key not null,
    action       text_key not null,
    status       text     not null,
    start_time   bigint   not null,
    last_update  bigint   not null,
    updated_by   text     not null default '',
    started      text     not null,
    resolved     text,
    outcome      text,
    gate         text_key not null
);
create unique index rule_executions_ord on rule_executions (pipeline_id, ord);
create index rule_executions_execution on rule_executions (execution_id, ord);

-- The gate of a rule, empty for an action.
alter table effects add column gate text not null default '';
