package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/google/uuid"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Sealer encrypts secrets under a key that is kept outside the database.
type Sealer interface {
	// Seal encrypts a secret; Open must be told the same about it.
	Seal(secret []byte, about string) (string, error)
	// Open decrypts what Seal made.
	Open(sealed, about string) ([]byte, error)
}

// secret is a secret configuration value on its way into the database.
type secret struct{ id, sealed string }

// aboutSecret ties a sealed value to its place, so that it opens nowhere else.
func aboutSecret(id string) string { return "secret configuration value " + id }

// vault seals the secret values of one declaration. The same value gets the same
// reference, however often it is asked for.
type vault struct {
	d       *Dispatcher
	known   map[string]string // references by value
	secrets []secret
}

// keep returns the reference that stands for a value.
func (v *vault) keep(value string) (string, error) {
	if reference, ok := v.known[value]; ok {
		return reference, nil
	}
	if v.d.Sealer == nil {
		return "", errors.New("this server has no encryption key for secrets")
	}
	s := secret{id: uuid.NewString()}
	var err error
	if s.sealed, err = v.d.Sealer.Seal([]byte(value), aboutSecret(s.id)); err != nil {
		return "", err
	}
	v.secrets = append(v.secrets, s)
	v.known[value] = pipeline.SecretReference(s.id)
	return v.known[value], nil
}

// insertSecrets stores sealed values. A value that no version refers to is of no
// use to anybody and goes with its pipeline.
func insertSecrets(tx *db.Tx, pipelineID string, secrets []secret, now int64) error {
	for _, s := range secrets {
		if _, err := tx.Exec(sqlInsertSecret, s.id, pipelineID, s.sealed, now); err != nil {
			return fmt.Errorf("writing a secret of pipeline %s: %w", pipelineID, err)
		}
	}
	return nil
}

// dropSecrets deletes the values of an update that was not made.
func (d *Dispatcher) dropSecrets(ctx context.Context, pipelineID string, secrets []secret) {
	if len(secrets) == 0 {
		return
	}
	err := d.DB.Write(ctx, func(tx *db.Tx) error {
		for _, s := range secrets {
			if _, err := tx.Exec(sqlDeleteSecret, s.id, pipelineID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		d.Logger.Warn("dropping the secrets of a refused update", "pipeline", pipelineID, "error", err)
	}
}

// forgetSecrets deletes the values of a deleted pipeline; empty: of all of them.
func (d *Dispatcher) forgetSecrets(ctx context.Context, pipelineID string) error {
	err := d.DB.Write(ctx, func(tx *db.Tx) error {
		if pipelineID == "" {
			_, err := tx.Exec(sqlForgetAllSecrets)
			return err
		}
		_, err := tx.Exec(sqlForgetSecrets, pipelineID)
		return err
	})
	if err != nil {
		return fmt.Errorf("forgetting the secrets of deleted pipelines: %w", err)
	}
	return nil
}

// openSecrets gives an action about to be carried out the secret values that
// its declaration refers to. Only here are they opened. A value that cannot be
// had fails the action.
func (j *job) openSecrets(tx *db.Tx, d *Dispatcher, pipelineID string) error {
	j.references = map[string]string{}
	for _, entry := range j.plan.Configuration {
		if _, ok := pipeline.ParseSecretReference(entry.Text.Source); ok {
			j.references[entry.Key] = entry.Text.Source
		}
	}
	if len(j.references) == 0 {
		return nil
	}
	plan := *j.plan // the plan itself is shared
	plan.Configuration = nil
	for _, entry := range j.plan.Configuration {
		if reference, ok := j.references[entry.Key]; ok {
			value, err := d.openSecret(tx, pipelineID, reference)
			if err != nil {
				j.fail(fmt.Sprintf("The secret configuration value '%s' cannot be read: %v.", entry.Key, err))
				return nil
			}
			entry.Text = pipeline.ParseTemplate(value)
		}
		plan.Configuration = append(plan.Configuration, entry)
	}
	j.plan = &plan
	return nil
}

func (d *Dispatcher) openSecret(tx *db.Tx, pipelineID, reference string) (string, error) {
	id, _ := pipeline.ParseSecretReference(reference)
	var sealed string
	err := tx.QueryRow(sqlSelectSecret, id, pipelineID).Scan(&sealed)
	if errors.Is(err, db.ErrNoRows) {
		return "", errors.New("it is no longer stored")
	}
	if err != nil {
		return "", err
	}
	if d.Sealer == nil {
		return "", errors.New("this server has no encryption key for secrets")
	}
	value, err := d.Sealer.Open(sealed, aboutSecret(id))
	return string(value), err
}

// withoutSecrets is the resolved configuration as it is stored: references in
// the place of secrets.
func (j *job) withoutSecrets() map[string]string {
	if len(j.references) == 0 {
		return j.resolved
	}
	stored := maps.Clone(j.resolved)
	maps.Copy(stored, j.references)
	return stored
}
