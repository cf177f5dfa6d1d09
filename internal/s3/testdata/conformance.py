"""What a boto3 client asks of the S3 face; prints one line for each failure."""

import hashlib
import io
import os
import sys
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import Config
from botocore.exceptions import ClientError

BUCKET = "boto-bucket"
MB = 1 << 20


def client(checksums="when_supported"):
    return boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], config=Config(
        signature_version="s3v4", request_checksum_calculation=checksums,
        s3={"addressing_style": "path"}, retries={"max_attempts": 1}))


s3 = client()
failures = 0


def check(what, ok):
    global failures
    if not ok:
        failures += 1
        print("FAIL", what)


def code(call, **kwargs):
    try:
        call(**kwargs)
    except ClientError as e:
        return e.response["Error"]["Code"]
    return "none"


def content(key, **kwargs):
    return s3.get_object(Bucket=BUCKET, Key=key, **kwargs)["Body"].read()


def buckets():
    s3.create_bucket(Bucket=BUCKET)
    check("list_buckets", BUCKET in [b["Name"] for b in s3.list_buckets()["Buckets"]])
    check("location", s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None)
    check("head", s3.head_bucket(Bucket=BUCKET)["BucketRegion"] == "us-east-1")
    check("missing bucket", code(s3.head_bucket, Bucket="missing-bucket") == "404")
    check("no policy", code(s3.get_bucket_policy, Bucket=BUCKET) == "NotImplemented")


def objects():
    for checksums in ("when_supported", "when_required"):
        client(checksums).put_object(Bucket=BUCKET, Key="a b/ü+%&.txt", Body=b"text", ContentType="text/plain",
                                     Metadata={"Summary": "one"}, Tagging="k=v%20w&l=", CacheControl="no-store")
        head = s3.head_object(Bucket=BUCKET, Key="a b/ü+%&.txt")
        check("head", (head["ContentType"], head["Metadata"], head["CacheControl"], head["ContentLength"]) ==
              ("text/plain", {"summary": "one"}, "no-store", 4))
        check("get", content("a b/ü+%&.txt") == b"text")
    tags = s3.get_object_tagging(Bucket=BUCKET, Key="a b/ü+%&.txt")["TagSet"]
    check("tags", tags == [{"Key": "k", "Value": "v w"}, {"Key": "l", "Value": ""}])
    s3.put_object_tagging(Bucket=BUCKET, Key="a b/ü+%&.txt", Tagging={"TagSet": [{"Key": "n", "Value": "ü"}]})
    check("new tags", s3.get_object_tagging(Bucket=BUCKET, Key="a b/ü+%&.txt")["TagSet"] == [{"Key": "n", "Value": "ü"}])
    check("tag count", s3.get_object(Bucket=BUCKET, Key="a b/ü+%&.txt")["TagCount"] == 1)
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        s3.put_object(Bucket=BUCKET, Key=algorithm, Body=b"sum", ChecksumAlgorithm=algorithm)
        got = s3.get_object(Bucket=BUCKET, Key=algorithm, ChecksumMode="ENABLED")
        check(algorithm, got["Body"].read() == b"sum" and got["Checksum" + algorithm])
    check("wrong sum", code(s3.put_object, Bucket=BUCKET, Key="wrong", Body=b"x", ChecksumSHA1="A" * 27 + "=") == "BadDigest")
    check("missing", code(s3.get_object, Bucket=BUCKET, Key="wrong") == "NoSuchKey")
    check("range", content("SHA1", Range="bytes=1-") == b"um")
    check("if-none-match", code(s3.put_object, Bucket=BUCKET, Key="SHA1", Body=b"y", IfNoneMatch="*") == "PreconditionFailed")
    s3.copy_object(Bucket=BUCKET, Key="copied", CopySource={"Bucket": BUCKET, "Key": "a b/ü+%&.txt"})
    check("copy", content("copied") == b"text" and s3.head_object(Bucket=BUCKET, Key="copied")["Metadata"] == {"summary": "one"})
    check("sse", s3.put_object(Bucket=BUCKET, Key="sse", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId="alias/k")["SSEKMSKeyId"] == "alias/k")


