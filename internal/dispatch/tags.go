package dispatch

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/penstock-cd/penstock/internal/db"
)

// MaxTags is the number of tags a resource may have.
const MaxTags = 50

// ErrTooManyTags says that a resource would get more than MaxTags tags.
var ErrTooManyTags = fmt.Errorf("more than %d tags", MaxTags)

// Tags returns the tags of a pipeline.
func (d *Dispatcher) Tags(ctx context.Context, p Pipeline) (map[string]string, error) {
	var tags map[string]string
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		tags, err = readTags(tx, pipelineTags(), p.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the tags of pipeline %s: %w", p.Name, err)
	}
	return tags, nil
}

// SetTags adds tags to a pipeline, replacing those with the same keys.
func (d *Dispatcher) SetTags(ctx context.Context, p Pipeline, tags map[string]string) error {
	return d.DB.Write(ctx, func(tx *db.Tx) error { return setTags(tx, pipelineTags(), p.ID, tags) })
}

// RemoveTags removes tags from a pipeline; absent ones are ignored.
func (d *Dispatcher) RemoveTags(ctx context.Context, p Pipeline, keys []string) error {
	return d.DB.Write(ctx, func(tx *db.Tx) error { return removeTags(tx, pipelineTags(), p.ID, keys) })
}

func readTags(tx *db.Tx, table tagTable, id string) (map[string]string, error) {
	tags := map[string]string{}
	err := each(tx, func(row scanner) error {
		var k, v string
		err := row.Scan(&k, &v)
		tags[k] = v
		return err
	}, table.list, id)
	return tags, err
}

// setTags adds tags to those that a resource has.
func setTags(tx *db.Tx, table tagTable, id string, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	have, err := readTags(tx, table, id)
	if err != nil {
		return err
	}
	maps.Copy(have, tags)
	if len(have) > MaxTags {
		return ErrTooManyTags
	}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if _, err := tx.Exec(table.upsert, id, k, tags[k]); err != nil {
			return fmt.Errorf("writing tag %q: %w", k, err)
		}
	}
	return nil
}

func removeTags(tx *db.Tx, table tagTable, id string, keys []string) error {
	for _, k := range keys {
		if _, err := tx.Exec(table.remove, id, k); err != nil {
			return fmt.Errorf("removing tag %q: %w", k, err)
		}
	}
	return nil
}
