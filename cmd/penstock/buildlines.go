package main

import (
	"regexp"
	"strings"
)

var buildLine = regexp.MustCompile(`^\[Container\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d+ (.*)$`)

// buildSays takes the time from a line with which a build tells of itself; ok is
// false for what its commands wrote.
func buildSays(text string) (said string, ok bool) {
	match := buildLine.FindStringSubmatch(text)
	if match == nil {
		return "", false
	}
	return match[1], true
}

// routine are the lines that every build writes and that tell nothing new to
// whoever sits in front of it.
var routine = regexp.MustCompile(`^(` + strings.Join([]string{
	`Running on Penstock, sandbox \S+`,
	`Phase is DOWNLOAD_SOURCE`,
	`CODEBUILD_SRC_DIR\w*=.*`,
	`YAML location is .*`,
	`YAML is given by the action or the project`,
	`Processing environment variables`,
	`No runtime version selected in buildspec\.`,
	`Moving to directory .*`,
	`Cache is not defined in the buildspec`,
	`Phases found in YAML: \d+`,
	` [A-Z_]+: \d+ commands`,
	`Entering phase [A-Z_]+`,
	`Phase complete: [A-Z_]+ State: [A-Z_]+`,
	// The failed command, and the end of the action, say this too.
	`Phase context status code: (COMMAND_EXECUTION_ERROR)? Message: (Error while executing command: .*)?`,
	`Expanding base directory path: .*`,
	`Assembling file list`,
	`Expanding file paths for base directory .*`,
	`Expanding .*`,
	`Found \d+ file\(s\)`,
}, "|") + `)$`)

// bookkeeping reports whether a build says only what every build says.
func bookkeeping(said string) bool { return routine.MatchString(said) }
