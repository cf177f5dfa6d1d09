"""Runs a Lambda handler in Python: asks the runtime API for events, and answers."""

import importlib
import json
import os
import sys
import time
import traceback
import urllib.request

API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
# A proxy of the environment is not for the runtime API.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def post(path, value):
    text = json.dumps(value).encode()
    OPENER.open(urllib.request.Request(API + path, data=text, headers={"Content-Type": "application/json"})).close()


def failure(error):
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_exception(type(error), error, error.__traceback__),
    }


class Context:
    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))


def load():
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    return getattr(importlib.import_module(module.replace("/", ".")), name)


def main():
    sys.path.pop(0)  # the folder of this file
    try:
        handler = load()
    except BaseException as error:
        traceback.print_exc()
        post("init/error", failure(error))
        sys.exit(1)
    while True:
        with OPENER.open(API + "invocation/next") as answer:
            headers, event = answer.headers, json.load(answer)
        request = headers["Lambda-Runtime-Aws-Request-Id"]
        try:
            result = json.loads(json.dumps(handler(event, Context(headers))))
        except Exception as error:
            traceback.print_exc()
            post("invocation/" + request + "/error", failure(error))
        else:
            post("invocation/" + request + "/response", result)


main()
