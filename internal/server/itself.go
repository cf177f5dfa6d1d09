package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/penstock-cd/penstock/internal/provider"
)

// CheckItself reports every endpoint elsewhere that is the server's own address: a
// server would ask itself for what it has not. The address is host:port; "listen"
// of the configuration, or that of a listener.
func (c Config) CheckItself(ctx context.Context, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "0" {
		return nil // Check reports the one, and nobody knows the other yet
	}
	own := ownAddress{host, port}
	var errs []error
	for _, e := range c.endpoints() {
		if own.is(ctx, e.url) {
			errs = append(errs, fmt.Errorf("%s %q is the address of this server itself: %s", e.key, RedactURL(e.url), e.instead))
		}
	}
	for _, e := range c.endpointsOfTools(ctx) {
		if own.is(ctx, e.url) {
			errs = append(errs, fmt.Errorf("%s=%s leads this server to itself where it asks AWS for %s: %s",
				e.key, RedactURL(e.url), strings.Join(e.asked, ", "), e.instead))
		}
	}
	return errors.Join(errs...)
}

// endpoint is an address elsewhere, with what says so and what to do if it is not
// elsewhere.
type endpoint struct {
	key, url string
	asked    []string
	instead  string
}

// endpoints are those of the configuration.
func (c Config) endpoints() []endpoint {
	list := []endpoint{
		{key: "s3.endpoint", url: c.S3.Endpoint, instead: "leave it out to use the S3 of this server"},
		{key: "cloudWatch.endpoint", url: c.CloudWatch.Endpoint, instead: "name another one, or leave it out to ask AWS"},
		{key: "lambda.endpoint", url: c.Lambda.Endpoint, instead: "name another one, or leave it out to ask AWS; functions of this machine belong under functions"},
	}
	for _, bucket := range slices.Sorted(maps.Keys(c.ArtifactStores)) {
		list = append(list, endpoint{
			key: fmt.Sprintf("artifactStores[%q].endpoint", bucket), url: c.ArtifactStores[bucket].Endpoint,
			instead: "leave the entry out to keep artifacts in the S3 of this server",
		})
	}
	return slices.DeleteFunc(list, func(e endpoint) bool { return e.url == "" })
}

// endpointsOfTools are those that the SDK finds in its usual places for clients
// that the configuration leaves to it.
func (c Config) endpointsOfTools(ctx context.Context) []endpoint {
	loaded, err := provider.LoadSDK(ctx, nil)
	if err != nil {
		return nil // what asks AWS says so when it does
	}
	var list []endpoint
	add := func(variable, what string, base *string) {
		at := aws.ToString(base)
		key := variable
		switch at {
		case "":
			return
		case os.Getenv(variable):
		case os.Getenv("AWS_ENDPOINT_URL"):
			key = "AWS_ENDPOINT_URL"
		default:
			key = "endpoint_url"
		}
		if i := slices.IndexFunc(list, func(e endpoint) bool { return e.key == key && e.url == at }); i >= 0 {
			list[i].asked = append(list[i].asked, what)
			return
		}
		instead := "unset " + key + " where the server starts, or start it from another shell"
		switch key {
		case "AWS_ENDPOINT_URL":
			instead += "; it is for AWS tools, and eval \"$(penstock env)\" sets it"
		case "endpoint_url":
			instead = "take it out of the profile of AWS's configuration file, or use another profile (AWS_PROFILE)"
		}
		list = append(list, endpoint{key: key, url: at, asked: []string{what}, instead: instead})
	}
	storesAtAWS, ownKeys := false, c.CloudWatch.AccessKeyID != "" && c.Lambda.AccessKeyID != ""
	for _, store := range c.ArtifactStores {
		storesAtAWS = storesAtAWS || store.Endpoint == ""
		ownKeys = ownKeys && store.AccessKeyID != ""
	}
	if c.CloudWatch.Endpoint == "" {
		add("AWS_ENDPOINT_URL_CLOUDWATCH", "alarms", cloudwatch.NewFromConfig(loaded).Options().BaseEndpoint)
	}
	if c.Lambda.Endpoint == "" {
		add("AWS_ENDPOINT_URL_LAMBDA", "functions", lambda.NewFromConfig(loaded).Options().BaseEndpoint)
	}
	if storesAtAWS {
		add("AWS_ENDPOINT_URL_S3", "artifacts", s3.NewFromConfig(loaded).Options().BaseEndpoint)
	}
	if !ownKeys && assumesRole(loaded) {
		at := cmp.Or(os.Getenv("AWS_ENDPOINT_URL_STS"), aws.ToString(loaded.BaseEndpoint))
		add("AWS_ENDPOINT_URL_STS", "the credentials of a role", &at)
	}
	return list
}

// assumesRole says that the SDK would ask STS for credentials.
func assumesRole(c aws.Config) bool {
	return aws.IsCredentialsProvider(c.Credentials, (*stscreds.AssumeRoleProvider)(nil)) ||
		aws.IsCredentialsProvider(c.Credentials, (*stscreds.WebIdentityRoleProvider)(nil))
}

// ownAddress is where a server listens.
type ownAddress struct{ host, port string }

// is reports whether a URL leads to the address.
func (o ownAddress) is(ctx context.Context, address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if port != o.port {
		return false // so that no name is looked up for nothing
	}
	listening, there := addressesOf(ctx, o.host), addressesOf(ctx, u.Hostname())
	return slices.ContainsFunc(there, func(at netip.Addr) bool {
		return slices.ContainsFunc(listening, func(own netip.Addr) bool { return reaches(at, own) })
	})
}

// reaches reports whether a connection to an address is taken by a listener on
// this machine.
func reaches(at, own netip.Addr) bool {
	if at.IsUnspecified() { // that is this machine for clients, too
		return own.IsLoopback() || own.IsUnspecified()
	}
	if !own.IsUnspecified() {
		return at == own
	}
	return at.IsLoopback() || slices.Contains(machineAddresses(), at)
}

// addressesOf are the addresses of a host; an empty one is all of this machine.
func addressesOf(ctx context.Context, host string) []netip.Addr {
	if host == "" {
		return []netip.Addr{netip.IPv4Unspecified()}
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap().WithZone("")}
	}
	if name := strings.ToLower(strings.TrimSuffix(host, ".")); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil // nobody reaches it
	}
	for i := range found {
		found[i] = found[i].Unmap().WithZone("")
	}
	return found
}

// machineAddresses are those of this machine's interfaces.
func machineAddresses() []netip.Addr {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var list []netip.Addr
	for _, i := range interfaces {
		if prefix, err := netip.ParsePrefix(i.String()); err == nil {
			list = append(list, prefix.Addr().Unmap().WithZone(""))
		}
	}
	return list
}
