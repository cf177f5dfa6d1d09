package iam_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-cd/penstock/internal/iam"
)

// The oracle evaluates policies a second time, in the slowest and most obvious
// way: it works on the decoded document, replaces variables in texts, and tries
// every way a * can match. It shares nothing with the code it judges.

// The characters that mean something in a pattern, and what stands for them
// where they are meant literally.
var literally = strings.NewReplacer("*", "\ue000", "?", "\ue001", ":", "\ue002")

var oracleVariable = regexp.MustCompile(`\$\{([^}]*)\}`)

// oracleText replaces the variables of a text; ok is false if one has no value.
func oracleText(text string, with map[string][]string, variables bool) (result string, ok bool) {
	if !variables {
		return text, true
	}
	ok = true
	result = oracleVariable.ReplaceAllStringFunc(text, func(v string) string {
		inner := v[2 : len(v)-1]
		if inner == "*" || inner == "?" || inner == "$" {
			return literally.Replace(inner)
		}
		key, otherwise, hasDefault := strings.Cut(inner, ", ")
		values := oracleValues(key, with)
		switch {
		case len(values) == 1:
			return literally.Replace(values[0])
		case hasDefault:
			return literally.Replace(strings.Trim(otherwise, "'"))
		}
		ok = false
		return ""
	})
	return result, ok
}

func oracleValues(key string, with map[string][]string) []string {
	var values []string
	for name, v := range with {
		if strings.EqualFold(name, key) {
			values = append(values, v...)
		}
	}
	return values
}

// oracleGlob tries all splits.
func oracleGlob(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	if pattern[0] == '*' {
		for i := 0; i <= len(text); i++ {
			if oracleGlob(pattern[1:], text[i:]) {
				return true
			}
		}
		return false
	}
	p, t := []rune(pattern), []rune(text)
	return len(t) > 0 && (p[0] == '?' || p[0] == t[0]) && oracleGlob(string(p[1:]), string(t[1:]))
}

func oracleLike(pattern, text string) bool {
	return oracleGlob(strings.ReplaceAll(pattern, ":", "\ue002"), literally.Replace(text))
}

// oracleARN matches part by part.
func oracleARN(pattern, resource string) bool {
	if strings.Trim(pattern, "*") == "" {
		return true
	}
	p, r := strings.SplitN(pattern, ":", 6), strings.SplitN(resource, ":", 6)
	for len(p) < 6 {
		p = append(p, "*")
	}
	if len(r) != 6 {
		return false
	}
	if r[2] == "codepipeline" && strings.HasPrefix(strings.ToLower(r[5]), "actiontype:") {
		r[5] = "actiontype" + r[5][len("actiontype"):]
		if strings.HasPrefix(strings.ToLower(p[5]), "actiontype:") {
			p[5] = "actiontype" + p[5][len("actiontype"):]
		}
	}
	for i := range p {
		if !oracleLike(p[i], r[i]) {
			return false
		}
	}
	return true
}

func oracleList(v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var texts []string
	for _, v := range list {
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
		case bool:
			texts = append(texts, strconv.FormatBool(v))
		case float64:
			texts = append(texts, strconv.FormatFloat(v, 'f', -1, 64))
		}
	}
	return texts
}

// oracleFits reports whether a value of the request fits a value of the policy,
// by an operator without Not.
func oracleFits(operator, want, got string, with map[string][]string, variables bool) bool {
	switch operator {
	case "Bool":
		return strings.EqualFold(want, got)
	case "NumericEquals", "NumericLessThan", "NumericGreaterThanEquals":
		w, _ := strconv.ParseFloat(want, 64)
		g, err := strconv.ParseFloat(got, 64)
		return err == nil && (operator == "NumericEquals" && g == w || operator == "NumericLessThan" && g < w ||
			operator == "NumericGreaterThanEquals" && g >= w)
	case "ArnLike", "ArnEquals":
		text, ok := oracleText(want, with, variables)
		return ok && oracleARN(text, got)
	case "StringLike":
		text, ok := oracleText(want, with, variables)
		return ok && oracleLike(text, got)
	}
	text, ok := oracleText(want, with, variables)
	text, got = literally.Replace(text), literally.Replace(got)
	return ok && (text == got || operator == "StringEqualsIgnoreCase" && strings.EqualFold(text, got))
}

