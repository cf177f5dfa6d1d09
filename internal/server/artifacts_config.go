package server

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/penstock-cd/penstock/internal/s3"
)

// AnyArtifactStore is the key in Config.ArtifactStores that stands for every
// bucket that has no key of its own and that this server does not have.
const AnyArtifactStore = "*"

// ArtifactStore is an S3 elsewhere that keeps the artifacts of a bucket.
type ArtifactStore struct {
	// Endpoint is a URL; empty is AWS, in Region.
	Endpoint string `yaml:"endpoint"`
	Region   string `yaml:"region"`
	// PathStyle puts bucket names into the path.
	PathStyle bool `yaml:"pathStyle"`
	// Bucket is the name that the bucket has there, if it is another one.
	Bucket string `yaml:"bucket"`
	// AccessKeyID and SecretAccessKey are the key pair for it; without one the usual
	// places of AWS's tools count.
	AccessKeyID     string `yaml:"accessKeyId"`
	SecretAccessKey string `yaml:"secretAccessKey"`
}

// check reports what is wrong with the artifact store of a bucket.
func (a ArtifactStore) check(bucket string) error {
	var errs []error
	if bucket != AnyArtifactStore {
		if err := s3.CheckBucketName(bucket); err != nil {
			errs = append(errs, fmt.Errorf("the key is the name of an artifact bucket, or \"*\": %w", err))
		}
	}
	switch {
	case a.Bucket == "":
	case bucket == AnyArtifactStore:
		errs = append(errs, errors.New("bucket cannot be given: one bucket for all of them would make the permissions of each those of all"))
	default:
		if err := s3.CheckBucketName(a.Bucket); err != nil {
			errs = append(errs, fmt.Errorf("bucket: %w", err))
		}
	}
	if a.Endpoint == "" && a.Region == "" {
		errs = append(errs, errors.New("endpoint or region is needed"))
	}
	if a.Endpoint != "" {
		u, err := url.Parse(a.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			errs = append(errs, fmt.Errorf("endpoint %q is no URL of an S3", RedactURL(a.Endpoint)))
		}
	}
	if (a.AccessKeyID == "") != (a.SecretAccessKey == "") {
		errs = append(errs, errors.New("accessKeyId and secretAccessKey are given together or not at all"))
	}
	return errors.Join(errs...)
}

// checkArtifactStores reports what is wrong with the artifact stores.
func (c Config) checkArtifactStores() []error {
	var errs []error
	for _, bucket := range slices.Sorted(maps.Keys(c.ArtifactStores)) {
		if err := c.ArtifactStores[bucket].check(bucket); err != nil {
			for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
				errs = append(errs, fmt.Errorf("artifactStores[%q]: %w", bucket, e))
			}
		}
	}
	return errs
}
