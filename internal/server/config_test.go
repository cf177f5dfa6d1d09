package server_test

import (
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/server"
)

// TestConfigCheck breaks each rule of the configuration once.
func TestConfigCheck(t *testing.T) {
	t.Parallel()
	if err := (server.Config{}).Check(); err != nil {
		t.Errorf("the zero configuration: %v", err)
	}
	tests := map[string]server.Config{
		`account "12" is not twelve digits`:                          {Account: "12"},
		`listen "8700" is not host:port`:                             {Listen: "8700"},
		`listen ":8700" can be reached from elsewhere`:               {Listen: ":8700"},
		`listen "192.0.2.1:8700" can be reached from elsewhere`:      {Listen: "192.0.2.1:8700"},
		`listen "[::]:8700" can be reached from elsewhere`:           {Listen: "[::]:8700"},
		"rootAccessKeyId and rootSecretAccessKey are given together": {RootAccessKeyID: "AKIA"},
		`database "mysql://****@host/db" is no postgres:// address`:  {Database: "mysql://me:secret@host/db"},
		`connection "*" has no url`:                                  {Connections: map[string]server.Connection{"*": {}}},
		`connection "*": `:                                           {Connections: map[string]server.Connection{"*": {URL: "ext::sh -c id"}}},
		"codeCommit: ":                                               {CodeCommit: "git://example.com"},
		`logLevel: "loud" is none of debug, info, warn and error`:    {LogLevel: "loud"},
		`logFormat "xml" is neither text nor json`:                   {LogFormat: "xml"},
		"historyDays -1 is negative":                                 {HistoryDays: -1},
		"quotas.pipelines -1 is negative":                            {Quotas: server.Quotas{Pipelines: -1}},
		"quotas.customActionTypes -1 is negative":                    {Quotas: server.Quotas{CustomActionTypes: -1}},
		"quotas.configurationValue -1 is negative":                   {Quotas: server.Quotas{ConfigurationValue: -1}},
		"quotas.webhooks -1 is negative":                             {Quotas: server.Quotas{Webhooks: -1}},
		`cloudWatch.endpoint "cloudwatch" is no URL`:                 {CloudWatch: server.CloudWatch{Endpoint: "cloudwatch"}},
		"cloudWatch.accessKeyId and cloudWatch.secretAccessKey are":  {CloudWatch: server.CloudWatch{AccessKeyID: "AKIA"}},
		"s3.accessKeyId and s3.secretAccessKey are":                  {S3: server.ExternalS3{AccessKeyID: "AKIA"}},
		`s3.endpoint "s3" is no URL`:                                 {S3: server.ExternalS3{Endpoint: "s3"}},
		`region "mars" has not the form of a region`:                 {Region: "mars"},
		`region "eu-west-1/x" has not the form`:                      {Region: "eu-west-1/x"},
		`region "Eu-West-1" has not the form`:                        {Region: "Eu-West-1"},
		`function "f": its timeout of 1000 seconds is not between 0 and 900`: {
			Functions: map[string]server.Function{"f": {Command: []string{"x"}, Timeout: 1000}},
		},
		"passEnvironment: ": {PassEnvironment: []string{"AWS_SECRET_ACCESS_KEY"}},
	}
	for want, c := range tests {
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, listen := range []string{"localhost:1", "127.0.0.1:0", "127.8.9.10:1", "[::1]:1"} {
		if err := (server.Config{Listen: listen}).Check(); err != nil {
			t.Errorf("%s: %v", listen, err)
		}
	}
	for _, region := range []string{"eu-west-1", "us-gov-east-1", "local-1", "cn-north-1", "us-iso-b-1", "mars2-north-10"} {
		if err := (server.Config{Region: region}).Check(); err != nil {
			t.Errorf("%s: %v", region, err)
		}
	}
	// Everything that is wrong is told at once.
	err := (server.Config{Account: "x", LogLevel: "loud"}).Check()
	if err == nil || !strings.Contains(err.Error(), "account") || !strings.Contains(err.Error(), "logLevel") {
		t.Errorf("two mistakes: %v", err)
	}
}

func TestRedactURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                                          "",
		"/var/lib/penstock":                         "/var/lib/penstock",
		"postgres://host/db":                        "postgres://host/db",
		"postgres://me:secret@host/db":              "postgres://****@host/db",
		"postgres://me:sec/ret@host/db":             "postgres://****@host/db",
		"postgres://me:sec@ret@host/db":             "postgres://****@host/db",
		"postgres://host/db?password=secret&x=1":    "postgres://host/db?****",
		"postgres://me:sec?ret@host/db":             "postgres://****",
		"postgres://me:secret@host/db?password=p@w": "postgres://****",
	} {
		if got := server.RedactURL(address); got != want {
			t.Errorf("%s is shown as %s, want %s", address, got, want)
		}
	}
}
