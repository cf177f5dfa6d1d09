package server

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/git"
	"github.com/penstock-cd/penstock/internal/provider/build"
	"github.com/penstock-cd/penstock/internal/trigger"
)

// Config is everything a server can be told. The zero value of each field is a
// good one. It is read from a YAML file; every scalar is also a flag of "penstock
// serve" (dashes for capitals) and an environment variable (PENSTOCK_ and
// underscores), in rising order of strength.
type Config struct {
	// Listen is the address to listen on, "127.0.0.1:8700" by default. An address
	// that is not a loopback one needs AllowRemote.
	Listen string `yaml:"listen"`
	// AllowRemote permits an address that others can reach, without TLS.
	AllowRemote bool `yaml:"allowRemote"`
	// Data is the one directory of state, "penstock-data" by default.
	Data string `yaml:"data"`
	// Blobs is the folder for the content of objects, artifacts and logs, "blobs"
	// in Data by default. Nodes that share a database share it: a folder that all
	// of them see.
	Blobs string `yaml:"blobs"`
	// Database is a postgres:// address; empty is SQLite in Data.
	Database string `yaml:"database"`
	// Account is the twelve-digit account that owns everything, "000000000000"
	// by default.
	Account string `yaml:"account"`
	// Region is the home region, "us-east-1" by default. Requests name their own
	// region in their signatures.
	Region string `yaml:"region"`
	// RootAccessKeyID and RootSecretAccessKey are the root key pair; without
	// them one is made on the first start and kept in Data.
	RootAccessKeyID     string `yaml:"rootAccessKeyId"`
	RootSecretAccessKey string `yaml:"rootSecretAccessKey"`
	// Principals are those who may sign requests besides root.
	Principals []Principal `yaml:"principals"`
	// Connections map connection ARNs, or "*", to git hosts for
	// CodeStarSourceConnection sources.
	Connections map[string]Connection `yaml:"connections"`
	// CodeCommit is the base under which CodeCommit repositories are: an https or
	// ssh URL or a directory.
	CodeCommit string `yaml:"codeCommit"`
	// S3 sends S3 sources and deployments to an S3 elsewhere; empty is the S3 of
	// this server.
	S3 ExternalS3 `yaml:"s3"`
	// ArtifactStores map artifact buckets, as pipelines name them, or "*" for all
	// that this server does not have, to S3s elsewhere. Any other artifact bucket is
	// in the S3 of this server.
	ArtifactStores map[string]ArtifactStore `yaml:"artifactStores"`
	// CloudWatch is where CloudWatchAlarm rules ask; empty is AWS, or what the
	// usual variables and files of AWS's tools say.
	CloudWatch CloudWatch `yaml:"cloudWatch"`
	// Lambda is where functions are invoked that Functions does not have; empty is
	// AWS, or what the usual variables and files of AWS's tools say.
	Lambda Lambda `yaml:"lambda"`
	// Functions are Lambda functions of this machine, by name.
	Functions map[string]Function `yaml:"functions"`
	// PassEnvironment names variables of the server's environment that builds
	// see. AWS and Penstock variables are never passed.
	PassEnvironment []string `yaml:"passEnvironment"`
	// HistoryDays is how long executions, their actions and logs are kept after
	// they started; 0 is 365 days.
	HistoryDays int `yaml:"historyDays"`
	// InertTriggers permits triggers in declarations: they are kept and shown, and
	// start nothing, which every execution's log says. Without it a declaration
	// with triggers is refused.
	InertTriggers bool `yaml:"inertTriggers"`
	// Quotas bound what an account may have in a region.
	Quotas Quotas `yaml:"quotas"`
	// LogLevel is debug, info, warn or error; info by default.
	LogLevel string `yaml:"logLevel"`
	// LogFormat is text, the default, or json: one object a line.
	LogFormat string `yaml:"logFormat"`
}

