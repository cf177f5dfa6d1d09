package server_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/server"
)

// noAWS empties the environment of what leads the SDK anywhere.
func noAWS(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
}

// TestItselfConfigured names the server's own address where one elsewhere belongs.
func TestItselfConfigured(t *testing.T) {
	noAWS(t)
	const own = "http://localhost:8700"
	for want, c := range map[string]server.Config{
		`s3.endpoint "http://localhost:8700" is the address of this server itself: leave it out`: {S3: server.ExternalS3{Endpoint: own}},
		`cloudWatch.endpoint "http://localhost:8700" is the address of`:                          {CloudWatch: server.CloudWatch{Endpoint: own}},
		`lambda.endpoint "http://localhost:8700" is the address of`:                              {Lambda: server.Lambda{Endpoint: own}},
		`artifactStores["kept"].endpoint "http://localhost:8700" is`:                             {ArtifactStores: map[string]server.ArtifactStore{"kept": {Endpoint: own}}},
	} {
		err := c.CheckItself(t.Context(), "127.0.0.1:8700")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %q", err, want)
		}
		if err := c.CheckItself(t.Context(), "127.0.0.1:8701"); err != nil {
			t.Errorf("of another port: %v", err)
		}
	}
}

// TestItselfAddresses compares addresses as a connection would.
func TestItselfAddresses(t *testing.T) {
	noAWS(t)
	for _, test := range []struct {
		listen, endpoint string
		itself           bool
	}{
		{"127.0.0.1:8700", "http://127.0.0.1:8700", true},
		{"127.0.0.1:8700", "http://127.0.0.1:8700/", true},
		{"127.0.0.1:8700", "https://127.0.0.1:8700", true},
		{"127.0.0.1:8700", "http://LocalHost:8700", true},
		{"127.0.0.1:8700", "http://s3.localhost:8700", true},
		{"127.0.0.1:8700", "http://0.0.0.0:8700", true},
		{"127.0.0.1:8700", "http://[::ffff:127.0.0.1]:8700", true},
		{"127.0.0.1:80", "http://127.0.0.1", true},
		{"[::1]:443", "https://localhost", true},
		{"localhost:8700", "http://127.0.0.1:8700", true},
		{"0.0.0.0:8700", "http://127.0.0.1:8700", true},
		{"0.0.0.0:8700", "http://127.0.0.7:8700", true},
		{":8700", "http://localhost:8700", true},
		{"[::]:8700", "http://127.0.0.1:8700", true},
		{"[::]:8700", "http://[::1]:8700", true},
		{"127.0.0.1:8700", "http://127.0.0.1:8701", false},
		{"127.0.0.1:8700", "http://127.0.0.2:8700", false},
		{"127.0.0.1:8700", "http://[::1]:8700", false},
		{"127.0.0.1:8700", "http://192.0.2.7:8700", false},
		{"0.0.0.0:8700", "http://192.0.2.7:8700", false},
		{"192.0.2.7:8700", "http://0.0.0.0:8700", false},
		{"127.0.0.1:8700", "http://127.0.0.1", false},
		{"127.0.0.1:0", "http://127.0.0.1:0", false},
		{"8700", "http://127.0.0.1:8700", false},
		{"127.0.0.1:8700", "::", false},
	} {
		err := server.Config{Lambda: server.Lambda{Endpoint: test.endpoint}}.CheckItself(t.Context(), test.listen)
		if (err != nil) != test.itself {
			t.Errorf("%s from %s: %v, want one: %v", test.endpoint, test.listen, err, test.itself)
		}
	}
}

