package server_test

import (
	"testing"

	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/server"
)

// onPostgres configures a server to use a fresh PostgreSQL database.
func onPostgres(t *testing.T) func(*server.Config) {
	t.Helper()
	url := dbtest.PostgresURL(t)
	return func(c *server.Config) { c.Database = url }
}
