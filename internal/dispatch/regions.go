package dispatch

import (
	"context"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
)

const sqlRegions = `select distinct region from pipelines where account = $1 and deleted = 0 order by region`

// Regions lists the regions in which an account has pipelines.
func (d *Dispatcher) Regions(ctx context.Context, account string) ([]string, error) {
	var regions []string
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		regions = nil
		return each(tx, func(row scanner) error {
			var region string
			err := row.Scan(&region)
			regions = append(regions, region)
			return err
		}, sqlRegions, account)
	})
	if err != nil {
		return nil, fmt.Errorf("listing the regions of account %s: %w", account, err)
	}
	return regions, nil
}
