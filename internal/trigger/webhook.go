package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
)

// Webhook is a webhook as everybody may see it.
type Webhook struct {
	// ID is minted when the webhook is made: a deleted webhook and a later one of
	// the same name share nothing.
	ID string
	// Key is where it is; the name is that of the webhook.
	Key dispatch.Key
	Definition
	// URL is what starts the pipeline. Whoever knows it can call it.
	URL  string
	Tags map[string]string
	// Created and Updated are in milliseconds.
	Created, Updated int64

	version int64
	secrets secrets
}

// secrets are what is sealed of a webhook.
type secrets struct {
	// Token is the hard part of the URL.
	Token string `json:"token"`
	// Secret is the key of signatures, if they are wanted.
	Secret string `json:"secret,omitempty"`
}

// definitionFormat numbers the JSON form of stored definitions.
const definitionFormat = 1

type storedDefinition struct {
	Format int `json:"format"`
	Definition
}

// Webhook returns the webhook of a name, or ErrWebhookNotFound.
func (s *Store) Webhook(ctx context.Context, key dispatch.Key) (Webhook, error) {
	var w Webhook
	var sealed string
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		w, sealed, err = scanWebhook(tx.QueryRow(sqlSelectWebhook, key.Account, key.Region, key.Name))
		if err == nil {
			w.Tags, err = readTags(tx, w.ID)
		}
		return err
	})
	if errors.Is(err, db.ErrNoRows) {
		return w, ErrWebhookNotFound
	}
	if err == nil {
		err = s.unseal(&w, sealed)
	}
	if err != nil {
		return w, fmt.Errorf("reading webhook %s: %w", key.Name, err)
	}
	return w, nil
}

// Webhooks lists the webhooks of an account and region whose name is above
// after, by name, at most limit.
func (s *Store) Webhooks(ctx context.Context, account, region, after string, limit int) ([]Webhook, error) {
	var list []Webhook
	var sealed []string
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		err := each(tx, func(row scanner) error {
			w, text, err := scanWebhook(row)
			list, sealed = append(list, w), append(sealed, text)
			return err
		}, sqlListWebhooks, account, region, after, limit)
		for i := range list {
			if err != nil {
				break
			}
			list[i].Tags, err = readTags(tx, list[i].ID)
		}
		return err
	})
	for i := range list {
		if err != nil {
			break
		}
		err = s.unseal(&list[i], sealed[i])
	}
	if err != nil {
		return nil, fmt.Errorf("listing webhooks: %w", err)
	}
	return list, nil
}

// DeleteWebhook deletes a webhook: its URL is dead from now on. Deleting what is
// not there is no error.
func (s *Store) DeleteWebhook(ctx context.Context, key dispatch.Key) error {
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		w, _, err := scanWebhook(tx.QueryRow(sqlSelectWebhook, key.Account, key.Region, key.Name))
		if errors.Is(err, db.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(sqlDeleteTags, w.ID); err != nil {
			return err
		}
		_, err = tx.Exec(sqlDeleteWebhook, w.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("deleting webhook %s: %w", key.Name, err)
	}
	return nil
}

func scanWebhook(row scanner) (Webhook, string, error) {
	var w Webhook
	var text, sealed string
	err := row.Scan(&w.ID, &w.Key.Account, &w.Key.Region, &w.Key.Name, &w.version, &text, &sealed, &w.Created, &w.Updated)
	if err != nil {
		return w, "", err
	}
	var stored storedDefinition
	if err := json.Unmarshal([]byte(text), &stored); err != nil {
		return w, "", fmt.Errorf("decoding webhook %s: %w", w.Key.Name, err)
	}
	if stored.Format > definitionFormat {
		return w, "", fmt.Errorf("webhook %s has format %d, this release reads up to %d", w.Key.Name, stored.Format, definitionFormat)
	}
	w.Definition = stored.Definition
	return w, sealed, nil
}

// about names what is sealed, so that no webhook can be given the URL or the
// secret of another.
func (w *Webhook) about() string { return "webhook " + w.ID }

func (s *Store) seal(w *Webhook) (string, error) {
	text, err := json.Marshal(w.secrets)
	if err != nil {
		return "", err
	}
	return s.Sealer.Seal(text, w.about())
}

// unseal opens what is sealed of a webhook and shows what may be seen of it.
func (s *Store) unseal(w *Webhook, sealed string) error {
	text, err := s.Sealer.Open(sealed, w.about())
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &w.secrets); err != nil {
		return fmt.Errorf("decoding the secrets of webhook %s: %w", w.Key.Name, err)
	}
	s.show(w)
	return nil
}

// show fills in what follows from the secrets.
func (s *Store) show(w *Webhook) {
	w.SecretToken = ""
	if w.secrets.Secret != "" {
		w.SecretToken = Masked
	}
	w.URL = s.Endpoint + "/trigger?" + url.Values{"t": {w.secrets.Token}, "v": {"1"}}.Encode()
}
