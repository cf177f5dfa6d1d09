"""A job worker as AWS's samples write them: poll, acknowledge, ask for details,
download, work, upload, go on once, succeed. It says what it does, a JSON line each.

Arguments: a name, and "stall" for a worker that hangs after its first poll, "hang" for
one that hangs in its first job, once its output is written."""

import io
import json
import sys
import zipfile

import boto3
from botocore.exceptions import ClientError

name, stall, hang = sys.argv[1], "stall" in sys.argv, "hang" in sys.argv
pipelines = boto3.client("codepipeline")
pipelines.meta.events.register(
    "before-call.codepipeline.PollForJobs", lambda params, **_: params["headers"].update({"x-penstock-wait-seconds": "5"})
)


def say(event, **more):
    print(json.dumps({"worker": name, "event": event, **more}), flush=True)


def bucket_of(job):
    c = job["data"]["artifactCredentials"]
    return boto3.client(
        "s3", aws_access_key_id=c["accessKeyId"], aws_secret_access_key=c["secretAccessKey"], aws_session_token=c["sessionToken"]
    )


def place(artifact):
    at = artifact["location"]["s3Location"]
    return {"Bucket": at["bucketName"], "Key": at["objectKey"]}


def refused(call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        return e.response["Error"]["Code"] == "AccessDenied"
    return False


def overreach(s3, source, target):
    """What the credentials of a job must not do; the names of what they did."""
    tries = {
        "write an input": lambda: refused(s3.put_object, Body=b"x", **source),
        "read an output": lambda: refused(s3.get_object, **target),
        "delete an output": lambda: refused(s3.delete_object, **target),
        "list": lambda: refused(s3.list_objects_v2, Bucket=source["Bucket"]),
        "read another object": lambda: refused(s3.get_object, Bucket=source["Bucket"], Key="other"),
        "write another object": lambda: refused(s3.put_object, Bucket=source["Bucket"], Key="other", Body=b"x"),
    }
    return [what for what, was_refused in tries.items() if not was_refused()]


def build(job):
    s3 = bucket_of(job)
    source, target = place(job["data"]["inputArtifacts"][0]), place(job["data"]["outputArtifacts"][0])
    content = s3.get_object(**source)["Body"].read()
    with zipfile.ZipFile(io.BytesIO(content)) as z:
        files = z.namelist()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("built.txt", f"{len(files)} files")
    out.seek(0)
    s3.upload_fileobj(out, target["Bucket"], target["Key"])
    large = io.BytesIO(b"\0" * (9 << 20))  # goes up in parts
    s3.upload_fileobj(large, target["Bucket"], target["Key"])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("built.txt", f"{len(files)} files")
    s3.put_object(Body=out.getvalue(), **target)
    return overreach(s3, source, target)


def work(job):
    try:
        status = pipelines.acknowledge_job(jobId=job["id"], nonce=job["nonce"])["status"]
    except pipelines.exceptions.InvalidNonceException:
        say("lost", job=job["id"])
        return
    if status != "InProgress":
        say("dropped", job=job["id"], status=status)
        return
    say("acknowledged", job=job["id"])
    details = pipelines.get_job_details(jobId=job["id"])["jobDetails"]
    token = details["data"].get("continuationToken")
    if token is None:
        wrong = build(details)
        if hang:
            say("working", job=job["id"])
            sys.stdin.read()
        pipelines.put_job_success_result(
            jobId=job["id"], continuationToken="verify", executionDetails={"summary": "built", "percentComplete": 50}
        )
        say("went on", job=job["id"], wrong=wrong)
        return
    pipelines.put_job_success_result(
        jobId=job["id"], executionDetails={"summary": "verified", "externalExecutionId": job["id"]}, outputVariables={"Worker": name}
    )
    say("succeeded", job=job["id"], token=token)


while True:
    polled = pipelines.poll_for_jobs(
        actionTypeId={"category": "Build", "owner": "Custom", "provider": "Boto", "version": "1"}, maxBatchSize=1
    )
    for found in polled["jobs"]:
        say("polled", job=found["id"])
        if stall:
            sys.stdin.read()
        work(found)
