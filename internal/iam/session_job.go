package iam

import "time"

// JobLifetime is how long the credentials of a job are good for (observed.md 13).
const JobLifetime = 15 * time.Minute

// JobSession is the session of a job's artifact credentials: they read the objects
// of its inputs and write those of its outputs, given by their ARNs.
func JobSession(account, job string, inputs, outputs []string) Session {
	return Session{
		Account: account, Role: "penstock-job", Name: job, Lifetime: JobLifetime, Grants: []Grant{
			{Actions: []string{"s3:GetObject", "s3:GetObjectVersion"}, Resources: inputs},
			// Workers put with a canned ACL where the bucket is another account's.
			{Actions: []string{"s3:PutObject", "s3:PutObjectAcl", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}, Resources: outputs},
		},
	}
}

// FunctionSession is the session of a function that is invoked for a job, given by
// its ARN: it looks at that job and answers it.
func FunctionSession(account, function, jobARN string, lifetime time.Duration) Session {
	return Session{
		Account: account, Role: "penstock-function", Name: function, Lifetime: lifetime, Grants: []Grant{{
			Actions:   []string{"codepipeline:PutJobSuccessResult", "codepipeline:PutJobFailureResult", "codepipeline:GetJobDetails"},
			Resources: []string{jobARN},
		}},
	}
}

// ObjectARN names an object of S3.
func ObjectARN(partition, bucket, key string) string {
	return "arn:" + partition + ":s3:::" + bucket + "/" + key
}

// JobARN names a job where a session is asked for what it may do. CodePipeline has
// no such resource: policies speak of all jobs of a region.
func JobARN(partition, region, account, job string) string {
	return "arn:" + partition + ":codepipeline:" + region + ":" + account + ":job/" + job
}