// Connection is where the repositories of a connection are.
type Connection struct {
	// URL is the base: https, ssh, or a directory.
	URL string `yaml:"url"`
	// ProviderType is GitHub (the default), GitLab, Bitbucket and so on; it shows
	// in variables and summaries.
	ProviderType string `yaml:"providerType"`
	// Username and Token are credentials for https.
	Username string `yaml:"username"`
	Token    string `yaml:"token"`
	// SSHKeyFile is a private key for ssh.
	SSHKeyFile string `yaml:"sshKeyFile"`
}

// ExternalS3 is an S3 endpoint elsewhere.
type ExternalS3 struct {
	Endpoint        string `yaml:"endpoint"`
	Region          string `yaml:"region"`
	PathStyle       bool   `yaml:"pathStyle"`
	AccessKeyID     string `yaml:"accessKeyId"`
	SecretAccessKey string `yaml:"secretAccessKey"`
}

// CloudWatch is a CloudWatch endpoint elsewhere.
type CloudWatch struct {
	Endpoint        string `yaml:"endpoint"`
	AccessKeyID     string `yaml:"accessKeyId"`
	SecretAccessKey string `yaml:"secretAccessKey"`
}

// Quotas bound what an account may have in a region. A zero field is
// CodePipeline's own quota.
type Quotas struct {
	// Pipelines is the largest number of pipelines, 1000 by default.
	Pipelines int `yaml:"pipelines"`
	// CustomActionTypes is the largest number of custom action types, 50 by
	// default.
	CustomActionTypes int `yaml:"customActionTypes"`
	// ConcurrentExecutions is how many executions of a pipeline may be under way
	// in the modes QUEUED and PARALLEL, 50 by default.
	ConcurrentExecutions int `yaml:"concurrentExecutions"`
	// ConfigurationValue is the largest length of a configuration value of an
	// action, in characters, 1000 by default. It is asked of what comes in: a
	// stored pipeline is never refused.
	ConfigurationValue int `yaml:"configurationValue"`
	// Webhooks is the largest number of webhooks, 300 by default.
	Webhooks int `yaml:"webhooks"`
}

// Defaults of Config.
const (
	DefaultListen  = "127.0.0.1:8700"
	DefaultData    = "penstock-data"
	DefaultAccount = "000000000000"
	DefaultRegion  = "us-east-1"

	DefaultConfigurationValue = 1000
)