func oracleCondition(name, key string, wants []string, with map[string][]string, variables bool) bool {
	got := oracleValues(key, with)
	if name == "Null" {
		return (wants[0] == "true") == (len(got) == 0)
	}
	quantity, operator, found := strings.Cut(name, ":")
	if !found {
		quantity, operator = "", name
	}
	operator, ifExists := strings.CutSuffix(operator, "IfExists")
	negated := strings.Contains(operator, "Not")
	operator = strings.Replace(operator, "Not", "", 1)
	one := func(g string) bool {
		for _, want := range wants {
			if oracleFits(operator, want, g, with, variables) {
				return !negated
			}
		}
		return negated
	}
	if len(got) == 0 {
		switch {
		case ifExists:
			return true
		case quantity == "":
			return negated
		}
		return quantity == "ForAllValues"
	}
	yes := 0
	for _, g := range got {
		if one(g) {
			yes++
		}
	}
	if quantity == "ForAllValues" || quantity == "" && negated {
		return yes == len(got)
	}
	return yes > 0
}

func oracleStatement(st map[string]any, r iam.Request, variables bool) bool {
	anyOf := func(v any, fits func(string) bool) bool { return slices.ContainsFunc(oracleList(v), fits) }
	action := func(p string) bool {
		return oracleLike(strings.ToLower(p), strings.ToLower(r.Action))
	}
	resource := func(p string) bool {
		text, ok := oracleText(p, r.Context, variables)
		return ok && oracleARN(text, r.Resource)
	}
	if v, ok := st["Action"]; ok && !anyOf(v, action) {
		return false
	}
	if v, ok := st["NotAction"]; ok && anyOf(v, action) {
		return false
	}
	if v, ok := st["Resource"]; ok && !anyOf(v, resource) {
		return false
	}
	if v, ok := st["NotResource"]; ok && anyOf(v, resource) {
		return false
	}
	conditions, _ := st["Condition"].(map[string]any)
	for name, keys := range conditions {
		for key, wants := range keys.(map[string]any) {
			if !oracleCondition(name, key, oracleList(wants), r.Context, variables) {
				return false
			}
		}
	}
	return true
}

func oracle(documents []map[string]any, r iam.Request) iam.Decision {
	decision := iam.NotAllowed
	for _, d := range documents {
		statements, ok := d["Statement"].([]any)
		if !ok {
			statements = []any{d["Statement"]}
		}
		for _, st := range statements {
			st := st.(map[string]any)
			if !oracleStatement(st, r, d["Version"] == "2012-10-17") {
				continue
			}
			if st["Effect"] == "Deny" {
				return iam.Denied
			}
			decision = iam.Allowed
		}
	}
	return decision
}

// What documents and requests are made of: few words, so that they often meet.
var (
	actionWords   = []string{"codepipeline:GetPipeline", "codepipeline:PutApprovalResult", "s3:GetObject"}
	actionPieces  = []string{"codepipeline:", "CODEPIPELINE:", "s3:", "*:", "Get", "Put", "get", "Pipeline", "Object", "ApprovalResult", "*", "?"}
	resourceWords = []string{
		"*", "arn:aws:codepipeline:r:1:web", "arn:aws:codepipeline:r:1:web/Prod", "arn:aws:codepipeline:r:1:web/Prod/Ok",
		"arn:aws:codepipeline:r:1:*", "arn:aws:codepipeline:r:1:actiontype:Custom/Build", "arn:aws:codepipeline:r:1:webhook:web",
		"arn:aws:s3:::web/alice:1",
	}
	resourcePieces = []string{
		"web", "Prod", "Ok", "/", "*", "?", "**", "${aws:username}", "${test:k}", "${test:none, 'web'}", "${*}", "${$}", "actionType:Custom/",
		"webhook:", ":", "alice",
	}
	keyWords   = []string{"aws:username", "AWS:UserName", "test:k", "aws:TagKeys", "aws:ResourceTag/team", "test:none"}
	valueWords = []string{"alice", "Alice", "web", "*", "?", "a", "", "7", "7.5", "true", "FALSE", "arn:aws:iam::1:user/alice"}
)

func draw[T any](t *rapid.T, words []T, label string) T {
	return rapid.SampledFrom(words).Draw(t, label)
}

// pieces joins some words.
func pieces(t *rapid.T, words []string, label string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 1, 4).Draw(t, label), "")
}

func drawAction(t *rapid.T) string {
	switch draw(t, []int{0, 0, 1, 2}, "kind of action") {
	case 0:
		return draw(t, actionWords, "action")
	case 1:
		return "*"
	}
	return draw(t, actionPieces[:4], "service") + pieces(t, actionPieces[4:], "name")
}

func drawResource(t *rapid.T) string {
	switch draw(t, []int{0, 1, 1, 1, 2}, "kind of resource") {
	case 0:
		return draw(t, resourceWords, "resource")
	case 1:
		head := draw(t, []string{"arn:aws:codepipeline:r:1:", "arn:aws:codepipeline:*:*:", "arn:*:s3:::", "arn:aws:${test:k}:*:?:"}, "head")
		return head + pieces(t, resourcePieces, "tail")
	}
	return draw(t, []string{"arn:*", "arn:aws:codepipeline:*", "arn:aws:codepipeline:r:1*", "**"}, "short")
}

