# What TestTerraform applies: pipelines of both types, one with conditions, a custom
# action type and a webhook. The variables change in the second round.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" { type = string }
variable "team" { type = string }
variable "branch" { type = string }
variable "release" { type = string }

provider "aws" {
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true

  endpoints {
    codepipeline = var.endpoint
    iam          = var.endpoint
    s3           = var.endpoint
    sts          = var.endpoint
  }
}

locals {
  role = "arn:aws:iam::111122223333:role/pipeline"
}

resource "aws_codepipeline" "v1" {
  name     = "one"
  role_arn = local.role
  tags     = { team = var.team }

  artifact_store {
    type     = "S3"
    location = "artifacts"
  }

  stage {
    name = "Source"
    action {
      name             = "Pull"
      category         = "Source"
      owner            = "ThirdParty"
      provider         = "GitHub"
      version          = "1"
      output_artifacts = ["App"]
      configuration = {
        Owner                = "octo"
        Repo                 = "site"
        Branch               = var.branch
        OAuthToken           = "ghp_s3cret"
        PollForSourceChanges = "false"
      }
    }
  }

  stage {
    name = "Gate"
    action {
      name     = "Review"
      category = "Approval"
      owner    = "AWS"
      provider = "Manual"
      version  = "1"
    }
  }
}

resource "aws_codepipeline" "v2" {
  name           = "two"
  role_arn       = local.role
  pipeline_type  = "V2"
  execution_mode = "SUPERSEDED"
  tags           = { team = var.team, cost = "7" }

  artifact_store {
    type     = "S3"
    location = "artifacts"
    encryption_key {
      id   = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
      type = "KMS"
    }
  }

  variable {
    name          = "Release"
    default_value = var.release
    description   = "What is shipped."
  }

  variable {
    name = "Target"
  }

  stage {
    name = "Source"
    action {
      name             = "Fetch"
      category         = "Source"
      owner            = "AWS"
      provider         = "S3"
      version          = "1"
      namespace        = "Source"
      output_artifacts = ["App"]
      configuration = {
        S3Bucket             = "upload"
        S3ObjectKey          = "app.zip"
        PollForSourceChanges = "false"
      }
    }
  }

  stage {
    name = "Build"
    action {
      name             = "Compile"
      category         = "Build"
      owner            = "AWS"
      provider         = "CodeBuild"
      version          = "1"
      run_order        = 1
      input_artifacts  = ["App"]
      output_artifacts = ["Site"]
      configuration    = { ProjectName = "site" }
    }
    action {
      name               = "Review"
      category           = "Approval"
      owner              = "AWS"
      provider           = "Manual"
      version            = "1"
      run_order          = 2
      timeout_in_minutes = 60
      configuration      = { CustomData = "ship #{variables.Release} to #{variables.Target}" }
    }
  }

  stage {
    name = "Deploy"
    action {
      name            = "Publish"
      category        = "Deploy"
      owner           = "AWS"
      provider        = "S3"
      version         = "1"
      region          = "eu-west-1"
      role_arn        = local.role
      input_artifacts = ["Site"]
      configuration   = { BucketName = "site", Extract = "true" }
    }
  }
}

# Stores in two regions, and a trigger, which the server keeps.
resource "aws_codepipeline" "regions" {
  name          = "three"
  role_arn      = local.role
  pipeline_type = "V2"

  artifact_store {
    type     = "S3"
    location = "artifacts"
    region   = "eu-west-1"
  }

  artifact_store {
    type     = "S3"
    location = "elsewhere"
    region   = "us-east-1"
  }

  trigger {
    provider_type = "CodeStarSourceConnection"
    git_configuration {
      source_action_name = "Clone"
      push {
        branches {
          includes = [var.branch]
          excludes = ["wip/**"]
        }
        file_paths {
          includes = ["src/**"]
        }
      }
      pull_request {
        events = ["OPEN", "UPDATED"]
        branches {
          includes = [var.branch]
        }
      }
    }
  }

  stage {
    name = "Source"
    action {
      name             = "Clone"
      category         = "Source"
      owner            = "AWS"
      provider         = "CodeStarSourceConnection"
      version          = "1"
      output_artifacts = ["App"]
      configuration = {
        ConnectionArn        = "arn:aws:codeconnections:eu-west-1:111122223333:connection/11111111-2222-3333-4444-555555555555"
        FullRepositoryId     = "octo/site"
        BranchName           = var.branch
        DetectChanges        = "false"
        OutputArtifactFormat = "CODE_ZIP"
      }
    }
  }

  stage {
    name = "Build"
    action {
      name             = "Near"
      category         = "Build"
      owner            = "AWS"
      provider         = "CodeBuild"
      version          = "1"
      input_artifacts  = ["App"]
      output_artifacts = ["Site"]
      configuration = {
        ProjectName          = "site"
        EnvironmentVariables = jsonencode([{ name = "RELEASE", value = var.release, type = "PLAINTEXT" }])
      }
    }
    action {
      name            = "Far"
      category        = "Test"
      owner           = "AWS"
      provider        = "CodeBuild"
      version         = "1"
      region          = "us-east-1"
      input_artifacts = ["App"]
      configuration   = { ProjectName = "site" }
    }
  }
}

