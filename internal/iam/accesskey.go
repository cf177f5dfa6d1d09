package iam

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// AccessKey is a key of a principal, without its secret.
type AccessKey struct {
	ID        string
	Principal string // its name
	Enabled   bool
	// Created is in milliseconds since the epoch; 0 for a configured key.
	Created int64
	// Used is when the key last signed a request, to the minute and known half a
	// minute late, in milliseconds since the epoch; 0 is never. UsedService is
	// the service of that request.
	Used        int64
	UsedService string
	// Configured keys come from the configuration of the server.
	Configured bool
}

// sealedAbout is what a sealed secret of a key is bound to.
func sealedAbout(id string) string { return "access key " + id }

// CreateKey makes an access key for a principal. Its secret is told once and
// never again. Each call makes another key.
func (s *Service) CreateKey(ctx context.Context, account, principal string) (AccessKey, sigv4.Credentials, error) {
	credentials := sigv4.Credentials{AccessKeyID: newAccessKeyID(), SecretAccessKey: newSecret()}
	key := AccessKey{ID: credentials.AccessKeyID, Principal: principal, Enabled: true}
	sealed, err := s.keyring.Seal([]byte(credentials.SecretAccessKey), sealedAbout(key.ID))
	if err != nil {
		return AccessKey{}, sigv4.Credentials{}, err
	}
	err = s.change(ctx, account, principal, func(tx *db.Tx, id string) error {
		count, err := countKeys(tx, id)
		if err != nil {
			return err
		}
		if count >= MaxKeys {
			return fmt.Errorf("%w access keys: a principal has %d at most", ErrLimit, MaxKeys)
		}
		if key.Created, err = tx.Now(); err != nil {
			return err
		}
		return insertKey(tx, id, key, sealed)
	})
	if err != nil {
		return AccessKey{}, sigv4.Credentials{}, err
	}
	return key, credentials, nil
}

// SetKeyEnabled enables or disables a key: at once on this node, within
// CacheTime on others. It may be repeated.
func (s *Service) SetKeyEnabled(ctx context.Context, account, id string, enabled bool) error {
	return s.changeKey(ctx, account, id, func(tx *db.Tx) error { return enableKey(tx, id, enabled) })
}

// DeleteKey removes a key: at once on this node, within CacheTime on others. A
// second call gets ErrKeyNotFound.
func (s *Service) DeleteKey(ctx context.Context, account, id string) error {
	return s.changeKey(ctx, account, id, func(tx *db.Tx) error { return deleteKey(tx, id) })
}

func (s *Service) changeKey(ctx context.Context, account, id string, f func(tx *db.Tx) error) error {
	if _, fixed := s.fixedKeys[id]; fixed {
		return fmt.Errorf("access key %s: %w", id, ErrConfigured)
	}
	return s.write(ctx, func(tx *db.Tx) error {
		if _, err := selectKey(tx, account, id); errors.Is(err, db.ErrNoRows) {
			return ErrKeyNotFound
		} else if err != nil {
			return err
		}
		return f(tx)
	})
}

// FindKey returns a key of an account.
func (s *Service) FindKey(ctx context.Context, account, id string) (AccessKey, error) {
	if k, fixed := s.fixedKeys[id]; fixed && k.principal.Account == account && k.principal.Name != "" {
		return k.configuredKey(id), nil
	}
	var row keyRow
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		row, err = selectKey(tx, account, id)
		return err
	})
	if errors.Is(err, db.ErrNoRows) {
		err = ErrKeyNotFound
	}
	return row.AccessKey, err
}

// Keys lists the keys of an account, or of one of its principals, by id: those
// after the given one and limit at most.
func (s *Service) Keys(ctx context.Context, account, principal, after string, limit int) ([]AccessKey, error) {
	var list []AccessKey
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		rows, err := selectKeys(tx, account, principal, after, limit)
		for _, row := range rows {
			list = append(list, row.AccessKey)
		}
		return err
	})
	for id, k := range s.fixedKeys {
		of := k.principal
		if of.Name != "" && of.Account == account && (principal == "" || of.Name == principal) && id > after {
			list = append(list, k.configuredKey(id))
		}
	}
	slices.SortFunc(list, func(a, b AccessKey) int { return strings.Compare(a.ID, b.ID) })
	return list[:min(limit, len(list))], err
}

func (k *knownKey) configuredKey(id string) AccessKey {
	return AccessKey{ID: id, Principal: k.principal.Name, Enabled: true, Configured: true}
}

// Reseal brings the secrets of all access keys under the newest version of the
// encryption key, and returns how many it changed. It may be repeated, and run
// on several nodes at once.
func (s *Service) Reseal(ctx context.Context) (int, error) {
	// Another process may have added a version.
	if err := s.keyring.load(); err != nil {
		return 0, err
	}
	changed := 0
	for after := ""; ; {
		const some = 100
		var rows []keyRow
		err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
			rows, err = selectKeys(tx, s.account, "", after, some)
			return err
		})
		if err != nil {
			return changed, fmt.Errorf("resealing access keys: %w", err)
		}
		n, err := s.resealRows(ctx, rows)
		changed += n
		if err != nil || len(rows) < some {
			return changed, err
		}
		after = rows[len(rows)-1].ID
	}
}

func (s *Service) resealRows(ctx context.Context, rows []keyRow) (int, error) {
	changed := 0
	for _, row := range rows {
		if s.keyring.SealedUnderNewest(row.sealed) {
			continue
		}
		secret, err := s.keyring.Open(row.sealed, sealedAbout(row.ID))
		if err != nil {
			return changed, err
		}
		sealed, err := s.keyring.Seal(secret, sealedAbout(row.ID))
		if err != nil {
			return changed, err
		}
		err = s.db.Write(ctx, func(tx *db.Tx) error { return resealKey(tx, row.ID, row.sealed, sealed) })
		if err != nil {
			return changed, fmt.Errorf("resealing access key %s: %w", row.ID, err)
		}
		changed++
	}
	return changed, nil
}