func drawMany(t *rapid.T, one func(*rapid.T) string) any {
	if draw(t, []bool{true, false}, "single") {
		return one(t)
	}
	list := []any{}
	for range rapid.IntRange(1, 3).Draw(t, "number") {
		list = append(list, one(t))
	}
	return list
}

func drawCondition(t *rapid.T) (operator string, wants any) {
	text := func(t *rapid.T) string {
		return draw(t, append(valueWords, "a*", "?lice", "${aws:username}", "${test:none, 'a'}", "${*}"), "value")
	}
	quantity := draw(t, []string{"", "", "", "ForAnyValue:", "ForAllValues:"}, "quantity")
	ifExists := draw(t, []string{"", "", "IfExists"}, "if exists")
	base := draw(t, []string{
		"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike", "ArnLike", "ArnNotEquals",
		"Bool", "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericGreaterThanEquals", "Null",
	}, "operator")
	switch {
	case base == "Null":
		return base, draw(t, []any{"true", "false", true}, "null")
	case base == "Bool":
		return quantity + base + ifExists, drawMany(t, func(t *rapid.T) string { return draw(t, []string{"true", "False"}, "bool") })
	case strings.HasPrefix(base, "Numeric"):
		return quantity + base + ifExists, drawMany(t, func(t *rapid.T) string { return draw(t, []string{"7", "7.5", "-1", "7e0"}, "number") })
	case strings.HasPrefix(base, "Arn"):
		return quantity + base + ifExists, drawMany(t, func(t *rapid.T) string {
			return draw(t, []string{"arn:aws:iam::1:user/alice", "arn:aws:iam::*:user/${aws:username}", "arn:aws:iam:*", "*"}, "arn")
		})
	}
	return quantity + base + ifExists, drawMany(t, text)
}

func drawDocument(t *rapid.T) map[string]any {
	d := map[string]any{}
	if version := draw(t, []string{"2012-10-17", "2012-10-17", "2008-10-17", ""}, "version"); version != "" {
		d["Version"] = version
	}
	statements := []any{}
	for range rapid.IntRange(1, 2).Draw(t, "statements") {
		st := map[string]any{
			"Effect": draw(t, []string{"Allow", "Allow", "Deny"}, "effect"),
			draw(t, []string{"Action", "Action", "NotAction"}, "action or not"):         drawMany(t, drawAction),
			draw(t, []string{"Resource", "Resource", "NotResource"}, "resource or not"): drawMany(t, drawResource),
		}
		conditions := map[string]any{}
		for range rapid.IntRange(0, 2).Draw(t, "conditions") {
			operator, wants := drawCondition(t)
			conditions[operator] = map[string]any{draw(t, keyWords, "key"): wants}
		}
		if len(conditions) > 0 {
			st["Condition"] = conditions
		}
		statements = append(statements, st)
	}
	d["Statement"] = statements
	if len(statements) == 1 && draw(t, []bool{true, false}, "no list") {
		d["Statement"] = statements[0]
	}
	return d
}

func drawRequest(t *rapid.T) iam.Request {
	with := map[string][]string{}
	for _, key := range []string{"aws:username", "test:k", "aws:TagKeys", "aws:ResourceTag/team"} {
		if n := draw(t, []int{0, 1, 1, 2}, "values of "+key); n > 0 {
			with[key] = rapid.SliceOfN(rapid.SampledFrom(valueWords), n, n).Draw(t, key)
		}
	}
	return iam.Request{Action: draw(t, actionWords, "action"), Resource: draw(t, resourceWords, "resource"), Context: with}
}

func TestEvaluateAgreesWithTheOracle(t *testing.T) {
	t.Parallel()
	seen := map[iam.Decision]int{}
	rapid.Check(t, func(t *rapid.T) {
		var documents []map[string]any
		var policies []*iam.Policy
		var texts []string
		for range rapid.IntRange(1, 2).Draw(t, "documents") {
			d := drawDocument(t)
			text, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			p, err := iam.ParsePolicy(text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			documents, policies, texts = append(documents, d), append(policies, p), append(texts, string(text))
		}
		for range 20 {
			r := drawRequest(t)
			want, got := oracle(documents, r), iam.Evaluate(policies, r)
			seen[got]++
			if got != want {
				t.Fatalf("%v\n%+v\ndecision %d, the oracle says %d", strings.Join(texts, "\n"), r, got, want)
			}
		}
	})
	for _, d := range []iam.Decision{iam.NotAllowed, iam.Allowed, iam.Denied} {
		if seen[d] == 0 {
			t.Errorf("no request got decision %d: the words never meet (%v)", d, maps.Collect(maps.All(seen)))
		}
	}
}
