"""Reads what TestBoto3 made, with small pages, and prints it as JSON."""

import json

import boto3
from botocore.exceptions import ClientError

pipelines = boto3.client("codepipeline")


def pages(operation, member, **arguments):
    paginator = pipelines.get_paginator(operation)
    result = paginator.paginate(PaginationConfig={"PageSize": 2}, **arguments)
    return [item for page in result for item in page[member]]


def missing():
    try:
        pipelines.get_pipeline(name="absent")
    except pipelines.exceptions.PipelineNotFoundException as e:
        return e.response["Error"]["Message"]


def invalid():
    try:
        pipelines.list_pipeline_executions(pipelineName="a", maxResults=1000)
    except ClientError as e:
        assert e.response["Error"]["Code"] == "ValidationException"
        return e.response["Error"]["Message"]


print(json.dumps({
    "Pipelines": [p["name"] for p in pages("list_pipelines", "pipelines")],
    "Executions": [x["pipelineExecutionId"] for x in pages("list_pipeline_executions", "pipelineExecutionSummaries", pipelineName="a")],
    "Actions": len(pages("list_action_executions", "actionExecutionDetails", pipelineName="a")),
    "Missing": missing(),
    "Invalid": invalid(),
}))
