package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/s3"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// Environment is what a client on the same machine needs to talk to a server.
type Environment struct {
	Endpoint    string
	Region      string
	Account     string
	Credentials sigv4.Credentials
}

// endpointFile says where the server of a data directory listens, or last did.
const endpointFile = "endpoint.json"

type endpointRecord struct {
	Endpoint string `json:"endpoint"`
	Region   string `json:"region"`
	Account  string `json:"account"`
	// RootAccessKeyID is the key that the server accepts: when it comes from the
	// configuration, the key file says something else or nothing.
	RootAccessKeyID string `json:"rootAccessKeyId"`
}

// writeEndpoint tells clients on this machine where the server listens. It is
// made anew at every start, so it need not survive a crash of the machine.
func (s *Server) writeEndpoint() error {
	text, err := json.Marshal(endpointRecord{
		Endpoint: s.Endpoint(), Region: s.cfg.Region, Account: s.cfg.Account, RootAccessKeyID: s.iam.Root().AccessKeyID,
	})
	if err != nil {
		return err
	}
	path := filepath.Join(s.cfg.Data, endpointFile)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("writing the endpoint: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("writing the endpoint: %w", err)
	}
	return nil
}

// ErrForeignKey says that a server takes its root key pair from a configuration
// that the asker does not have.
var ErrForeignKey = errors.New("the server has its root key pair from its configuration: set PENSTOCK_ROOT_ACCESS_KEY_ID and PENSTOCK_ROOT_SECRET_ACCESS_KEY to the same pair")

// ReadEnvironment reads the environment of the server that serves, or last
// served, from a data directory; root is the pair of the environment, if it has
// one. The error wraps fs.ErrNotExist if none served, ErrForeignKey if the key
// pair is not known here.
func ReadEnvironment(data string, root sigv4.Credentials) (Environment, error) {
	text, err := os.ReadFile(filepath.Join(data, endpointFile))
	if err != nil {
		return Environment{}, fmt.Errorf("reading the endpoint of the server: %w", err)
	}
	var r endpointRecord
	if err := json.Unmarshal(text, &r); err != nil {
		return Environment{}, fmt.Errorf("reading the endpoint of the server in %s: %w", data, err)
	}
	env := Environment{Endpoint: r.Endpoint, Region: r.Region, Account: r.Account}
	if root.AccessKeyID == r.RootAccessKeyID && root.SecretAccessKey != "" {
		env.Credentials = root
		return env, nil
	}
	if _, err := os.Stat(filepath.Join(data, iam.RootKeyFile)); errors.Is(err, fs.ErrNotExist) {
		return Environment{}, ErrForeignKey // and no key is to be made
	}
	keys, err := iam.Open(iam.Config{Dir: data, Account: r.Account})
	if err != nil {
		return Environment{}, fmt.Errorf("reading the root key: %w", err)
	}
	if env.Credentials = keys.Root(); env.Credentials.AccessKeyID != r.RootAccessKeyID {
		return Environment{}, ErrForeignKey
	}
	return env, nil
}

// EnsureBucket makes a bucket with versions, for programs that embed the server.
func (s *Server) EnsureBucket(ctx context.Context, name string) error {
	err := s.buckets.CreateBucket(ctx, s.owner(), name)
	if err != nil && !errors.Is(err, s3.ErrBucketOwned) {
		return err
	}
	return s.buckets.PutBucketVersioning(ctx, name, s3.VersioningEnabled)
}
