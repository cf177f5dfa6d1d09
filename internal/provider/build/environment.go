package build

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"

	"github.com/penstock-cd/penstock/internal/buildspec"
)

// defaultPath is for a server without a PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment makes all that the build sees. Of several values of one name, the
// action's wins over the project's, that over the buildspec's, that over what
// the server passes on; what CodeBuild itself sets always wins.
func (b *build) environment(spec *buildspec.Spec) map[string]string {
	path, ok := os.LookupEnv("PATH")
	if !ok || path == "" {
		path = defaultPath
	}
	env := map[string]string{"PATH": path}
	add := func(list []Variable) {
		for _, v := range list {
			if !isName(v.Name) {
				b.log.printf("Ignoring environment variable %q: a shell cannot hold it", v.Name)
				continue
			}
			env[v.Name] = v.Value
		}
	}
	add(b.config.passed())
	for _, v := range spec.Env.Variables {
		add([]Variable{{Name: v.Name, Value: v.Value}})
	}
	add(b.order.environment)
	add(b.order.overrides)
	env["HOME"] = b.home
	maps.Copy(env, b.codeBuildVariables())
	return env
}

// codeBuildVariables are what CodeBuild sets in every build (actions.md D.10).
func (b *build) codeBuildVariables() map[string]string {
	o, a := b.order, b.order.attempt
	arn := func(kind, rest string) string {
		return fmt.Sprintf("arn:aws:%s:%s:%s:%s", kind, a.Region, a.Account, rest)
	}
	image := o.image
	if image == "" {
		image = "penstock/" + b.config.Sandbox.Name()
	}
	key := a.EncryptionKey
	if key == "" {
		key = arn("kms", "alias/aws/s3")
	}
	env := map[string]string{
		"AWS_REGION":                 a.Region,
		"AWS_DEFAULT_REGION":         a.Region,
		"CODEBUILD_BUILD_ARN":        arn("codebuild", "build/"+o.project+":"+o.id),
		"CODEBUILD_BUILD_ID":         o.project + ":" + o.id,
		"CODEBUILD_BUILD_IMAGE":      image,
		"CODEBUILD_BUILD_SUCCEEDING": "1",
		"CODEBUILD_BUILD_URL":        fmt.Sprintf("https://console.aws.amazon.com/codebuild/home?region=%s#/builds/%s:%s/view/new", a.Region, o.project, o.id),
		"CODEBUILD_CI":               "true",
		"CODEBUILD_INITIATOR":        "codepipeline/" + a.PipelineName,
		"CODEBUILD_KMS_KEY_ID":       key,
		"CODEBUILD_LAST_EXIT":        "0",
		"CODEBUILD_LOG_PATH":         o.id,
		"CODEBUILD_PROJECT_ARN":      arn("codebuild", "project/"+o.project),
		"CODEBUILD_SOURCE_REPO_URL":  b.cloneURL,
		"CODEBUILD_SRC_DIR":          b.source,
		"CODEBUILD_START_TIME":       strconv.FormatInt(b.started.UnixMilli(), 10),
	}
	for i, in := range a.Inputs {
		if i == o.primary {
			env["CODEBUILD_SOURCE_VERSION"] = fmt.Sprintf("arn:aws:s3:::%s/%s", in.Location.Bucket, in.Location.Key)
			if in.Revision != "" {
				env["CODEBUILD_RESOLVED_SOURCE_VERSION"] = in.Revision
			}
			continue
		}
		env["CODEBUILD_SRC_DIR_"+in.Name] = b.inputDirs[i]
		env["CODEBUILD_SOURCE_VERSION_"+in.Name] = ""
	}
	return env
}

// entries spells an environment out, sorted.
func entries(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}
