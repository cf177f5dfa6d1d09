package server_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/server"
)

// terraform is Terraform in a folder of its own, with the AWS provider from a
// mirror on this machine: it asks no registry.
type terraform struct {
	*bed
	dir  string
	vars []string
}

// newTerraform prepares testdata/terraform for a server.
func newTerraform(b *bed) *terraform {
	b.t.Helper()
	if testing.Short() {
		b.t.Skip("Terraform takes seconds for each command")
	}
	if _, err := exec.LookPath("terraform"); err != nil {
		b.t.Skip("Terraform is not installed")
	}
	mirror := awsMirror()
	if mirror == "" {
		b.t.Skip("no unpacked mirror of Terraform's AWS provider: PENSTOCK_TERRAFORM_MIRROR names one, as Terraform's filesystem_mirror does")
	}
	t := &terraform{bed: b, dir: b.t.TempDir()}
	main, err := os.ReadFile("testdata/terraform/main.tf")
	b.must(err)
	b.must(os.WriteFile(filepath.Join(t.dir, "main.tf"), main, 0o600))
	// No settings of whoever runs the test.
	b.must(os.WriteFile(filepath.Join(t.dir, "terraform.rc"), nil, 0o600))
	t.run("init", "-input=false", "-no-color", "-plugin-dir="+mirror)
	return t
}

// mirrorPath finds the folders in a configuration of the Terraform CLI.
var mirrorPath = regexp.MustCompile(`(?m)^\s*path\s*=\s*"([^"]+)"`)

// awsMirror finds a folder with the AWS provider: where PENSTOCK_TERRAFORM_MIRROR
// or the configuration of the Terraform CLI says, where Terraform itself looks,
// or in a folder below /opt. It is empty if there is none.
func awsMirror() string {
	candidates := []string{os.Getenv("PENSTOCK_TERRAFORM_MIRROR")}
	home, _ := os.UserHomeDir()
	for _, file := range []string{os.Getenv("TF_CLI_CONFIG_FILE"), filepath.Join(home, ".terraformrc")} {
		text, _ := os.ReadFile(file)
		for _, match := range mirrorPath.FindAllSubmatch(text, -1) {
			candidates = append(candidates, string(match[1]))
		}
	}
	candidates = append(candidates, filepath.Join(home, ".terraform.d/plugins"), filepath.Join(home, ".local/share/terraform/plugins"),
		"/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins")
	below, _ := filepath.Glob("/opt/*")
	for _, dir := range append(candidates, below...) {
		found, _ := filepath.Glob(filepath.Join(dir, "registry.terraform.io/hashicorp/aws/*/*/terraform-provider-aws*"))
		if dir != "" && len(found) > 0 {
			return dir
		}
	}
	return ""
}

// command runs Terraform and returns what it says and its exit status.
func (t *terraform) command(args ...string) (string, int) {
	t.t.Helper()
	out, err := t.toolCommand(t.dir, []string{
		"TF_DATA_DIR=" + filepath.Join(t.dir, "data"), "TF_CLI_CONFIG_FILE=" + filepath.Join(t.dir, "terraform.rc"),
		"TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1",
	}, "terraform", args...).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), exit.ExitCode()
	}
	t.must(err)
	return strings.TrimSpace(string(out)), 0
}

// run runs a command that must succeed.
func (t *terraform) run(args ...string) string {
	t.t.Helper()
	out, status := t.command(args...)
	if status != 0 {
		t.t.Fatalf("terraform %s: exit status %d\n%s", strings.Join(args, " "), status, out)
	}
	return out
}

// with is a command on the configuration with the variables.
func (t *terraform) with(command string, args ...string) []string {
	return append(append([]string{command, "-input=false", "-no-color"}, args...), t.vars...)
}

// set gives the variables of main.tf values.
func (t *terraform) set(team, branch, release string) {
	t.vars = []string{"-var=endpoint=" + t.Endpoint(), "-var=team=" + team, "-var=branch=" + branch, "-var=release=" + release}
}

// unchanged plans, and finds nothing to do.
func (t *terraform) unchanged() {
	t.t.Helper()
	if out, status := t.command(t.with("plan", "-detailed-exitcode")...); status != 0 {
		t.t.Errorf("a plan after everything was applied has exit status %d, want 0:\n%s", status, out)
	}
}

// planned plans into the file plan and returns what is to be done with each
// resource.
func (t *terraform) planned() map[string]string {
	t.t.Helper()
	planned := map[string]string{}
	for line := range strings.Lines(t.run(t.with("plan", "-out=plan", "-json")...)) {
		var message struct {
			Type   string
			Change struct {
				Action   string
				Resource struct{ Addr string }
			}
		}
		t.must(json.Unmarshal([]byte(line), &message))
		if message.Type == "planned_change" {
			planned[message.Change.Resource.Addr] = message.Change.Action
		}
	}
	return planned
}

