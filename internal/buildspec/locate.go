package buildspec

import (
	"regexp"
	"strings"
)

// DefaultFile is the buildspec of a source whose project and action name none.
const DefaultFile = "buildspec.yml"

// Place says what kind of thing a buildspec setting names.
type Place int

// The places of a buildspec.
const (
	// PlaceFile is a path below the primary source.
	PlaceFile Place = iota
	// PlaceInline is the text itself.
	PlaceInline
	// PlaceS3 is the ARN of an object.
	PlaceS3
)

// inlineStart is how a text of one line begins.
var inlineStart = regexp.MustCompile(`^["']?version["']?\s*:`)

// Locate tells what the setting of an action or a project means. An empty
// setting is the default file.
func Locate(setting string) (Place, string) {
	trimmed := strings.TrimSpace(setting)
	switch {
	case trimmed == "":
		return PlaceFile, DefaultFile
	case strings.HasPrefix(trimmed, "arn:"):
		return PlaceS3, trimmed
	case strings.ContainsAny(trimmed, "\n\r"), inlineStart.MatchString(trimmed), strings.HasPrefix(trimmed, "{"):
		return PlaceInline, setting
	default:
		return PlaceFile, trimmed
	}
}
