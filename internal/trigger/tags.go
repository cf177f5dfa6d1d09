package trigger

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
)

// SetTags adds tags to a webhook, replacing those with the same keys. More than
// dispatch.MaxTags are dispatch.ErrTooManyTags.
func (s *Store) SetTags(ctx context.Context, w Webhook, tags map[string]string) error {
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		have, err := readTags(tx, w.ID)
		if err != nil {
			return err
		}
		maps.Copy(have, tags)
		if len(have) > dispatch.MaxTags {
			return dispatch.ErrTooManyTags
		}
		return upsertTags(tx, w.ID, tags)
	})
	if err != nil {
		return fmt.Errorf("tagging webhook %s: %w", w.Name, err)
	}
	return nil
}

// RemoveTags removes tags from a webhook; absent ones are ignored.
func (s *Store) RemoveTags(ctx context.Context, w Webhook, keys []string) error {
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		for _, k := range keys {
			if _, err := tx.Exec(sqlDeleteTag, w.ID, k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("untagging webhook %s: %w", w.Name, err)
	}
	return nil
}

func readTags(tx *db.Tx, id string) (map[string]string, error) {
	tags := map[string]string{}
	err := each(tx, func(row scanner) error {
		var k, v string
		err := row.Scan(&k, &v)
		tags[k] = v
		return err
	}, sqlSelectTags, id)
	return tags, err
}

// replaceTags gives a webhook these tags and no others; nil leaves them alone.
func replaceTags(tx *db.Tx, w *Webhook, tags map[string]string) error {
	if tags == nil {
		return nil
	}
	if _, err := tx.Exec(sqlDeleteTags, w.ID); err != nil {
		return err
	}
	w.Tags = tags
	return upsertTags(tx, w.ID, tags)
}

func upsertTags(tx *db.Tx, id string, tags map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if _, err := tx.Exec(sqlUpsertTag, id, k, tags[k]); err != nil {
			return fmt.Errorf("writing tag %q: %w", k, err)
		}
	}
	return nil
}
