// Package sigv4test finds the tools of others that sign requests to a server under
// test. Those that are too old to be led by AWS_ENDPOINT_URL count as absent: they
// would talk to AWS.
package sigv4test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// AWSCLI skips a test unless there is an AWS CLI that knows AWS_ENDPOINT_URL.
func AWSCLI(t testing.TB) {
	t.Helper()
	if why := cliMissing(t); why != "" {
		t.Skip(why)
	}
}

// Boto3 skips a test unless python3 has a boto3 that knows AWS_ENDPOINT_URL.
func Boto3(t testing.TB) {
	t.Helper()
	if why := boto3Missing(t); why != "" {
		t.Skip(why)
	}
}

func cliMissing(t testing.TB) string {
	if _, err := exec.LookPath("aws"); err != nil {
		return "the AWS CLI is not installed"
	}
	out, err := exec.CommandContext(t.Context(), "aws", "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("aws --version: %v\n%s", err, out)
	}
	return cliTooOld(string(out))
}

// cliTooOld judges what "aws --version" says.
func cliTooOld(said string) string {
	return tooOld("the AWS CLI", strings.TrimPrefix(strings.TrimSpace(said), "aws-cli/"), [3]int{1, 29}, [3]int{2, 13})
}

func boto3Missing(t testing.TB) string {
	out, err := exec.CommandContext(t.Context(), "python3", "-c", "import boto3; print(boto3.__version__)").CombinedOutput()
	if err != nil {
		return fmt.Sprintf("boto3 is not installed: %v %s", err, out)
	}
	return boto3TooOld(string(out))
}

// boto3TooOld judges a version of boto3.
func boto3TooOld(version string) string {
	return tooOld("boto3", strings.TrimSpace(version), [3]int{1, 28})
}

var versionPattern = regexp.MustCompile(`^(\d+)\.(\d+)\.(\d+)`)

// tooOld says why a version is not good enough, with the least good one of each
// major version; "" if it is.
func tooOld(tool, version string, least ...[3]int) string {
	parts := versionPattern.FindStringSubmatch(version)
	if parts == nil {
		return fmt.Sprintf("%s has no version that can be read: %q", tool, version)
	}
	var have [3]int
	for i := range have {
		have[i], _ = strconv.Atoi(parts[i+1])
	}
	var needs []string
	newer := true
	for _, l := range least {
		if have[0] <= l[0] {
			newer = false
		}
		if have[0] == l[0] && have[1] >= l[1] {
			return ""
		}
		needs = append(needs, fmt.Sprintf("%d.%d", l[0], l[1]))
	}
	if newer {
		return ""
	}
	return fmt.Sprintf("%s %s is too old: needs %s, for AWS_ENDPOINT_URL", tool, parts[0], strings.Join(needs, " or "))
}
