"""Calls the operations that TestOperationsBoto3 names, one JSON line after the
other, and answers each with one: the answer, or the exception and its text.

An operation with a size of page goes through its paginator; its answer is what
all pages together hold."""

import json
import sys

import boto3
from botocore.exceptions import ClientError

client = boto3.client("codepipeline")
methods = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}


def call(operation, arguments, page_size):
    method = methods[operation]
    if not page_size:
        return getattr(client, method)(**arguments)
    paginator = client.get_paginator(method)
    sizes = {"PageSize": page_size} if paginator._limit_key else {}
    return paginator.paginate(PaginationConfig=sizes, **arguments).build_full_result()


for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = call(request["operation"], request["input"], request["pageSize"])
        answer.pop("ResponseMetadata", None)
        reply = {"answer": answer}
    except ClientError as e:
        # Exceptions of the model are classes of their own.
        error = e.response["Error"]
        reply = {"exception": error["Code"], "class": type(e).__name__, "message": error["Message"]}
    print(json.dumps(reply, default=str), flush=True)
