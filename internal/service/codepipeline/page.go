package codepipeline

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/google/uuid"

	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
)

// binding ties a page token to what it continues: the operation, the pipeline
// and the filter. A token of another list is refused, not misread.
type binding string

func bind(parts ...string) binding { return binding(strings.Join(parts, "\x00")) }

// pageToken is what a token holds: where the next page begins.
type pageToken struct {
	Of    string `json:"of"`
	After string `json:"after"`
}

func (b binding) seal(after string) *string {
	text, err := json.Marshal(pageToken{Of: string(b), After: after})
	if err != nil {
		panic(err) // two strings
	}
	return some(base64.RawURLEncoding.EncodeToString(text))
}

func (b binding) sealNumber(after int64) *string { return b.seal(strconv.FormatInt(after, 10)) }

func (b binding) open(token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	bad := &wire.InvalidNextTokenException{Message: "The next token is not valid for this list. Use the token that the previous call of the same operation returned."}
	text, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil {
		return "", bad
	}
	var t pageToken
	if err := json.Unmarshal(text, &t); err != nil || t.Of != string(b) || t.After == "" {
		return "", bad
	}
	return t.After, nil
}

func (b binding) openNumber(token *string) (int64, error) {
	after, err := b.open(token)
	if err != nil || after == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(after, 10, 64)
	if err != nil {
		return 0, &wire.InvalidNextTokenException{Message: "The next token is not valid."}
	}
	return n, nil
}

// pageOf is the page size of a list: what was asked for, else the maximum.
func pageOf(asked *int32, maximum int) int {
	if asked == nil {
		return maximum
	}
	return min(int(*asked), maximum)
}

// sealPlace and openPlace are for places in lists of executions.
func (b binding) sealPlace(p dispatch.Place) *string {
	return b.seal(strconv.FormatInt(p.Seq, 10) + "/" + p.ID)
}

func (b binding) openPlace(token *string) (p dispatch.Place, err error) {
	after, err := b.open(token)
	if err != nil || after == "" {
		return p, err
	}
	seq, id, _ := strings.Cut(after, "/")
	p.ID = id
	if p.Seq, err = strconv.ParseInt(seq, 10, 64); err != nil || uuid.Validate(id) != nil {
		return p, &wire.InvalidNextTokenException{Message: "The next token is not valid."}
	}
	return p, nil
}