// TestTerraform takes pipelines of both types, stage conditions, a custom action
// type and a webhook through their lives: applied, found unchanged, changed in place, destroyed.
func TestTerraform(t *testing.T) {
	t.Parallel()
	b := hookBed(t, func(c *server.Config) { c.InertTriggers = true })
	tf := newTerraform(b)
	tf.set("a", "main", "one")
	tf.run(tf.with("apply", "-auto-approve")...)
	tf.unchanged()
	tf.applied("a", "main", "one", 1)
	url := tf.run("output", "-raw", "url")
	tf.set("b", "stable", "two")
	want := map[string]string{}
	for _, address := range []string{
		"aws_codepipeline.v1", "aws_codepipeline.v2", "aws_codepipeline.regions", "aws_codepipeline.gated",
		"aws_codepipeline_custom_action_type.make", "aws_codepipeline_webhook.push",
	} {
		want[address] = "update"
	}
	if diff := cmp.Diff(want, tf.planned()); diff != "" {
		t.Errorf("planned (-want +got):\n%s", diff)
	}
	tf.run("apply", "-input=false", "-no-color", "plan")
	tf.unchanged()
	tf.applied("b", "stable", "two", 2)
	if after := tf.run("output", "-raw", "url"); after != url {
		t.Errorf("the webhook's URL was %s, is %s", url, after)
	}
	tf.run(tf.with("destroy", "-auto-approve")...)
	list, err := b.cp.ListPipelines(t.Context(), &cp.ListPipelinesInput{})
	b.must(err)
	if hooks := b.hooks(); len(list.Pipelines) != 1 || aws.ToString(list.Pipelines[0].Name) != "web" || len(hooks) != 0 {
		t.Errorf("left are pipelines %+v and webhooks %+v", list.Pipelines, hooks)
	}
}

// applied checks that the server has what main.tf says.
func (t *terraform) applied(team, branch, release string, version int32) {
	t.t.Helper()
	for name, tags := range map[string]map[string]string{
		"one": {"team": team}, "two": {"team": team, "cost": "7"},
		"webhook:push": {"team": team}, "actiontype:Custom/Build/Make/3": {"team": team},
	} {
		out, err := t.cp.ListTagsForResource(t.t.Context(), &cp.ListTagsForResourceInput{
			ResourceArn: aws.String("arn:aws:codepipeline:" + region + ":" + account + ":" + name),
		})
		t.must(err)
		got := map[string]string{}
		for _, tag := range out.Tags {
			got[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
		if diff := cmp.Diff(tags, got); diff != "" {
			t.t.Errorf("tags of %s (-want +got):\n%s", name, diff)
		}
	}
	one, err := t.cp.GetPipeline(t.t.Context(), &cp.GetPipelineInput{Name: aws.String("one")})
	t.must(err)
	two, err := t.cp.GetPipeline(t.t.Context(), &cp.GetPipelineInput{Name: aws.String("two")})
	t.must(err)
	if c := one.Pipeline.Stages[0].Actions[0].Configuration; c["Branch"] != branch || c["OAuthToken"] != "****" ||
		*one.Pipeline.Version != version || one.Pipeline.PipelineType != "V1" {
		t.t.Errorf("pipeline one is %+v", one.Pipeline)
	}
	if v := two.Pipeline.Variables; len(v) != 2 || aws.ToString(v[0].DefaultValue) != release ||
		*two.Pipeline.Version != version || two.Pipeline.PipelineType != "V2" {
		t.t.Errorf("pipeline two is %+v", two.Pipeline)
	}
	three, err := t.cp.GetPipeline(t.t.Context(), &cp.GetPipelineInput{Name: aws.String("three")})
	t.must(err)
	if p := three.Pipeline; p.ArtifactStore != nil || len(p.ArtifactStores) != 2 || len(p.Triggers) != 1 ||
		p.Triggers[0].GitConfiguration.Push[0].Branches.Includes[0] != branch || *p.Version != version {
		t.t.Errorf("pipeline three is %+v", p)
	}
	four, err := t.cp.GetPipeline(t.t.Context(), &cp.GetPipelineInput{Name: aws.String("four")})
	t.must(err)
	gate := four.Pipeline.Stages[1]
	if rules := gate.BeforeEntry.Conditions[0].Rules; len(rules) != 2 || rules[0].Configuration["Value"] != release ||
		gate.OnSuccess.Conditions[0].Rules[0].Configuration["AlarmName"] != branch || len(gate.OnFailure.Conditions[0].Rules[0].Commands) != 1 ||
		four.Pipeline.Stages[0].OnFailure.RetryConfiguration.RetryMode != types.StageRetryModeAllActions ||
		four.Pipeline.ExecutionMode != types.ExecutionModeQueued || *four.Pipeline.Version != version {
		t.t.Errorf("pipeline four is %+v", four.Pipeline)
	}
	if hooks := t.hooks(); len(hooks) != 1 || aws.ToString(hooks[0].Definition.Filters[0].MatchEquals) != "refs/heads/"+branch {
		t.t.Errorf("webhooks %+v", hooks)
	}
}
