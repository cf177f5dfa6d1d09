package dispatch

import (
	"cmp"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Quotas bound what one account may have in one region. A zero field means
// CodePipeline's default (reference: execution.md 9.1).
type Quotas struct {
	// Pipelines is the largest number of pipelines: 1000.
	Pipelines int
	// CustomActionTypes is the largest number of custom action types: 50.
	CustomActionTypes int
	// ConcurrentExecutions is how many executions of one pipeline may be under way
	// in the modes QUEUED and PARALLEL: 50.
	ConcurrentExecutions int
}

// DefaultQuotas are CodePipeline's.
func DefaultQuotas() Quotas {
	return Quotas{Pipelines: 1000, CustomActionTypes: 50, ConcurrentExecutions: 50}
}

// withDefaults fills the zero fields.
func (q Quotas) withDefaults() Quotas {
	d := DefaultQuotas()
	return Quotas{
		Pipelines:            cmp.Or(q.Pipelines, d.Pipelines),
		CustomActionTypes:    cmp.Or(q.CustomActionTypes, d.CustomActionTypes),
		ConcurrentExecutions: cmp.Or(q.ConcurrentExecutions, d.ConcurrentExecutions),
	}
}

// checkPipelines is rule S47, asked after the pipeline was written. Requests at
// the same time on several nodes may go past the quota by a few.
func (d *Dispatcher) checkPipelines(tx *db.Tx, key Key) error {
	var n int
	if err := tx.QueryRow(sqlCountPipelines, key.Account, key.Region).Scan(&n); err != nil {
		return fmt.Errorf("counting pipelines: %w", err)
	}
	if quota := d.Quotas.Pipelines; n > quota {
		return pipeline.Breach("S47", fmt.Sprintf(
			"The account with id '%s' already has the maximum number of pipelines (%d) in region '%s'", key.Account, quota, key.Region))
	}
	return nil
}
