package pipeline

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDeriveID(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := make(map[string]string)
	for _, entropy := range []string{"", "e", "event", "even"} {
		for _, label := range []string{"", "t", "execution", "action/1", "event"} {
			id := DeriveID([]byte(entropy), label)
			if !form.MatchString(id) {
				t.Errorf("DeriveID(%q, %q) = %q, which is no UUID of version 4", entropy, label, id)
			}
			if before, twice := seen[id]; twice {
				t.Errorf("DeriveID(%q, %q) = %s, the id of %s", entropy, label, id, before)
			}
			seen[id] = entropy + "+" + label
			if again := DeriveID([]byte(entropy), label); again != id {
				t.Errorf("DeriveID(%q, %q) = %s, then %s", entropy, label, id, again)
			}
		}
	}
	// Ids of one time stand together, and apart from what only looks like a UUID.
	for entropy, want := range map[string]string{
		"0190a1b2-c3d4-7e5f-8a6b-0123456789ab": `^0190a1b2-c3d4-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		"0190a1b2-c3d4-4e5f-8a6b-0123456789ab": `^........-....-4`,
		"0190a1bx-c3d4-7e5f-8a6b-0123456789ab": `^........-....-4`,
	} {
		one, other := DeriveID([]byte(entropy), "one"), DeriveID([]byte(entropy), "other")
		if !regexp.MustCompile(want).MatchString(one) || one == other {
			t.Errorf("DeriveID(%s) = %s and %s, want two like %s", entropy, one, other, want)
		}
	}
	// Stored ids were minted this way: a change here would mint others on replay.
	if got, want := DeriveID([]byte("event"), "execution"), "7ef862b6-e2cf-49d0-993f-de24b4420dce"; got != want {
		t.Errorf("DeriveID(event, execution) = %s, want %s for ever", got, want)
	}
}

func TestArtifactKey(t *testing.T) {
	t.Parallel()
	tests := []struct{ pipeline, artifact, suffix, ext, want string }{
		{"my-pipeline", "invokeOutput", "D0YHsJn", "", "my-pipeline/invokeOutp/D0YHsJn"},
		{"CodeBuild-Python-Pipeline", "SourceArtifact", "1TspnN3", ".zip", "CodeBuild-Python-Pip/SourceArti/1TspnN3.zip"},
		{"p", "a", "1TspnN3", "war", "p/a/1TspnN3.war"},
		{"12345678901234567890", "1234567890", "abcdefg", "", "12345678901234567890/1234567890/abcdefg"},
	}
	for _, test := range tests {
		if got := ArtifactKey(test.pipeline, test.artifact, test.suffix, test.ext); got != test.want {
			t.Errorf("ArtifactKey(%s, %s, %s, %s) = %s, want %s", test.pipeline, test.artifact, test.suffix, test.ext, got, test.want)
		}
	}
}

func TestArtifactSuffix(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[A-Za-z0-9]{7}$`)
	seen := make(map[string]bool)
	letters := make(map[rune]bool)
	const n = 2000
	for i := range n {
		suffix := ArtifactSuffix([]byte{byte(i), byte(i >> 8)})
		if !form.MatchString(suffix) || suffix != ArtifactSuffix([]byte{byte(i), byte(i >> 8)}) {
			t.Fatalf("suffix %q is not seven letters and digits, the same each time", suffix)
		}
		seen[suffix] = true
		for _, r := range suffix {
			letters[r] = true
		}
	}
	if got, want := ArtifactSuffix([]byte("event")), "3UAgPjZ"; got != want {
		t.Errorf("ArtifactSuffix(event) = %s, want %s for ever", got, want)
	}
	if len(seen) != n || len(letters) != 62 {
		t.Errorf("%d of %d suffixes differ, with %d of 62 characters", len(seen), n, len(letters))
	}
}

