package iam

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// RootKeyFile is the name of the root key file in its directory.
const RootKeyFile = "root-key.json"

// rootKeyFile is the content of the root key file.
type rootKeyFile struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// rootKey returns the given root key pair, or that of the file.
func rootKey(c Config) (sigv4.Credentials, error) {
	given := sigv4.Credentials{AccessKeyID: c.RootAccessKeyID, SecretAccessKey: c.RootSecretAccessKey}
	switch {
	case given.AccessKeyID == "" && given.SecretAccessKey == "":
		return fileRootKey(c.Dir)
	case given.AccessKeyID == "" || given.SecretAccessKey == "":
		return sigv4.Credentials{}, errors.New("the root key pair needs both an access key id and a secret access key; only one is set")
	}
	if err := checkKey(given); err != nil {
		return sigv4.Credentials{}, fmt.Errorf("root key pair: %w", err)
	}
	return given, nil
}

// checkKey refuses key pairs that no client could use: the id stands between
// slashes in a signature, and clients trim their configuration.
func checkKey(k sigv4.Credentials) error {
	if !regexp.MustCompile(`^[0-9A-Za-z_-]{3,128}$`).MatchString(k.AccessKeyID) {
		return fmt.Errorf("access key id %q must be 3 to 128 letters, digits, underscores or dashes", k.AccessKeyID)
	}
	if !regexp.MustCompile(`^[!-~]{1,256}$`).MatchString(k.SecretAccessKey) {
		return errors.New("secret access key must be 1 to 256 printable ASCII characters without blanks")
	}
	return nil
}

// fileRootKey reads the root key file, making it first if there is none. Of
// several processes that start at once on one directory, all get the same key.
func fileRootKey(dir string) (sigv4.Credentials, error) {
	path := filepath.Join(dir, RootKeyFile)
	key, err := readRootKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return sigv4.Credentials{}, fmt.Errorf("making the directory of the root key: %w", err)
	}
	if err := createPrivate(path, rootKeyFile{AccessKeyID: newAccessKeyID(), SecretAccessKey: newSecret()}); err != nil {
		return sigv4.Credentials{}, fmt.Errorf("making the root key file %s: %w", path, err)
	}
	return readRootKey(path)
}

func readRootKey(path string) (sigv4.Credentials, error) {
	var content rootKeyFile
	if err := readPrivate(path, &content); err != nil {
		return sigv4.Credentials{}, fmt.Errorf("reading the root key file: %w", err)
	}
	key := sigv4.Credentials{AccessKeyID: content.AccessKeyID, SecretAccessKey: content.SecretAccessKey}
	if err := checkKey(key); err != nil {
		return sigv4.Credentials{}, fmt.Errorf("reading the root key file %s: %w", path, err)
	}
	return key, nil
}

// newAccessKeyID returns an id of the form AWS gives permanent keys: AKIA and
// sixteen of A to Z and 2 to 7.
func newAccessKeyID() string { return "AKIA" + rand.Text()[:16] }

// newSecret returns forty characters that carry 240 random bits.
func newSecret() string {
	b := make([]byte, 30)
	rand.Read(b) // never fails
	return base64.StdEncoding.EncodeToString(b)
}