// TestItselfEnvironment has the server's own address where AWS's tools look: only
// where a client of the server would look, too, it matters.
func TestItselfEnvironment(t *testing.T) {
	const own, other = "http://127.0.0.1:8700", "http://127.0.0.1:5000"
	key := "AKIA"
	elsewhere := server.Config{
		CloudWatch: server.CloudWatch{Endpoint: other, AccessKeyID: key}, Lambda: server.Lambda{Endpoint: other, AccessKeyID: key},
	}
	alarms := server.Config{Lambda: elsewhere.Lambda}
	stores := elsewhere
	stores.ArtifactStores = map[string]server.ArtifactStore{"kept": {Region: region, AccessKeyID: key}}
	profile := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(profile, []byte("[default]\nendpoint_url = "+own+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	role := map[string]string{"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/a", "AWS_WEB_IDENTITY_TOKEN_FILE": profile, "AWS_REGION": region}
	for name, test := range map[string]struct {
		env  map[string]string
		cfg  server.Config
		want string
	}{
		"of all":              {map[string]string{"AWS_ENDPOINT_URL": own}, server.Config{}, "AWS_ENDPOINT_URL=" + own + " leads this server to itself where it asks AWS for alarms, functions: unset AWS_ENDPOINT_URL where the server starts"},
		"of one":              {map[string]string{"AWS_ENDPOINT_URL_LAMBDA": own}, server.Config{}, "AWS_ENDPOINT_URL_LAMBDA=" + own + " leads this server to itself where it asks AWS for functions: unset AWS_ENDPOINT_URL_LAMBDA"},
		"of alarms":           {map[string]string{"AWS_ENDPOINT_URL_CLOUDWATCH": own, "AWS_ENDPOINT_URL": other}, server.Config{}, "AWS_ENDPOINT_URL_CLOUDWATCH=" + own},
		"of artifacts":        {map[string]string{"AWS_ENDPOINT_URL_S3": own}, stores, "AWS_ENDPOINT_URL_S3=" + own},
		"of a role":           {map[string]string{"AWS_ENDPOINT_URL_STS": own}, server.Config{}, "AWS_ENDPOINT_URL_STS=" + own},
		"of a profile":        {map[string]string{"AWS_CONFIG_FILE": profile}, server.Config{}, "endpoint_url=" + own + " leads this server to itself where it asks AWS for alarms, functions: take it out of the profile"},
		"all configured":      {map[string]string{"AWS_ENDPOINT_URL": own}, elsewhere, ""},
		"one left":            {map[string]string{"AWS_ENDPOINT_URL": own}, alarms, "for alarms: "},
		"of a service unused": {map[string]string{"AWS_ENDPOINT_URL_S3": own}, server.Config{}, ""},
		"of all but ignored":  {map[string]string{"AWS_ENDPOINT_URL": own, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, server.Config{}, ""},
		"of another":          {map[string]string{"AWS_ENDPOINT_URL": other}, server.Config{}, ""},
		"hidden by others":    {map[string]string{"AWS_ENDPOINT_URL": own, "AWS_ENDPOINT_URL_LAMBDA": other, "AWS_ENDPOINT_URL_CLOUDWATCH": other}, server.Config{}, ""},
		"unreadable":          {map[string]string{"AWS_ENDPOINT_URL": own, "AWS_PROFILE": "nowhere"}, server.Config{}, ""},
		"of a role not asked": {map[string]string{"AWS_ENDPOINT_URL_STS": own}, elsewhere, ""},
	} {
		t.Run(name, func(t *testing.T) {
			noAWS(t)
			if strings.Contains(name, "role") {
				for k, v := range role {
					t.Setenv(k, v)
				}
			}
			for k, v := range test.env {
				t.Setenv(k, v)
			}
			err := test.cfg.CheckItself(t.Context(), "127.0.0.1:8700")
			if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// TestItselfStart starts a server on its own address in the environment, as one
// does who has run "penstock env" in the same shell, and nothing is left behind.
func TestItselfStart(t *testing.T) {
	noAWS(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	t.Setenv("AWS_ENDPOINT_URL", "http://"+address)
	cfg := server.Config{Listen: address, Data: filepath.Join(t.TempDir(), "data")}
	s, err := server.Start(t.Context(), cfg, server.Options{})
	if err == nil {
		s.Close(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "AWS_ENDPOINT_URL=http://"+address+" leads this server to itself") {
		t.Fatalf("it says %v", err)
	}
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	if s, err = server.Start(t.Context(), cfg, server.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
