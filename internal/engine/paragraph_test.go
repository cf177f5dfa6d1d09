package engine_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// here marks what a scenario file has to name in one of its comments.
const here = ""

// checks are the behavioural checks of execution.md 12, and where those are tested
// that do not concern the engine.
var checks = map[string]string{
	"C1": here, "C2": here,
	"C3": "pipeline.TestC3OneStageOnly", "C4": "pipeline.TestC4SourcesAndOthersInTheirPlaces",
	"C5": "pipeline.TestC5NamesThatRepeat", "C6": "pipeline.TestC6ArtifactOfTheSameRunOrder",
	"C7": "pipeline.TestC7ArtifactOfALowerRunOrderLaterInTheList", "C8": "pipeline.TestRules, S12",
	"C9": "wire", "C10": "wire",
	"C11": here, "C12": here, "C13": here, "C14": here, "C15": here, "C16": here, "C17": here, "C18": here, "C19": here,
	"C20": here, "C21": here, "C22": here, "C23": here, "C24": here, "C25": here, "C26": here, "C27": here, "C28": here,
	"C29": here, "C30": here, "C31": here,
	"C32": "wire", "C33": "wire", "C34": "wire", "C35": "server.TestOutputVariablesTooLarge",
	"C36": "server.TestSecretConfiguration", "C37": "wire", "C38": "server.TestStartTokens",
	"C39": "server.TestPaging", "C40": "server.TestWebhooks", "C41": here,
	"C42": "dispatch.TestCustomActionTypes", "C43": "wire", "C44": "awsjson.TestFrontEnd",
}

// paragraphs are those of execution.md that are about the life of executions, and
// where those are tested that do not concern the engine.
var paragraphs = map[string]string{
	"2.1": here, "2.2": here, "2.3": here, "2.4": here, "2.5": here, "2.6": here, "2.7": here, "2.8": here, "2.9": here,
	"2.10": here, "2.11": here, "2.12": here, "2.13": "wire",
	"4.1": here, "4.2": here, "4.3": here, "4.4": here, "4.5": here, "4.6": here, "4.7": here, "4.8": here, "4.9": here,
	"5.1": "pipeline.TestGatePlan", "5.2": here, "5.3": "the providers of the rules", "5.4": here, "5.5": here,
	"6.1": here, "6.2": here, "6.3": here, "6.4": "dispatch, and pipeline.TestSizes", "6.5": "the providers of the actions",
}

// TestParagraphs holds the scenario files against the reference: every check and
// every paragraph that concerns the engine is named by one, in the comment of
// the scenario that shows it.
func TestParagraphs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	number := regexp.MustCompile(`\bC?\d+(\.\d+)?\b`)
	named := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "# ") || !cites.MatchString(firstComment(string(text))) {
			t.Errorf("the first comment of %s does not say which paragraph it shows", file)
		}
		for _, comment := range comments(string(text)) {
			for _, n := range number.FindAllString(comment, -1) {
				if strings.HasPrefix(n, "C") || strings.Contains(comment, "execution.md") {
					named[n] = true
				}
			}
		}
	}
	for _, table := range []map[string]string{checks, paragraphs} {
		for n, where := range table {
			if named[n] != (where == here) {
				t.Errorf("%s is tested in %q, and named by a scenario: %t", n, where, named[n])
			}
		}
	}
	for n := range named {
		_, check := checks[n]
		if strings.HasPrefix(n, "C") && !check {
			t.Errorf("a scenario names the check %s, which does not exist", n)
		}
	}
}

var cites = regexp.MustCompile(`(execution|observed|actions)\.md|DESIGN\.md`)

func firstComment(text string) string { return comments(text)[0] }

// comments joins the lines of each block of comments.
func comments(text string) []string {
	var list []string
	block := ""
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			block += strings.TrimPrefix(strings.TrimSpace(line), "#")
			continue
		}
		if block != "" {
			list = append(list, block)
		}
		block = ""
	}
	return append(list, block)
}
