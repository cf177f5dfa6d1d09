package trigger

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
)

// putTries bounds how often PutWebhook begins again because somebody else put or
// deleted the same webhook meanwhile.
const putTries = 5

// PutWebhook makes a webhook, or gives the one of that name a new definition; its
// URL stays. Tags replace all the webhook has; nil leaves them alone. Doing it
// twice changes nothing more.
//
// Refusals are *AuthenticationError, *FilterError, dispatch.ErrPipelineNotFound,
// ErrTargetAction, ErrTooManyWebhooks and ErrConcurrent.
func (s *Store) PutWebhook(ctx context.Context, account, region string, d Definition, tags map[string]string) (Webhook, error) {
	if err := s.check(ctx, account, region, &d); err != nil {
		return Webhook{}, err
	}
	key := dispatch.Key{Account: account, Region: region, Name: d.Name}
	for range putTries {
		w, err := s.Webhook(ctx, key)
		if err != nil && !errors.Is(err, ErrWebhookNotFound) {
			return Webhook{}, err
		}
		if errors.Is(err, ErrWebhookNotFound) {
			w = Webhook{ID: uuid.NewString(), Key: key, secrets: secrets{Token: rand.Text() + rand.Text()}}
		}
		switch err := s.put(ctx, &w, d, tags); {
		case err == nil:
			return w, nil
		case errors.Is(err, errStale), errors.Is(err, db.ErrConflict), db.IsUnique(err):
		default:
			return Webhook{}, fmt.Errorf("putting webhook %s: %w", key.Name, err)
		}
	}
	return Webhook{}, ErrConcurrent
}

// check judges a definition against itself, then against its target.
func (s *Store) check(ctx context.Context, account, region string, d *Definition) error {
	if err := d.checkAuthentication(); err != nil {
		return err
	}
	p, err := s.Dispatch.Pipeline(ctx, dispatch.Key{Account: account, Region: region, Name: d.Pipeline}, 0)
	if err != nil {
		return err
	}
	plan, err := s.Dispatch.Plan(p, p.Version)
	if err != nil {
		return err
	}
	first := &plan.Stages[0]
	action := first.Action(d.Action)
	if action < 0 {
		return ErrTargetAction
	}
	return d.checkFilters(&first.Actions[action])
}

// errStale says that the webhook is no longer what was read.
var errStale = errors.New("the webhook has changed")

// put writes a webhook that was read before, or one that is new: it has no
// version. w becomes what was written.
func (s *Store) put(ctx context.Context, w *Webhook, d Definition, tags map[string]string) error {
	if d.SecretToken == Masked {
		if w.secrets.Secret == "" {
			return &AuthenticationError{Message: fmt.Sprintf(
				"'SecretToken' is '%s', which stands for the secret that the webhook has, and it has none", Masked)}
		}
		d.SecretToken = w.secrets.Secret
	}
	w.Definition, w.secrets.Secret = d, d.SecretToken
	definition, err := json.Marshal(storedDefinition{Format: definitionFormat, Definition: d})
	if err != nil {
		return err
	}
	sealed, err := s.seal(w)
	if err != nil {
		return err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if w.Updated, err = tx.Now(); err != nil {
			return err
		}
		if w.version == 0 {
			w.Created = w.Updated
			return s.insert(tx, w, string(definition), sealed, tags)
		}
		n, err := tx.Exec(sqlUpdateWebhook, w.ID, w.version, string(definition), sealed, w.Updated)
		if err != nil {
			return err
		}
		if n == 0 {
			return errStale
		}
		return replaceTags(tx, w, tags)
	})
	s.show(w)
	return err
}

func (s *Store) insert(tx *db.Tx, w *Webhook, definition, sealed string, tags map[string]string) error {
	if _, err := tx.Exec(sqlLockRegion, w.Key.Account, w.Key.Region); err != nil {
		return err
	}
	var n int
	if err := tx.QueryRow(sqlCountWebhooks, w.Key.Account, w.Key.Region).Scan(&n); err != nil {
		return err
	}
	if n >= s.MaxWebhooks {
		return ErrTooManyWebhooks
	}
	_, err := tx.Exec(sqlInsertWebhook, w.ID, w.Key.Account, w.Key.Region, w.Key.Name, definition,
		hash(w.secrets.Token), sealed, w.Created)
	if err != nil {
		return err
	}
	w.Tags = map[string]string{}
	return replaceTags(tx, w, tags)
}

// hash is what a token, or a pushed revision, is found by.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
