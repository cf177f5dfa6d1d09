package iam_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/penstock-cd/penstock/internal/iam"
)

// FuzzPolicy reads any document and asks it any question.
func FuzzPolicy(f *testing.F) {
	for _, p := range iam.ManagedPolicies() {
		f.Add(p.Document, "codepipeline:GetPipeline", pipelineARN, "aws:username", "alice")
	}
	f.Add(statement(`"Effect":"Deny","NotAction":["a:*?","*"],"NotResource":"arn:*","Condition":{"ForAllValues:StringLikeIfExists":{"aws:TagKeys":["*a*","${aws:x, 'y'}"]}}`),
		"a:b", "arn:aws:s3:::b/k", "aws:TagKeys", "xax")
	f.Add(statement(`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2026"},"NumericEquals":{"a:b":1e3},"NotIpAddress":{"aws:SourceIp":"::/0"},"Null":{"a:c":true}}`),
		"a:b", "*", "a:b", "1000")
	f.Add(`{"Version":"2012-10-17","Version":"2008-10-17"}`, "", "", "", "")
	f.Add(`{"Statement":[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]}`, "", "", "", "")
	denyAll, err := iam.ParsePolicy([]byte(statement(`"Effect":"Deny","Action":"*","Resource":"*"`)))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, document, action, resource, key, value string) {
		p, err := iam.ParsePolicy([]byte(document))
		if err != nil {
			if p != nil {
				t.Errorf("a refused document is a policy")
			}
			return
		}
		r := iam.Request{Action: action, Resource: resource, Context: map[string][]string{key: {value}}}
		got := iam.Evaluate([]*iam.Policy{p}, r)
		if twice := iam.Evaluate([]*iam.Policy{p, p}, r); twice != got {
			t.Errorf("decision %d, with the policy twice %d", got, twice)
		}
		if all := iam.Evaluate([]*iam.Policy{p, denyAll}, r); all != iam.Denied {
			t.Errorf("decision %d although everything is denied", all)
		}
		upper := strings.ToUpper(key)
		r.Context = map[string][]string{upper: {value}}
		// Some letters have no way back.
		if back := strings.ToLower(upper); back == strings.ToLower(key) && iam.Evaluate([]*iam.Policy{p}, r) != got {
			t.Errorf("the case of the key %q matters", key)
		}
	})
}

// FuzzLike compares wildcards with regular expressions.
func FuzzLike(f *testing.F) {
	for _, seed := range [][2]string{
		{"*", ""}, {"?", ""}, {"?", "é"}, {"a*b*c", "aXbXbXc"}, {"*a?", "aab"}, {"**?", "x"}, {"a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaa"}, {"[a-z].\\d", "q"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(text) {
			return // JSON cannot hold such a pattern, nor a request such a text
		}
		if len(pattern) > 200 {
			return // compiling the expression takes longer than it shows anything more
		}
		quoted, err := json.Marshal(pattern)
		if err != nil {
			t.Fatal(err)
		}
		p, err := iam.ParsePolicy([]byte(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"a:b":` + string(quoted) + `}}}}`))
		if err != nil {
			t.Fatalf("pattern %q: %v", pattern, err)
		}
		expression := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile(`(?s)^` + expression + `$`).MatchString(text)
		got := iam.Evaluate([]*iam.Policy{p}, iam.Request{Action: "a:b", Resource: "*", Context: map[string][]string{"a:b": {text}}}) == iam.Allowed
		if got != want {
			t.Errorf("%q is like %q: %v, want %v", text, pattern, got, want)
		}
	})
}
