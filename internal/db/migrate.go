package db

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"

	"github.com/pressly/goose/v3"
)

// Schema is the tables of one package: numbered goose files (00001_name.sql and
// so on, each beginning with "-- +goose Up") at the root of Files.
//
// They run unchanged on both databases, except that text_key declares a text
// column that is a key: it compares as bytes on both. Migrations go forward
// only. All nodes run one release, and stop for a new one. A node that was forgotten
// may still be writing all the same: new columns are nullable or have a default, and
// who makes a table anew renames the old one first, which keeps writers out.
type Schema struct {
	Name  string // [a-z][a-z0-9_]*; names the version table, goose_<name>
	Files fs.FS
}

var (
	schemaName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	downMark   = regexp.MustCompile(`(?im)^\s*--\s*\+goose\s+down`)
)

// Migrate brings the tables of the schemas up to date, in their order. It may be
// called by several nodes at once, and again: each migration is applied once, in
// a transaction of its own with the note that it was.
func (d *DB) Migrate(ctx context.Context, schemas ...Schema) error {
	for _, s := range schemas {
		if !schemaName.MatchString(s.Name) {
			return fmt.Errorf("migrating: %q is no name for a schema", s.Name)
		}
	}
	return d.backend.migrate(ctx, func(conns *sql.DB) error {
		for _, s := range schemas {
			if err := d.migrateOne(ctx, conns, s); err != nil {
				return fmt.Errorf("migrating the tables of %s: %w", s.Name, classify(err))
			}
		}
		return nil
	})
}

func (d *DB) migrateOne(ctx context.Context, conns *sql.DB, s Schema) error {
	dialect := goose.DialectPostgres
	if d.dialect.Name == "sqlite" {
		dialect = goose.DialectSQLite3
	}
	p, err := goose.NewProvider(dialect, conns, dialectFS{s.Files, d.dialect},
		goose.WithTableName("goose_"+s.Name),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		return fmt.Errorf("%s: %w", partial.Failed.Source.Path, partial.Err)
	}
	return err
}

// dialectFS shows the migrations in the text of one database.
type dialectFS struct {
	fs.FS
	dialect Dialect
}

func (f dialectFS) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil || info.IsDir() {
		return file, err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	if downMark.Match(text) {
		return nil, fmt.Errorf("%s: migrations go forward only: remove the part after +goose Down", name)
	}
	return &textFile{
		Reader: bytes.NewReader([]byte(f.dialect.migration(string(text)))),
		info:   info,
	}, nil
}

// textFile is a file whose content was replaced.
type textFile struct {
	*bytes.Reader
	info fs.FileInfo // the size is the original's
}

func (f *textFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *textFile) Close() error               { return nil }
