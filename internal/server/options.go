package server

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Scalar is a field of Config that is also a flag and an environment variable.
type Scalar struct {
	// Name is the key in the YAML file; a dot stands for a key within a key.
	Name string
	// Flag is the name of the flag, without dashes before it, and Env that of the
	// environment variable.
	Flag string
	Env  string
	Help string
	// Secret fields are shown to nobody.
	Secret bool
	// Pointer returns the field's address: a *string, a *bool or an *int.
	Pointer func(*Config) any
}

// Scalars lists every scalar field of Config.
func Scalars() []Scalar {
	return []Scalar{
		scalar("listen", `address to listen on (default "127.0.0.1:8700")`, func(c *Config) any { return &c.Listen }),
		scalar("allowRemote", "permit an address that others can reach, without TLS", func(c *Config) any { return &c.AllowRemote }),
		scalar("data", `directory of all state (default "penstock-data")`, func(c *Config) any { return &c.Data }),
		scalar("blobs", "folder for the content of objects, artifacts and logs, shared by nodes that share a database (default: in the data directory)", func(c *Config) any { return &c.Blobs }),
		secret("database", "postgres:// address; without it SQLite in the data directory", func(c *Config) any { return &c.Database }),
		scalar("account", `twelve-digit account (default "000000000000")`, func(c *Config) any { return &c.Account }),
		scalar("region", `home region (default "us-east-1")`, func(c *Config) any { return &c.Region }),
		scalar("rootAccessKeyId", "root access key; without it one is made on the first start", func(c *Config) any { return &c.RootAccessKeyID }),
		secret("rootSecretAccessKey", "secret of the root access key", func(c *Config) any { return &c.RootSecretAccessKey }),
		scalar("codeCommit", "base URL or directory of CodeCommit repositories", func(c *Config) any { return &c.CodeCommit }),
		scalar("s3.endpoint", "URL of an S3 elsewhere for S3 sources and deployments; without it the S3 of this server", func(c *Config) any { return &c.S3.Endpoint }),
		scalar("s3.region", "region of the S3 elsewhere", func(c *Config) any { return &c.S3.Region }),
		scalar("s3.pathStyle", "put bucket names into the path, for an S3 elsewhere that needs it", func(c *Config) any { return &c.S3.PathStyle }),
		scalar("s3.accessKeyId", "access key for the S3 elsewhere", func(c *Config) any { return &c.S3.AccessKeyID }),
		secret("s3.secretAccessKey", "secret of the access key for the S3 elsewhere", func(c *Config) any { return &c.S3.SecretAccessKey }),
		scalar("cloudWatch.endpoint", "URL that CloudWatchAlarm rules ask; without it CloudWatch, as the variables and files of AWS's tools say", func(c *Config) any { return &c.CloudWatch.Endpoint }),
		scalar("cloudWatch.accessKeyId", "access key for it", func(c *Config) any { return &c.CloudWatch.AccessKeyID }),
		secret("cloudWatch.secretAccessKey", "secret of the access key for it", func(c *Config) any { return &c.CloudWatch.SecretAccessKey }),
		scalar("lambda.endpoint", "URL where functions are invoked that are not configured here; without it AWS Lambda, as the variables and files of AWS's tools say", func(c *Config) any { return &c.Lambda.Endpoint }),
		scalar("lambda.accessKeyId", "access key for it", func(c *Config) any { return &c.Lambda.AccessKeyID }),
		secret("lambda.secretAccessKey", "secret of the access key for it", func(c *Config) any { return &c.Lambda.SecretAccessKey }),
		scalar("historyDays", "days that executions and their logs are kept (default 365)", func(c *Config) any { return &c.HistoryDays }),
		scalar("inertTriggers", "permit pipelines with triggers, which are not watched", func(c *Config) any { return &c.InertTriggers }),
		scalar("quotas.pipelines", "pipelines that an account may have in a region (default 1000)", func(c *Config) any { return &c.Quotas.Pipelines }),
		scalar("quotas.customActionTypes", "custom action types that an account may have in a region (default 50)", func(c *Config) any { return &c.Quotas.CustomActionTypes }),
		scalar("quotas.concurrentExecutions", "executions of a QUEUED or PARALLEL pipeline under way at once (default 50)", func(c *Config) any { return &c.Quotas.ConcurrentExecutions }),
		scalar("quotas.configurationValue", "characters that a configuration value of an action may have (default 1000)", func(c *Config) any { return &c.Quotas.ConfigurationValue }),
		scalar("quotas.webhooks", "webhooks that an account may have in a region (default 300)", func(c *Config) any { return &c.Quotas.Webhooks }),
		scalar("logLevel", `debug, info, warn or error (default "info")`, func(c *Config) any { return &c.LogLevel }),
		scalar("logFormat", `text, or json: one object a line (default "text")`, func(c *Config) any { return &c.LogFormat }),
	}
}

// scalar derives the names of the flag and the environment variable from the
// key: s3.pathStyle is --s3-path-style and PENSTOCK_S3_PATH_STYLE.
func scalar(name, help string, pointer func(*Config) any) Scalar {
	var flag strings.Builder
	for _, r := range name {
		switch {
		case r == '.':
			flag.WriteByte('-')
		case unicode.IsUpper(r):
			flag.WriteByte('-')
			flag.WriteRune(unicode.ToLower(r))
		default:
			flag.WriteRune(r)
		}
	}
	env := "PENSTOCK_" + strings.ToUpper(strings.ReplaceAll(flag.String(), "-", "_"))
	return Scalar{Name: name, Flag: flag.String(), Env: env, Help: help, Pointer: pointer}
}

func secret(name, help string, pointer func(*Config) any) Scalar {
	s := scalar(name, help, pointer)
	s.Secret = true
	return s
}

// Show returns the field's value for people: of a secret only that there is one,
// of an address no password.
func (s Scalar) Show(c Config) string {
	switch p := s.Pointer(&c).(type) {
	case *string:
		switch {
		case *p == "" || !s.Secret:
			return RedactURL(*p)
		case strings.Contains(*p, "://"):
			return RedactURL(*p)
		}
		return "****"
	case *bool:
		return strconv.FormatBool(*p)
	case *int:
		return strconv.Itoa(*p)
	}
	return ""
}

// Set parses a text into the field.
func (s Scalar) Set(c *Config, text string) error {
	switch p := s.Pointer(c).(type) {
	case *string:
		*p = text
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*p = b
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is no whole number", text)
		}
		*p = n
	}
	return nil
}

// Copy takes the field's value from another configuration.
func (s Scalar) Copy(to, from *Config) {
	switch p := s.Pointer(to).(type) {
	case *string:
		*p = *s.Pointer(from).(*string)
	case *bool:
		*p = *s.Pointer(from).(*bool)
	case *int:
		*p = *s.Pointer(from).(*int)
	}
}
