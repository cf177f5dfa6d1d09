"""Puts a stamp into an artifact. Nothing here knows that it is not at AWS."""

import io
import zipfile

import boto3

codepipeline = boto3.client("codepipeline")


def handler(event, context):
    job = event["CodePipeline.job"]
    try:
        files = stamp(job["data"])
    except Exception as error:
        codepipeline.put_job_failure_result(
            jobId=job["id"], failureDetails={"type": "JobFailed", "message": str(error)}
        )
        return
    codepipeline.put_job_success_result(jobId=job["id"], outputVariables={"Files": str(files)})


def stamp(data):
    keys = data["artifactCredentials"]
    s3 = boto3.client(
        "s3",
        aws_access_key_id=keys["accessKeyId"],
        aws_secret_access_key=keys["secretAccessKey"],
        aws_session_token=keys["sessionToken"],
    )
    source = data["inputArtifacts"][0]["location"]["s3Location"]
    content = s3.get_object(Bucket=source["bucketName"], Key=source["objectKey"])["Body"].read()
    text = data["actionConfiguration"]["configuration"].get("UserParameters", "")
    stamped = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(stamped, "w") as after:
        names = before.namelist()
        for name in names:
            after.writestr(name, before.read(name))
        after.writestr("STAMP", f"{text}: {len(names)} files\n")
    print("stamped", len(names), "files")
    target = data["outputArtifacts"][0]["location"]["s3Location"]
    s3.put_object(Bucket=target["bucketName"], Key=target["objectKey"], Body=stamped.getvalue())
    return len(names)
