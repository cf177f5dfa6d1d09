package iam

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// managedPrefix begins the ARNs of the policies that AWS manages.
const managedPrefix = "arn:aws:iam::aws:policy/"

// ManagedPolicy is one of AWS's own policies for CodePipeline.
type ManagedPolicy struct {
	Name     string
	ARN      string
	Document string
}

// ManagedPolicies lists the policies by name. They say what AWS's say about the
// services that Penstock answers; what AWS's grant besides, for its console,
// would grant nothing here.
func ManagedPolicies() []ManagedPolicy {
	list := []ManagedPolicy{
		{Name: "AWSCodePipelineApproverAccess", Document: `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow",
    "Action": [
      "codepipeline:GetPipeline", "codepipeline:GetPipelineState", "codepipeline:GetPipelineExecution",
      "codepipeline:ListPipelineExecutions", "codepipeline:ListPipelines", "codepipeline:PutApprovalResult"
    ],
    "Resource": "*"
  }]
}`},
		{Name: "AWSCodePipelineCustomActionAccess", Document: `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow",
    "Action": [
      "codepipeline:AcknowledgeJob", "codepipeline:GetJobDetails", "codepipeline:PollForJobs",
      "codepipeline:PutJobFailureResult", "codepipeline:PutJobSuccessResult"
    ],
    "Resource": "*"
  }]
}`},
		{Name: "AWSCodePipeline_FullAccess", Document: `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "CodePipelineAuthoringAccess",
    "Effect": "Allow",
    "Action": [
      "codepipeline:*",
      "codebuild:BatchGetProjects", "codebuild:CreateProject", "codebuild:ListProjects",
      "codecommit:GetReferences", "codecommit:ListBranches", "codecommit:ListRepositories",
      "ecr:DescribeRepositories", "ecr:ListImages",
      "events:DescribeRule", "events:ListRules", "events:ListTargetsByRule",
      "s3:ListAllMyBuckets"
    ],
    "Resource": "*"
  }, {
    "Sid": "CodePipelineArtifactsReadWriteAccess",
    "Effect": "Allow",
    "Action": [
      "s3:CreateBucket", "s3:GetBucketVersioning", "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"
    ],
    "Resource": "arn:aws:s3::*:codepipeline-*"
  }, {
    "Sid": "CodePipelineIAMPassRole",
    "Effect": "Allow",
    "Action": "iam:PassRole",
    "Resource": "*",
    "Condition": {"StringEquals": {"iam:PassedToService": "codepipeline.amazonaws.com"}}
  }, {
    "Sid": "CodePipelineEventsReadWriteAccess",
    "Effect": "Allow",
    "Action": [
      "events:PutRule", "events:PutTargets", "events:DeleteRule", "events:DisableRule", "events:RemoveTargets"
    ],
    "Resource": "arn:aws:events:*:*:rule/codepipeline-*"
  }]
}`},
		{Name: "AWSCodePipeline_ReadOnlyAccess", Document: `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow",
    "Action": [
      "codepipeline:GetPipeline", "codepipeline:GetPipelineState", "codepipeline:GetPipelineExecution",
      "codepipeline:ListPipelineExecutions", "codepipeline:ListActionExecutions", "codepipeline:ListActionTypes",
      "codepipeline:ListPipelines", "codepipeline:ListTagsForResource"
    ],
    "Resource": "*"
  }]
}`},
	}
	for i := range list {
		list[i].ARN = managedPrefix + list[i].Name
	}
	return list
}

// managedPolicies are the policies, read once, by ARN.
var managedPolicies = sync.OnceValue(func() map[string]*Policy {
	m := map[string]*Policy{}
	for _, policy := range ManagedPolicies() {
		p, err := ParsePolicy([]byte(policy.Document))
		if err != nil {
			panic(fmt.Sprintf("managed policy %s: %v", policy.Name, err))
		}
		m[policy.ARN] = p
	}
	return m
})

// ManagedPolicyARN returns the ARN of a managed policy that is given by its ARN
// or its name.
func ManagedPolicyARN(nameOrARN string) (string, error) {
	var names []string
	for _, p := range ManagedPolicies() {
		if nameOrARN == p.ARN || nameOrARN == p.Name {
			return p.ARN, nil
		}
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return "", fmt.Errorf("%w: %q is none of %s", ErrPolicyNotFound, nameOrARN, strings.Join(names, ", "))
}
