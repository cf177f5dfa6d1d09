package iam_test

import (
	"testing"

	"github.com/penstock-cd/penstock/internal/iam"
)

// BenchmarkEvaluate asks the largest managed policy and one with a variable and
// a condition on a tag.
func BenchmarkEvaluate(b *testing.B) {
	var policies []*iam.Policy
	documents := []string{statement(`"Effect":"Deny","Action":"codepipeline:Delete*","Resource":"` + arnPrefix + `${aws:username}*","Condition":{"StringEquals":{"aws:ResourceTag/team":"web"}}`)}
	for _, p := range iam.ManagedPolicies() {
		documents = append(documents, p.Document)
	}
	for _, d := range documents {
		p, err := iam.ParsePolicy([]byte(d))
		if err != nil {
			b.Fatal(err)
		}
		policies = append(policies, p)
	}
	r := iam.Request{Action: "codepipeline:GetPipeline", Resource: pipelineARN, Context: map[string][]string{
		"aws:username": {"alice"}, "aws:PrincipalArn": {"arn:aws:iam::123456789012:user/alice"}, "aws:ResourceTag/team": {"web"},
	}}
	b.ReportAllocs()
	for b.Loop() {
		if iam.Evaluate(policies, r) != iam.Allowed {
			b.Fatal("not allowed")
		}
	}
}