func TestARNs(t *testing.T) {
	t.Parallel()
	tests := []struct{ got, want string }{
		{PipelineARN("", "us-east-1", "123456789012", "shop"), "arn:aws:codepipeline:us-east-1:123456789012:shop"},
		{PipelineARN("aws-cn", "cn-north-1", "123456789012", "shop"), "arn:aws-cn:codepipeline:cn-north-1:123456789012:shop"},
		{StageARN("aws", "us-east-1", "1", "shop", "Build"), "arn:aws:codepipeline:us-east-1:1:shop/Build"},
		{ActionARN("aws", "us-east-1", "1", "shop", "Build", "Test"), "arn:aws:codepipeline:us-east-1:1:shop/Build/Test"},
		{WebhookARN("aws", "us-east-1", "1", "push"), "arn:aws:codepipeline:us-east-1:1:webhook:push"},
		{ActionTypeARN("aws", "us-east-1", "1", ActionTypeID{CategoryBuild, OwnerCustom, "Ours", "3"}), "arn:aws:codepipeline:us-east-1:1:actiontype:Custom/Build/Ours/3"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
		if back, err := ParseARN(test.want); err != nil || back.String() != test.want {
			t.Errorf("ParseARN(%s) = %+v, %v, which prints as %s", test.want, back, err, back)
		}
	}
}

func TestParseARNRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "shop", "arn", "arn:aws:codepipeline:us-east-1:1", "arn:aws:codepipeline:us-east-1:1:", "arn::codepipeline:us-east-1:1:shop",
		"arn:aws:s3:us-east-1:1:shop", "urn:aws:codepipeline:us-east-1:1:shop", "arn:aws:codepipeline:us-east-1:1:shop/",
		"arn:aws:codepipeline:us-east-1:1:a/b/c/d", "arn:aws:codepipeline:us-east-1:1:a//c", "arn:aws:codepipeline:us-east-1:1:webhook:",
		"arn:aws:codepipeline:us-east-1:1:webhook:a/b", "arn:aws:codepipeline:us-east-1:1:actiontype:Custom/Build/Ours", "arn:aws:codepipeline:us-east-1:1:queue:x",
		"arn:aws:codepipeline:us-east-1:1:a b",
	} {
		if a, err := ParseARN(text); err == nil || !strings.Contains(err.Error(), "parse arn") {
			t.Errorf("ParseARN(%q) = %+v, %v, want an error", text, a, err)
		}
	}
}

func TestExpandURL(t *testing.T) {
	t.Parallel()
	config := map[string]string{"Name": "app", "Empty": ""}
	tests := []struct {
		template, external, revision string
		want                         string
	}{
		{"", "x", "r", ""},
		{"https://plain", "", "", "https://plain"},
		{"{Config:Name}", "", "", "app"},
		{"{Config:Empty}", "", "", ""},
		{"{Config:Gone}", "", "", ""},
		{"https://{region}/{Region}/{Config:Name}/view", "", "", "https://eu-west-1/eu-west-1/app/view"},
		{"{Console}/x", "", "", "https://console.aws.amazon.com/x"},
		{"#/{ExternalExecutionId}", "id", "", "#/id"},
		{"#/{ExternalExecutionId}", "", "r", ""},
		{"#/{RevisionId}", "", "r", "#/r"},
		{"#/{RevisionId}", "id", "", ""},
		{"{Nonsense}", "id", "r", ""},
		{"open {Config:Name", "id", "r", ""},
	}
	for _, test := range tests {
		got, ok := ExpandURL(test.template, config, "eu-west-1", test.external, test.revision)
		if got != test.want || ok != (test.want != "") {
			t.Errorf("ExpandURL(%q, external %q, revision %q) = %q, %t, want %q", test.template, test.external, test.revision, got, ok, test.want)
		}
	}
}

func TestListedSettings(t *testing.T) {
	t.Parallel()
	s := ActionTypeSettings{"https://t/{region}", "https://e?region={region}#{Config:Name}", "{Console}/{Region}", "r"}
	want := ActionTypeSettings{"https://t/us-east-1", "https://e?region=us-east-1#{Config:Name}", "{Console}/{Region}", "r"}
	if diff := cmp.Diff(want, s.Listed("us-east-1")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	if got := OutputVariablesSize(map[string]string{"ab": "cdé", "x": ""}); got != 7 {
		t.Errorf("OutputVariablesSize = %d bytes, want 7", got)
	}
	if got := ConfigurationSize(nil); got != 0 {
		t.Errorf("ConfigurationSize(nil) = %d, want 0", got)
	}
}