var (
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
	// regionPattern has room for regions that AWS has not: all of its end in a number.
	regionPattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*-[0-9]+$`)
)

// Effective is the configuration with the defaults in the empty fields.
func (c Config) Effective() Config { return c.withDefaults() }

// withDefaults fills the empty fields.
func (c Config) withDefaults() Config {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&c.Listen, DefaultListen)
	set(&c.Data, DefaultData)
	set(&c.Account, DefaultAccount)
	set(&c.Region, DefaultRegion)
	set(&c.LogLevel, "info")
	set(&c.LogFormat, "text")
	if c.HistoryDays == 0 {
		c.HistoryDays = 365
	}
	c.Quotas = c.Quotas.withDefaults()
	return c
}

// withDefaults fills the zero fields.
func (q Quotas) withDefaults() Quotas {
	d := dispatch.DefaultQuotas()
	return Quotas{
		Pipelines:            cmp.Or(q.Pipelines, d.Pipelines),
		CustomActionTypes:    cmp.Or(q.CustomActionTypes, d.CustomActionTypes),
		ConcurrentExecutions: cmp.Or(q.ConcurrentExecutions, d.ConcurrentExecutions),
		ConfigurationValue:   cmp.Or(q.ConfigurationValue, DefaultConfigurationValue),
		Webhooks:             cmp.Or(q.Webhooks, trigger.DefaultMaxWebhooks),
	}
}

// Check reports everything that is wrong with the configuration.
func (c Config) Check() error {
	c = c.withDefaults()
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !accountPattern.MatchString(c.Account) {
		fail("account %q is not twelve digits", c.Account)
	}
	if !regionPattern.MatchString(c.Region) {
		fail("region %q has not the form of a region, like %s or local-1", c.Region, DefaultRegion)
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		fail("listen %q is not host:port: %w", c.Listen, err)
	} else if !loopback(host) && !c.AllowRemote {
		fail("listen %q can be reached from elsewhere and there is no TLS: use a loopback address, or say allowRemote (--allow-remote)", c.Listen)
	}
	if (c.RootAccessKeyID == "") != (c.RootSecretAccessKey == "") {
		fail("rootAccessKeyId and rootSecretAccessKey are given together or not at all")
	}
	if c.Database != "" && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://") {
		fail("database %q is no postgres:// address", RedactURL(c.Database))
	}
	for _, arn := range slices.Sorted(maps.Keys(c.Connections)) {
		conn := c.Connections[arn]
		if conn.URL == "" {
			fail("connection %q has no url", arn)
		} else if err := conn.source().Remote().Check(); err != nil {
			fail("connection %q: %w", arn, err)
		}
	}
	if c.CodeCommit != "" {
		if err := (git.Remote{URL: c.CodeCommit}).Check(); err != nil {
			fail("codeCommit: %w", err)
		}
	}
	for _, service := range []struct{ key, endpoint, id, secret string }{
		{"cloudWatch", c.CloudWatch.Endpoint, c.CloudWatch.AccessKeyID, c.CloudWatch.SecretAccessKey},
		{"lambda", c.Lambda.Endpoint, c.Lambda.AccessKeyID, c.Lambda.SecretAccessKey},
		{"s3", c.S3.Endpoint, c.S3.AccessKeyID, c.S3.SecretAccessKey},
	} {
		if at := service.endpoint; at != "" {
			if u, err := url.Parse(at); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				fail("%s.endpoint %q is no URL", service.key, RedactURL(at))
			}
		}
		if (service.id == "") != (service.secret == "") {
			fail("%s.accessKeyId and %s.secretAccessKey are given together or not at all", service.key, service.key)
		}
	}
	errs = append(errs, c.checkArtifactStores()...)
	for _, name := range slices.Sorted(maps.Keys(c.Functions)) {
		if err := c.Functions[name].provided().Check(name); err != nil {
			fail("function %q: %w", name, err)
		}
	}
	if err := build.CheckPassEnv(c.PassEnvironment); err != nil {
		fail("passEnvironment: %w", err)
	}
	if err := c.checkPrincipals(); err != nil {
		errs = append(errs, err)
	}
	if c.HistoryDays < 0 {
		fail("historyDays %d is negative", c.HistoryDays)
	}
	for _, q := range []struct {
		key string
		n   int
	}{
		{"pipelines", c.Quotas.Pipelines}, {"customActionTypes", c.Quotas.CustomActionTypes},
		{"concurrentExecutions", c.Quotas.ConcurrentExecutions},
		{"configurationValue", c.Quotas.ConfigurationValue}, {"webhooks", c.Quotas.Webhooks},
	} {
		if q.n < 0 {
			fail("quotas.%s %d is negative", q.key, q.n)
		}
	}
	if _, err := parseLevel(c.LogLevel); err != nil {
		fail("logLevel: %w", err)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		fail("logFormat %q is neither text nor json", c.LogFormat)
	}
	return errors.Join(errs...)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// RedactURL hides what may be a password in an address: what is before its host
// and what is behind its path.
func RedactURL(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	host, query, _ := strings.Cut(rest, "?")
	if strings.Contains(query, "@") {
		return scheme + "://****" // the question mark may be part of a password
	}
	if at := strings.LastIndex(host, "@"); at >= 0 {
		host = "****" + host[at:]
	}
	if query != "" {
		host += "?****"
	}
	return scheme + "://" + host
}