# Stage conditions, in a queue. No rule has timeout_in_minutes: the provider, up to
# version 5.100 at least, never sends it (it looks for another type of number than its
# schema has), so that every plan wants to set it, at AWS as well (TestRuleMinutes has the server's part).
resource "aws_codepipeline" "gated" {
  name           = "four"
  role_arn       = local.role
  pipeline_type  = "V2"
  execution_mode = "QUEUED"

  artifact_store {
    type     = "S3"
    location = "artifacts"
  }

  variable {
    name          = "Release"
    default_value = "none"
  }

  stage {
    name = "Source"
    action {
      name             = "Fetch"
      category         = "Source"
      owner            = "AWS"
      provider         = "S3"
      version          = "1"
      output_artifacts = ["App"]
      configuration = {
        S3Bucket             = "upload"
        S3ObjectKey          = "app.zip"
        PollForSourceChanges = "false"
      }
    }
    on_failure {
      result = "RETRY"
      retry_configuration {
        retry_mode = "ALL_ACTIONS"
      }
    }
  }

  stage {
    name = "Gate"
    before_entry {
      condition {
        result = "FAIL"
        rule {
          name = "IsRelease"
          rule_type_id {
            category = "Rule"
            owner    = "AWS"
            provider = "VariableCheck"
            version  = "1"
          }
          configuration = {
            Variable = "#{variables.Release}"
            Operator = "EQ"
            Value    = var.release
          }
        }
        rule {
          name = "Night"
          rule_type_id {
            category = "Rule"
            provider = "DeploymentWindow"
          }
          configuration = { Cron = "* 0-30 3 ? * MON-FRI *", TimeZone = "Europe/Berlin" }
        }
      }
    }
    on_success {
      condition {
        result = "ROLLBACK"
        rule {
          name = "Quiet"
          rule_type_id {
            category = "Rule"
            provider = "CloudWatchAlarm"
            owner    = "AWS"
            version  = "1"
          }
          configuration = { AlarmName = var.branch, AlarmStates = "ALARM", WaitTime = "1" }
        }
      }
    }
    on_failure {
      condition {
        result = "ROLLBACK"
        rule {
          name            = "Look"
          commands        = ["test -f index.html"]
          input_artifacts = ["App"]
          rule_type_id {
            category = "Rule"
            owner    = "AWS"
            provider = "Commands"
            version  = "1"
          }
        }
      }
    }
    action {
      name     = "Review"
      category = "Approval"
      owner    = "AWS"
      provider = "Manual"
      version  = "1"
    }
  }
}

resource "aws_codepipeline_custom_action_type" "make" {
  category      = "Build"
  provider_name = "Make"
  version       = "3"
  tags          = { team = var.team }

  input_artifact_details {
    minimum_count = 0
    maximum_count = 5
  }

  output_artifact_details {
    minimum_count = 0
    maximum_count = 1
  }

  settings {
    entity_url_template    = "https://make.example.com/{Config:Project}"
    execution_url_template = "https://make.example.com/{Config:Project}/{ExternalExecutionId}"
  }

  configuration_property {
    name        = "Project"
    description = "The project."
    key         = true
    queryable   = true
    required    = true
    secret      = false
  }
}

resource "aws_codepipeline_webhook" "push" {
  name            = "push"
  authentication  = "GITHUB_HMAC"
  target_action   = "Pull"
  target_pipeline = aws_codepipeline.v1.name
  tags            = { team = var.team }

  authentication_configuration {
    secret_token = "s3cret-t0ken"
  }

  filter {
    json_path    = "$.ref"
    match_equals = "refs/heads/${var.branch}"
  }

  # The answers mask it.
  lifecycle {
    ignore_changes = [authentication_configuration]
  }
}

output "url" { value = aws_codepipeline_webhook.push.url }