def lists():
    keys = ["l/%02d/%s" % (n, name) for n in range(6) for name in ("a", "b")]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    for operation in ("list_objects", "list_objects_v2"):
        pages = list(s3.get_paginator(operation).paginate(Bucket=BUCKET, Prefix="l/", PaginationConfig={"PageSize": 5}))
        check(operation, [o["Key"] for p in pages for o in p["Contents"]] == keys and len(pages) == 3)
        pages = s3.get_paginator(operation).paginate(Bucket=BUCKET, Prefix="l/", Delimiter="/", PaginationConfig={"PageSize": 4})
        check(operation + " prefixes", [c["Prefix"] for p in pages for c in p["CommonPrefixes"]] == ["l/%02d/" % n for n in range(6)])


def multipart():
    body = os.urandom(17 * MB + 5)
    config = TransferConfig(multipart_threshold=8 * MB, multipart_chunksize=8 * MB)
    s3.upload_fileobj(io.BytesIO(body), BUCKET, "large", Config=config, ExtraArgs={"Metadata": {"m": "p"}})
    head = s3.head_object(Bucket=BUCKET, Key="large")
    sums = b"".join(hashlib.md5(body[i:i + 8 * MB]).digest() for i in range(0, len(body), 8 * MB))
    check("multipart etag", head["ETag"] == '"%s-3"' % hashlib.md5(sums).hexdigest())
    check("multipart metadata", head["Metadata"] == {"m": "p"})
    out = io.BytesIO()
    s3.download_fileobj(BUCKET, "large", out, Config=config)
    check("download", out.getvalue() == body)
    s3.copy({"Bucket": BUCKET, "Key": "large"}, BUCKET, "large copy", Config=config)
    check("copy in parts", content("large copy") == body)
    part = s3.get_object(Bucket=BUCKET, Key="large", PartNumber=3)
    check("part", part["Body"].read() == body[16 * MB:] and part["PartsCount"] == 3)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="never")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="never", UploadId=upload, PartNumber=2, Body=b"part")
    parts = s3.list_parts(Bucket=BUCKET, Key="never", UploadId=upload)["Parts"]
    check("list_parts", [(p["PartNumber"], p["Size"]) for p in parts] == [(2, 4)])
    check("list uploads", [u["Key"] for u in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]] == ["never"])
    s3.abort_multipart_upload(Bucket=BUCKET, Key="never", UploadId=upload)
    check("aborted", code(s3.list_parts, Bucket=BUCKET, Key="never", UploadId=upload) == "NoSuchUpload")


def presigned():
    url = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "signed ü", "ContentType": "text/x"}, ExpiresIn=60)
    request = urllib.request.Request(url, data=b"by url", method="PUT", headers={"Content-Type": "text/x"})
    check("presigned put", urllib.request.urlopen(request).status == 200)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "signed ü"}, ExpiresIn=60)
    check("presigned get", urllib.request.urlopen(url).read() == b"by url")
    try:
        urllib.request.urlopen(url.replace("Expires=60", "Expires=61"))
        check("changed url", False)
    except urllib.error.HTTPError as e:
        check("changed url", e.code == 403)


def versions():
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket=BUCKET, Key="v", Body=b"%d" % n)["VersionId"] for n in range(3)]
    s3.delete_object(Bucket=BUCKET, Key="v")
    page = s3.list_object_versions(Bucket=BUCKET, Prefix="v")
    check("versions", [v["VersionId"] for v in page["Versions"]] == ids[::-1] and len(page["DeleteMarkers"]) == 1)
    check("old version", content("v", VersionId=ids[0]) == b"0")
    while True:
        found = 0
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET, PaginationConfig={"PageSize": 7}):
            doomed = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in page.get("Versions", []) + page.get("DeleteMarkers", [])]
            found += len(doomed)
            if doomed:
                check("delete_objects", "Errors" not in s3.delete_objects(Bucket=BUCKET, Delete={"Objects": doomed}))
        if not found:
            break
    s3.delete_bucket(Bucket=BUCKET)
    check("deleted bucket", code(s3.head_bucket, Bucket=BUCKET) == "404")


for step in (buckets, objects, lists, multipart, presigned, versions):
    step()
print("boto3", boto3.__version__, "failures:", failures)
sys.exit(failures > 0)
