package dispatch

import (
	"context"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
)

const sqlRegions = `select distinct region from pipelines where account = $1 and deleted = 0 order by region`

const sqlAccounts = `select distinct account from pipelines where deleted = 0 order by account`

// Accounts lists the accounts that have pipelines.
func (d *Dispatcher) Accounts(ctx context.Context) ([]string, error) {
	accounts, err := d.texts(ctx, sqlAccounts)
	if err != nil {
		return nil, fmt.Errorf("listing the accounts that have pipelines: %w", err)
	}
	return accounts, nil
}

// Regions lists the regions in which an account has pipelines.
func (d *Dispatcher) Regions(ctx context.Context, account string) ([]string, error) {
	regions, err := d.texts(ctx, sqlRegions, account)
	if err != nil {
		return nil, fmt.Errorf("listing the regions of account %s: %w", account, err)
	}
	return regions, nil
}

// texts are the rows of a query for one text.
func (d *Dispatcher) texts(ctx context.Context, query string, args ...any) (list []string, err error) {
	err = d.DB.Read(ctx, func(tx *db.Tx) error {
		list = nil
		return each(tx, func(row scanner) error {
			var text string
			err := row.Scan(&text)
			list = append(list, text)
			return err
		}, query, args...)
	})
	return list, err
}
