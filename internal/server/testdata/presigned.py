"""Follows URLs that boto3 presigns as it is set up by default, and says what was wrong.

The first argument is what the credentials may do: "all", with the region of the
server, or "job", with the keys of an input and an output of a bucket "store".
"""

import sys
import urllib.error
import urllib.request

import boto3

s3 = boto3.client("s3")
wrong = []


def check(what, good):
    if not good:
        wrong.append(what)


def presign(operation, **params):
    url = s3.generate_presigned_url(operation, Params=params, ExpiresIn=60)
    check("version 2 is not the default any more: " + url, "AWSAccessKeyId=" in url)
    return url


def send(url, method="GET", body=None, headers={}):
    """The status and the answer; without a Content-Type that urllib makes up."""
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": "", **headers})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as e:
        return e.code, e.read(), e.headers


def everything(region):
    s3.create_bucket(Bucket="shelf")
    s3.put_bucket_versioning(Bucket="shelf", VersioningConfiguration={"Status": "Enabled"})
    for key in ("plain", "a b/ü+~&=c%.txt", "a//b/../c"):
        url = presign("put_object", Bucket="shelf", Key=key, ContentType="text/x", Metadata={"Team": "blue sky"}, ACL="private")
        check("put without its type", send(url, "PUT", b"first")[0] == 403)
        check("put with another ACL", send(url, "PUT", b"first", {"Content-Type": "text/x", "x-amz-acl": "public-read"})[0] == 403)
        check("put", send(url, "PUT", b"first", {"Content-Type": "text/x"})[0] == 200)
        head = s3.head_object(Bucket="shelf", Key=key)
        check("metadata", head["Metadata"] == {"team": "blue sky"} and head["ContentType"] == "text/x")
        s3.put_object(Bucket="shelf", Key=key, Body=b"second")
        check("get", send(presign("get_object", Bucket="shelf", Key=key))[1] == b"second")
        check("head", send(presign("head_object", Bucket="shelf", Key=key), "HEAD")[0] == 200)
        url = presign("get_object", Bucket="shelf", Key=key, VersionId=head["VersionId"],
                      ResponseContentDisposition='attachment; filename="a&b c.txt"', ResponseContentType="text/y")
        status, content, headers = send(url)
        check("version", (status, content) == (200, b"first"))
        check("headers", headers["Content-Disposition"] == 'attachment; filename="a&b c.txt"' and headers["Content-Type"] == "text/y")
        check("other version", send(url.replace("versionId=", "versionId=0"))[0] == 403)
        check("no version", send(url.replace("versionId=", "versionIx="))[0] == 403)
        check("delete by a URL to get", send(url, "DELETE")[0] == 403)
        # What version 2 does not sign must not lead to another operation.
        for name in ("attributes", "legal-hold", "retention", "encryption", "renameObject", "uploads", "X-Amz-Copy-Source"):
            status = send(url + "&" + name)[0]
            check("%s: %d" % (name, status), status in (403, 501))
    url = presign("put_object", Bucket="shelf", Key="plain", ContentMD5="XUFAKrxLKna5cZ2REBfFkg==")
    check("another MD5", send(url, "PUT", b"hello", {"Content-MD5": "WJMkUNVh51avd+4KGd1/aA=="})[0] == 403)
    status, answer, _ = send(url, "PUT", b"HELLO", {"Content-MD5": "XUFAKrxLKna5cZ2REBfFkg=="})
    check("other content", status == 400 and b"<Code>BadDigest</Code>" in answer)
    check("the MD5's content", send(url, "PUT", b"hello", {"Content-MD5": "XUFAKrxLKna5cZ2REBfFkg=="})[0] == 200)
    upload = s3.create_multipart_upload(Bucket="shelf", Key="parts")["UploadId"]
    check("part", send(presign("upload_part", Bucket="shelf", Key="parts", UploadId=upload, PartNumber=1), "PUT", b"part")[0] == 200)
    check("parts", s3.list_parts(Bucket="shelf", Key="parts", UploadId=upload)["Parts"][0]["Size"] == 4)
    check("abort", send(presign("abort_multipart_upload", Bucket="shelf", Key="parts", UploadId=upload), "DELETE")[0] == 204)
    check("list", b"<Key>plain</Key>" in send(presign("list_objects_v2", Bucket="shelf", Prefix="pl"))[1])
    check("buckets", b"<Name>shelf</Name>" in send(presign("list_buckets"))[1])
    url = presign("create_bucket", Bucket="another")
    check("bucket", send(url, "PUT", b"<CreateBucketConfiguration><LocationConstraint>%s</LocationConstraint></CreateBucketConfiguration>" % region.encode())[0] == 200)
    check("delete", send(presign("delete_object", Bucket="shelf", Key="plain"), "DELETE")[0] == 204)
    post = s3.generate_presigned_post("shelf", "form")
    form = "".join('--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % f for f in post["fields"].items())
    form += '--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ncontent\r\n--x--\r\n'
    status, answer, _ = send(post["url"], "POST", form.encode(), {"Content-Type": "multipart/form-data; boundary=x"})
    check("form: %d %s" % (status, answer), status == 501 and b"<Code>NotImplemented</Code>" in answer and b"PostObject" in answer)


def job(given, made):
    check("input", send(presign("get_object", Bucket="store", Key=given))[1].startswith(b"PK"))
    check("output", send(presign("put_object", Bucket="store", Key=made, ACL="bucket-owner-full-control"), "PUT", b"made")[0] == 200)
    for url, method in (
        (presign("get_object", Bucket="store", Key=made), "GET"),
        (presign("put_object", Bucket="store", Key=given), "PUT"),
        (presign("delete_object", Bucket="store", Key=made), "DELETE"),
    ):
        status, answer, _ = send(url, method)
        check("%s: %d %s" % (url, status, answer), status == 403 and b"is not authorized to perform" in answer)
    url = presign("get_object", Bucket="store", Key=given)
    check("no token", b"<Code>InvalidToken</Code>" in send(url.replace("x-amz-security-token", "x-token"))[1])


{"all": everything, "job": job}[sys.argv[1]](*sys.argv[2:])
print("\n".join(wrong), end="")
