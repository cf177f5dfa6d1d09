package provider

import (
	"time"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// builtin is one built-in action type as the tables below write it.
type builtin struct {
	category string
	provider string
	inputs   pipeline.ArtifactBounds
	outputs  pipeline.ArtifactBounds
	// properties are names separated by spaces, in CodePipeline's order. Behind
	// a name stand its marks: * is required, - is no key, ! is secret.
	properties string
	entity     string // entityUrlTemplate
	execution  string // executionUrlTemplate
	revision   string // revisionUrlTemplate
	timeout    time.Duration
	v2         bool
	owner      string // AWS unless set
}

type bounds = pipeline.ArtifactBounds

// The beginnings of URL templates. {region} is shown filled in; {Console} and
// {Region} are shown as they stand (observed.md 4).
const (
	console    = "https://console.aws.amazon.com"
	day        = 24 * time.Hour
	connection = "https://{region}.console.aws.amazon.com/codesuite/settings/connections/redirect?connectionArn={Config:ConnectionArn}&referenceType="
)

// sourceTypes are the types that fetch source.
func sourceTypes() []builtin {
	return []builtin{
		{
			provider: "S3", outputs: bounds{Min: 1, Max: 1},
			properties: "S3Bucket* S3ObjectKey* PollForSourceChanges AllowOverrideForS3ObjectKey",
			entity:     console + "/s3/home?region={region}#",
		},
		{
			provider: "CodeCommit", outputs: bounds{Min: 1, Max: 1},
			properties: "RepositoryName* BranchName* PollForSourceChanges OutputArtifactFormat",
			entity:     console + "/codecommit/home?region={region}#/repository/{Config:RepositoryName}/browse/{Config:BranchName}/--/",
			revision:   console + "/codecommit/home?region={region}#/repository/{Config:RepositoryName}/commit/{RevisionId}",
		},
		{
			provider: "ECR", outputs: bounds{Min: 1, Max: 1},
			properties: "RepositoryName* ImageTag",
			entity:     console + "/ecs/home?region={region}#/repositories/{Config:RepositoryName}#images;tagStatus=ALL",
		},
		{
			provider: "CodeStarSourceConnection", outputs: bounds{Min: 1, Max: 1},
			properties: "ConnectionArn* FullRepositoryId* BranchName* OutputArtifactFormat DetectChanges",
			entity:     connection + "BRANCH&FullRepositoryId={Config:FullRepositoryId}&Branch={Config:BranchName}",
			revision:   connection + "COMMIT&FullRepositoryId={Config:FullRepositoryId}&Commit={RevisionId}",
		},
		{
			owner: pipeline.OwnerThirdParty, provider: "GitHub", outputs: bounds{Min: 1, Max: 1},
			properties: "Owner* Repo* Branch* OAuthToken*-! PollForSourceChanges",
			entity:     "https://github.com/{Config:Owner}/{Config:Repo}/tree/{Config:Branch}",
			revision:   "https://github.com/{Config:Owner}/{Config:Repo}/commit/{RevisionId}",
		},
	}
}

// CodeBuild is a builder and a tester; the tester has no BuildspecOverride.
const (
	codeBuildEntity    = console + "/codebuild/home?region={region}#/projects/{Config:ProjectName}/view"
	codeBuildExecution = console + "/codebuild/home?region={region}#/builds/{ExternalExecutionId}/view/new"
)

// buildTypes are the types that build, compute and test.
func buildTypes() []builtin {
	return []builtin{
		{
			category: pipeline.CategoryBuild, provider: "CodeBuild", inputs: bounds{Min: 1, Max: 5}, outputs: bounds{Max: 5},
			properties: "ProjectName* EnvironmentVariables- PrimarySource BuildspecOverride- BatchEnabled- CombineArtifacts- ServiceRoleArnOverride-",
			entity:     codeBuildEntity, execution: codeBuildExecution, timeout: 36 * time.Hour,
		},
		{
			category: pipeline.CategoryTest, provider: "CodeBuild", inputs: bounds{Min: 1, Max: 5}, outputs: bounds{Max: 5},
			properties: "ProjectName* EnvironmentVariables- PrimarySource BatchEnabled- CombineArtifacts- ServiceRoleArnOverride-",
			entity:     codeBuildEntity, execution: codeBuildExecution, timeout: 8 * time.Hour,
		},
		{
			category: pipeline.CategoryBuild, provider: "ECRBuildAndPublish", inputs: bounds{Min: 1, Max: 1}, v2: true,
			properties: "ECRRepositoryName* ImageTags DockerFilePath RegistryType",
		},
		{
			category: pipeline.CategoryCompute, provider: "Commands", inputs: bounds{Max: 10}, outputs: bounds{Max: 1}, v2: true,
			properties: "VpcId Subnets SecurityGroupIds EnvironmentType ComputeType", timeout: 55 * time.Minute,
		},
		{
			category: pipeline.CategoryTest, provider: "DeviceFarm", inputs: bounds{Min: 1, Max: 1},
			properties: "ProjectId* DevicePoolArn* AppType* App TestType* Test AdditionalData FuzzEventCount FuzzEventThrottle FuzzRandomizerSeed " +
				"CustomHostMachineArtifacts CustomDeviceArtifacts UnmeteredDevicesOnly JobTimeoutMinutes Latitude Longitude RadioBluetoothEnabled " +
				"RadioGpsEnabled RadioNfcEnabled RadioWifiEnabled RecordAppPerformanceData RecordVideo TestSpec",
			entity:    "https://us-west-2.console.aws.amazon.com/devicefarm/home#/projects/{Config:ProjectId}/runs",
			execution: "https://us-west-2.console.aws.amazon.com/devicefarm/home#/projects/{Config:ProjectId}/runs/{ExternalExecutionId}",
			timeout:   8 * time.Hour,
		},
	}
}

// invokeTypes are manual approvals and the types that call something.
func invokeTypes() []builtin {
	return []builtin{
		{
			category: pipeline.CategoryApproval, provider: "Manual",
			properties: "NotificationArn- ExternalEntityLink- CustomData- IsSummaryRequired-",
			entity:     "{Config:ExternalEntityLink}", timeout: 7 * day,
		},
		{
			category: pipeline.CategoryInvoke, provider: "Lambda", inputs: bounds{Max: 5}, outputs: bounds{Max: 5},
			properties: "FunctionName* UserParameters",
			entity:     console + "/lambda/home?region={region}#/functions/{Config:FunctionName}",
			execution:  console + "/cloudwatch/home?region={region}#logStream:group=%252Faws%252Flambda%252F{Config:FunctionName}",
			timeout:    day,
		},
		{
			category: pipeline.CategoryInvoke, provider: "StepFunctions", inputs: bounds{Max: 1}, outputs: bounds{Max: 1},
			properties: "StateMachineArn* ExecutionNamePrefix InputType Input",
			entity:     console + "/states/home?region={region}#/statemachines/view/{Config:StateMachineArn}",
			execution:  console + "/states/home?region={region}#/executions/details/{ExternalExecutionId}",
			timeout:    7 * day,
		},
		{
			category: pipeline.CategoryInvoke, provider: "CodePipeline", v2: true,
			properties: "PipelineName* SourceRevisions Variables",
		},
		{
			category: pipeline.CategoryInvoke, provider: "InspectorScan", inputs: bounds{Max: 1}, outputs: bounds{Min: 1, Max: 1},
			properties: "InspectorRunMode* ECRRepositoryName ImageTag CriticalThreshold HighThreshold MediumThreshold LowThreshold",
		},
	}
}

// CodeDeploy and CodeDeployToECS link to the same pages.
const (
	codeDeployEntity    = console + "/codedeploy/home?region={region}#/applications/{Config:ApplicationName}"
	codeDeployExecution = console + "/codedeploy/home?region={region}#/deployments/{ExternalExecutionId}"
	beanstalk           = console + "/elasticbeanstalk/home?region={region}#/application/overview?applicationName={Config:ApplicationName}"
	lambdaFunction      = "{Console}/lambda/home?region={Region}#/functions/{Config:FunctionName}"
	stackSets           = console + "/cloudformation/home?region={region}#/stacksets"
)

// deployTypes are the types that deploy, but for stacks.
func deployTypes() []builtin {
	return []builtin{
		{
			provider: "S3", inputs: bounds{Min: 1, Max: 1},
			properties: "BucketName* ObjectKey KMSEncryptionKeyARN Extract* CannedACL CacheControl",
			entity:     console + "/s3/buckets/{Config:BucketName}/?region={region}&tab=overview", timeout: 90 * time.Minute,
		},
		{
			provider: "CodeDeploy", inputs: bounds{Min: 1, Max: 1},
			properties: "ApplicationName* DeploymentGroupName*",
			entity:     codeDeployEntity, execution: codeDeployExecution, timeout: 5 * day,
		},
		{
			provider: "CodeDeployToECS", inputs: bounds{Min: 1, Max: 5},
			properties: "ApplicationName* DeploymentGroupName* TaskDefinitionTemplateArtifact*- TaskDefinitionTemplatePath- " +
				"AppSpecTemplateArtifact*- AppSpecTemplatePath- Image1ContainerName- Image1ArtifactName- Image2ContainerName- Image2ArtifactName- " +
				"Image3ContainerName- Image3ArtifactName- Image4ContainerName- Image4ArtifactName-",
			entity: codeDeployEntity, execution: codeDeployExecution, timeout: 5 * day,
		},
		{
			provider: "ECS", inputs: bounds{Min: 1, Max: 1},
			properties: "ClusterName* ServiceName* FileName- DeploymentTimeout-",
			entity:     console + "/ecs/home?region={region}#/clusters/{Config:ClusterName}/services/{Config:ServiceName}/details",
			execution:  console + "/ecs/home?region={region}#/clusters/{Config:ClusterName}/services/{Config:ServiceName}/deployments",
		},
		{
			provider: "ElasticBeanstalk", inputs: bounds{Min: 1, Max: 1},
			properties: "ApplicationName* EnvironmentName*",
			entity:     beanstalk, execution: beanstalk,
		},
		{
			provider: "AppConfig", inputs: bounds{Min: 1, Max: 1},
			properties: "Application* Environment* ConfigurationProfile* DeploymentStrategy*- InputArtifactConfigurationPath*",
			entity:     console + "/systems-manager/appconfig/applications/{Config:Application}/environments/{Config:Environment}?region={region}",
			execution:  console + "/systems-manager/appconfig/{ExternalExecutionId}/details?region={region}",
		},
		{
			provider: "EC2", inputs: bounds{Min: 1, Max: 1}, v2: true,
			properties: "InstanceType* InstanceTagKey* InstanceTagValue- MaxBatch- MaxError- TargetGroupNameList- PreScript- PostScript- TargetDirectory- DeploySpec-",
		},
		{
			provider: "EKS", inputs: bounds{Min: 1, Max: 1}, v2: true,
			properties: "ClusterName* HelmReleaseName HelmChartLocation HelmValuesFiles ManifestFiles KustomizationDirectory Namespace Subnets SecurityGroupIds",
			entity:     "{Console}/eks/home?region={Region}#/clusters/{Config:ClusterName}",
		},
		{
			provider: "Lambda", inputs: bounds{Max: 1}, v2: true,
			properties: "FunctionName* FunctionAlias PublishedTargetVersion- DeployStrategy- Alarms-",
			entity:     lambdaFunction, execution: lambdaFunction,
		},
		{
			provider: "ServiceCatalog", inputs: bounds{Min: 1, Max: 1},
			properties: "ConfigurationFilePath ProductId* ProductVersionName ProductVersionDescription ProductType TemplateFilePath",
			entity:     console + "/servicecatalog/home?region={region}#admin-products/{Config:ProductId}",
			execution:  console + "/servicecatalog/home?region={region}#admin-products/{Config:ProductId}/version/{ExternalExecutionId}",
		},
		{
			provider: "OpsWorks", inputs: bounds{Min: 1, Max: 1},
			properties: "DeploymentType* StackId* AppId LayerId",
			entity:     console + "/opsworks/home?region={region}#/stack/{Config:StackId}",
			execution:  console + "/opsworks/home?region={region}#/stack/{Config:StackId}/deployments/{ExternalExecutionId}",
		},
		{
			owner: pipeline.OwnerThirdParty, provider: "AlexaSkillsKit", inputs: bounds{Min: 1, Max: 2},
			properties: "ClientId* ClientSecret*-! RefreshToken*-! SkillId*",
		},
	}
}

// stackTypes are the types that deploy stacks.
func stackTypes() []builtin {
	return []builtin{
		{
			provider: "CloudFormation", inputs: bounds{Max: 10}, outputs: bounds{Max: 1},
			properties: "ActionMode* StackName* ChangeSetName TemplatePath TemplateConfiguration ParameterOverrides OutputFileName Capabilities RoleArn",
			entity:     console + "/cloudformation/home?region={region}#/",
			execution:  console + "/cloudformation/home?region={region}#/{ExternalExecutionId}", timeout: 3 * day,
		},
		{
			provider: "CloudFormationStackSet", inputs: bounds{Min: 1, Max: 3},
			properties: "StackSetName* TemplatePath* Description Parameters Capabilities PermissionModel AdministrationRoleArn ExecutionRoleName " +
				"OrganizationsAutoDeployment DeploymentTargets Regions FailureTolerancePercentage MaxConcurrentPercentage RegionConcurrencyType ConcurrencyMode CallAs",
			entity: stackSets, execution: stackSets + "/{Config:StackSetName}", timeout: 3 * day,
		},
		{
			provider: "CloudFormationStackInstances", inputs: bounds{Max: 2},
			properties: "StackSetName* DeploymentTargets* Regions* ParameterOverrides FailureTolerancePercentage MaxConcurrentPercentage " +
				"RegionConcurrencyType ConcurrencyMode CallAs",
			entity:    stackSets + "/{Config:StackSetName}/stacks",
			execution: stackSets + "/{Config:StackSetName}/operations/{ExternalExecutionId}", timeout: 3 * day,
		},
	}
}
