package iam

import (
	"embed"
	"io/fs"

	"github.com/penstock-cd/penstock/internal/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables of principals, their policies and their access keys.
func Schema() db.Schema {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	return db.Schema{Name: "iam", Files: files}
}
