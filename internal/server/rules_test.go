package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/smithy-go"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
)

// TestRulesBeyondCompile walks the table of structural rules: what the store
// keeps is broken here, with the exception and the text of the table; what
// nobody keeps is accepted. TestRules of package pipeline breaks the others.
func TestRulesBeyondCompile(t *testing.T) {
	t.Parallel()
	review := reviewStage(nil)
	withRole := reviewStage(nil)
	withRole.Actions[0].RoleArn = aws.String("arn:aws:iam::999999999999:role/elsewhere")
	minutes := gateStage("Hold")
	minutes.Actions[0].TimeoutInMinutes = aws.Int32(5)
	raw := stage("Deploy", inputs(action("Publish", "Deploy", "AWS", "S3", map[string]string{"BucketName": "site", "Extract": "false"}), "App"))
	// What breaks a rule, or would if somebody kept it.
	breaches := map[string]*types.PipelineDeclaration{
		"S10": declare("demo", pulseStage(), review),
		"S25": declare("anyRole", pulseStage(), review),
		"S26": declare("anyActionRole", pulseStage(), withRole),
		"S47": declare("oneTooMany", pulseStage(), review),
		"S48": declare("polls", sourceS3("sources", "app.zip", map[string]string{"PollForSourceChanges": "true"}), review),
		"S50": declare("minutes", pulseStage(), minutes),
		"S52": declare("raw", pulseStage(), review, raw),
	}
	// Broken only by what is refused for another reason before.
	elsewhere := map[string]string{"S43": "stage conditions are refused; see TestAdmitted of package pipeline"}
	words := strings.NewReplacer("<pipeline>", "demo", "<account>", account, "<n>", "1", "<region>", region)
	for _, rule := range pipeline.Rules() {
		breach := breaches[rule.ID]
		if rule.Keeper == pipeline.KeptByCompile || elsewhere[rule.ID] != "" {
			continue
		}
		if breach == nil {
			t.Errorf("%s is kept by %s, and no case breaks it", rule.ID, rule.Keeper)
			continue
		}
		t.Run(rule.ID, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, func(c *server.Config) {
				if rule.ID == "S47" {
					c.Quotas.Pipelines = 1
				}
			})
			b.create(declare("demo", pulseStage(), review))
			_, err := b.cp.CreatePipeline(t.Context(), &cp.CreatePipelineInput{Pipeline: breach})
			if rule.Keeper == pipeline.KeptByNobody {
				b.must(err)
				return
			}
			refused, ok := err.(*smithy.OperationError)
			if !ok || exceptionOf(err) != rule.Exception || !strings.HasSuffix(refused.Error(), ": "+words.Replace(rule.Texts[0])) {
				t.Errorf("answers %v, want %s: %s", err, rule.Exception, words.Replace(rule.Texts[0]))
			}
		})
	}
}

// TestUnavailableTypes declares every built-in action type that nothing carries
// out, with all that the type asks for: it is refused, never accepted and then
// green.
func TestUnavailableTypes(t *testing.T) {
	t.Parallel()
	known, err := provider.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	available, err := server.ActionTypes()
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t)
	refused := 0
	for _, kind := range known.ActionTypes() {
		if own, ok := available.ActionType(kind.ID); ok && own.Available {
			continue
		}
		refused++
		a := action("Do", types.ActionCategory(kind.ID.Category), types.ActionOwner(kind.ID.Owner), kind.ID.Provider, map[string]string{})
		a.ActionTypeId.Version = &kind.ID.Version
		for _, p := range kind.Properties {
			if p.Required {
				a.Configuration[p.Name] = "x"
			}
		}
		for range kind.Inputs.Min {
			a = inputs(a, "App")
		}
		for i := range kind.Outputs.Min {
			a = outputs(a, fmt.Sprint("Out", i))
		}
		stages := []types.StageDeclaration{pulseStage(), stage("Other", a)}
		if kind.ID.Category == pipeline.CategorySource {
			stages = []types.StageDeclaration{stage("Source", a), reviewStage(nil)}
		}
		_, err := b.cp.CreatePipeline(t.Context(), &cp.CreatePipelineInput{Pipeline: declare("refused", stages...)})
		want := fmt.Sprintf("Provider: '%s', Owner: '%s', Version: '%s') in action 'Do' is not available in region", kind.ID.Provider, kind.ID.Owner, kind.ID.Version)
		if exceptionOf(err) != "InvalidActionDeclarationException" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", kind.ID, err)
		}
	}
	if refused == 0 {
		t.Error("nothing is unavailable: this test is not needed any more")
	}
}
