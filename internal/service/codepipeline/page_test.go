package codepipeline

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
)

func TestPageTokens(t *testing.T) {
	t.Parallel()
	b := bind("ListPipelines", "1", "2")
	for _, after := range []string{"a", "with \x00 and ü", "1"} {
		if got, err := b.open(b.seal(after)); err != nil || got != after {
			t.Errorf("sealed %q, opened %q, %v", after, got, err)
		}
	}
	for _, other := range []binding{bind("ListPipelines", "12"), bind("ListPipelines", "1"), bind("ListPipelines", "1", "2", ""), bind("Other", "1", "2")} {
		if got, err := other.open(b.seal("a")); err == nil {
			t.Errorf("%q opened a token of %q: %q", other, b, got)
		}
	}
	if got, err := b.open(nil); err != nil || got != "" {
		t.Errorf("no token: %q, %v", got, err)
	}
	if n, err := b.openNumber(b.sealNumber(9_007_199_254_740_993)); err != nil || n != 9_007_199_254_740_993 {
		t.Errorf("opened %d, %v", n, err)
	}
	if n, err := b.openNumber(b.seal("x")); err == nil {
		t.Errorf("a number from x: %d", n)
	}
	place := dispatch.Place{ID: "01a20502-e880-7397-bbc1-df63cb302513", Seq: 12}
	if got, err := b.openPlace(b.sealPlace(place)); err != nil || got != place {
		t.Errorf("opened %v, %v; want %v", got, err, place)
	}
	for _, bad := range []string{"3", "3/", "3/x", "x/" + place.ID, place.ID} {
		if got, err := b.openPlace(b.seal(bad)); err == nil {
			t.Errorf("a place from %q: %v", bad, got)
		}
	}
}

// FuzzPageToken: whatever is given as a token is a position of this very list or
// an InvalidNextTokenException.
func FuzzPageToken(f *testing.F) {
	b := bind("ListPipelineExecutions", "p", "")
	f.Add(*b.sealNumber(7))
	f.Add(*b.seal(""))
	f.Add(*bind("ListActionExecutions", "p", "").sealNumber(7))
	for _, text := range []string{``, `{}`, `null`, `7`, `{"of":"ListPipelineExecutions","after":"1"}`, `{"after":["1"]}`} {
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(text)))
	}
	f.Add("=")
	f.Fuzz(func(t *testing.T, token string) {
		after, err := b.open(&token)
		if err != nil {
			if _, ok := errors.AsType[*wire.InvalidNextTokenException](err); !ok {
				t.Fatalf("error %v", err)
			}
			return
		}
		text, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		var inside pageToken
		if err := json.Unmarshal(text, &inside); err != nil || inside.Of != string(b) || after == "" || inside.After != after {
			t.Fatalf("opened %q as %q: %v", text, after, err)
		}
	})
}
