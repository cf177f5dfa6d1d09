package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/s3"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// artifactStore is a bucket that an S3 elsewhere keeps.
type artifactStore struct {
	*provider.ExternalS3
	// bucket is its name there.
	bucket string
	// store tells apart the S3s, and who asks them.
	store string
	// others says that no key of the configuration names it.
	others bool
}

// artifactStores finds the S3 of an artifact bucket.
type artifactStores struct {
	here  *s3.Store
	named map[string]*artifactStore
	// rest is that of buckets without a name of their own, or nil.
	rest *artifactStore
}

// openArtifactStores prepares the S3s of the configuration; it connects to none.
func openArtifactStores(ctx context.Context, here *s3.Store, configured map[string]ArtifactStore, logger *slog.Logger) (*artifactStores, error) {
	stores := &artifactStores{here: here, named: map[string]*artifactStore{}}
	for name, c := range configured {
		external, err := provider.NewExternalS3(ctx, provider.ExternalS3Config{
			Endpoint: c.Endpoint, Region: c.Region, PathStyle: c.PathStyle, AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey,
			Logger: logger,
		})
		if err != nil {
			return nil, fmt.Errorf("preparing the artifact store of bucket %s: %w", name, err)
		}
		s := &artifactStore{
			ExternalS3: external, bucket: cmp.Or(c.Bucket, name), others: name == AnyArtifactStore,
			store: fmt.Sprintf("%q %q %v %q", c.Endpoint, c.Region, c.PathStyle, c.AccessKeyID),
		}
		if s.others {
			stores.rest = s
		} else {
			stores.named[name] = s
		}
	}
	return stores, nil
}

// of returns the S3 elsewhere of an artifact bucket; nil is this server's own.
func (s *artifactStores) of(ctx context.Context, bucket string) (*artifactStore, error) {
	if found := s.named[bucket]; found != nil || s.rest == nil {
		return found, nil
	}
	_, err := s.here.HeadBucket(ctx, bucket)
	if !errors.Is(err, s3.ErrNoSuchBucket) {
		return nil, err
	}
	found := *s.rest
	found.bucket = bucket
	return &found, nil
}

// outside tells the S3 face of this server who keeps a bucket.
func (s *artifactStores) outside(account string) s3.OutsideFunc {
	return func(ctx context.Context, bucket string) (*s3.Outside, error) {
		found, err := s.of(ctx, bucket)
		if err != nil || found == nil {
			return nil, err
		}
		at, err := found.Address(ctx, found.bucket)
		if err != nil {
			return nil, err
		}
		return &s3.Outside{
			Account: account, Bucket: found.bucket, URL: at, Region: found.Region(), Store: found.store, Others: found.others,
			Credentials: func(ctx context.Context) (sigv4.Credentials, error) {
				c, err := found.Credentials(ctx)
				return sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, err
			},
		}, nil
	}
}

// spooled is content in a file that goes with it.
type spooled struct {
	*os.File
	size int64
}

func (s spooled) Size() int64 { return s.size }

// Close removes the file.
func (s spooled) Close() error {
	return errors.Join(s.File.Close(), os.Remove(s.Name()))
}

// keep writes content into a file of the spool and rewinds it.
func (a artifacts) keep(content io.Reader) (spooled, error) {
	file, err := os.CreateTemp(a.spool, "artifact-*")
	if err != nil {
		return spooled{}, fmt.Errorf("making a file for content on its way: %w", err)
	}
	s := spooled{File: file}
	if s.size, err = io.Copy(file, content); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return spooled{}, errors.Join(err, s.Close())
	}
	return s, nil
}

// fetch brings an artifact here: whoever reads a zip reads it here and there.
func (a artifacts) fetch(ctx context.Context, from *artifactStore, l pipeline.ArtifactLocation) (provider.Artifact, error) {
	object, content, err := from.Get(ctx, from.bucket, l.Key, "")
	if said, ok := errors.AsType[*provider.ObjectError](err); ok && (said.Code == provider.S3NoSuchKey || said.Code == provider.S3NoSuchBucket) {
		err = fmt.Errorf("%w: %w", provider.ErrNoArtifact, said)
	}
	if err != nil {
		return nil, fmt.Errorf("opening artifact %s in %s/%s: %w", l.Name, l.Bucket, l.Key, err)
	}
	defer content.Close()
	kept, err := a.keep(provider.ContextReader(ctx, content))
	if err == nil && kept.size != object.Size {
		err = errors.Join(io.ErrUnexpectedEOF, kept.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("fetching artifact %s from %s/%s: %w", l.Name, l.Bucket, l.Key, err)
	}
	return kept, nil
}

// maxPlainPut is the largest artifact that is sent in one request.
const maxPlainPut = 5 << 30

// send takes an artifact elsewhere. It is whole here first: its length is not
// known before, and nothing of content that fails in the middle goes there.
func (a artifacts) send(ctx context.Context, to *artifactStore, l pipeline.ArtifactLocation, content io.Reader) error {
	kept, err := a.keep(content)
	if err != nil {
		return fmt.Errorf("keeping artifact %s in %s/%s: %w", l.Name, l.Bucket, l.Key, err)
	}
	defer kept.Close()
	_, err = to.Put(ctx, to.bucket, l.Key, kept.File, provider.ObjectOptions{
		ContentType: artifactType, KMSKeyID: a.key, Multipart: kept.size > maxPlainPut,
	})
	if err != nil {
		return fmt.Errorf("keeping artifact %s in %s/%s: %w", l.Name, l.Bucket, l.Key, err)
	}
	return nil
}
