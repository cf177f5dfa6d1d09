package server

import (
	"fmt"
	"strconv"
)

// Scalar is a field of Config that is also a flag and an environment variable.
type Scalar struct {
	// Name is the key in the YAML file.
	Name string
	Flag string
	Env  string
	Help string
	// Pointer returns the field's address: a *string, a *bool or an *int.
	Pointer func(*Config) any
}

// Scalars lists every scalar field of Config.
func Scalars() []Scalar {
	return []Scalar{
		{"listen", "listen", "PENSTOCK_LISTEN", `address to listen on (default "127.0.0.1:8700")`, func(c *Config) any { return &c.Listen }},
		{"allowRemote", "allow-remote", "PENSTOCK_ALLOW_REMOTE", "permit an address that others can reach, without TLS", func(c *Config) any { return &c.AllowRemote }},
		{"data", "data", "PENSTOCK_DATA", `directory of all state (default "penstock-data")`, func(c *Config) any { return &c.Data }},
		{"database", "database", "PENSTOCK_DATABASE", "postgres:// address; without it SQLite in the data directory", func(c *Config) any { return &c.Database }},
		{"account", "account", "PENSTOCK_ACCOUNT", `twelve-digit account (default "000000000000")`, func(c *Config) any { return &c.Account }},
		{"region", "region", "PENSTOCK_REGION", `home region (default "us-east-1")`, func(c *Config) any { return &c.Region }},
		{"rootAccessKeyId", "root-access-key-id", "PENSTOCK_ROOT_ACCESS_KEY_ID", "root access key; without it one is made on the first start", func(c *Config) any { return &c.RootAccessKeyID }},
		{"rootSecretAccessKey", "root-secret-access-key", "PENSTOCK_ROOT_SECRET_ACCESS_KEY", "secret of the root access key", func(c *Config) any { return &c.RootSecretAccessKey }},
		{"codeCommit", "code-commit", "PENSTOCK_CODE_COMMIT", "base URL or directory of CodeCommit repositories", func(c *Config) any { return &c.CodeCommit }},
		{"historyDays", "history-days", "PENSTOCK_HISTORY_DAYS", "days that executions and their logs are kept (default 365)", func(c *Config) any { return &c.HistoryDays }},
		{"logLevel", "log-level", "PENSTOCK_LOG_LEVEL", "debug, info, warn or error (default \"info\")", func(c *Config) any { return &c.LogLevel }},
	}
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
