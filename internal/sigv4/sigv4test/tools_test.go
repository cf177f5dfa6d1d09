package sigv4test

import "testing"

func TestTooOld(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"aws-cli/1.45.11 Python/3.11.7 Linux/6.18 botocore/1.43.11\n": "",
		"aws-cli/1.29.0 Python/3.8":                                   "",
		"aws-cli/2.13.0 Python/3.11":                                  "",
		"aws-cli/2.31.4 Python/3.13":                                  "",
		"aws-cli/3.0.1 Python/3.14":                                   "",
		"aws-cli/2.9.19 Python/3.11.2 Linux/6.1":                      "the AWS CLI 2.9.19 is too old: needs 1.29 or 2.13, for AWS_ENDPOINT_URL",
		"aws-cli/2.12.7 Python/3.11":                                  "the AWS CLI 2.12.7 is too old: needs 1.29 or 2.13, for AWS_ENDPOINT_URL",
		"aws-cli/1.28.9 Python/3.8":                                   "the AWS CLI 1.28.9 is too old: needs 1.29 or 2.13, for AWS_ENDPOINT_URL",
		"nonsense":                                                    `the AWS CLI has no version that can be read: "nonsense"`,
	} {
		if got := cliTooOld(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
	for version, want := range map[string]string{
		"1.28.0\n": "", "1.43.11": "", "2.0.0": "",
		"1.26.27": "boto3 1.26.27 is too old: needs 1.28, for AWS_ENDPOINT_URL",
	} {
		if got := boto3TooOld(version); got != want {
			t.Errorf("%q: %q, want %q", version, got, want)
		}
	}
}
