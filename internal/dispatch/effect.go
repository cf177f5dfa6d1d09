package dispatch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
)

// topicEffects wakes nodes that wait for effects to claim.
const topicEffects = "effects"

// maxPoll is the longest time between two looks for effects that fell due or
// were left behind by another node.
const maxPoll = 5 * time.Second

// effect is an obligation as stored.
type effect struct {
	ID          string
	Kind        engine.EffectKind
	PipelineID  string
	ExecutionID string
	ActionID    string
	Version     int
	Stage       string
	// Gate is the gate of a rule, empty for an action.
	Gate     string
	Name     string
	Deadline int64
	// Due is when the effect was to be carried out, by the database's clock.
	Due int64
	// BegunNode is the node that began the attempt, empty before.
	BegunNode string
	// ProviderState is what the provider's last report held.
	ProviderState *string
	// shown is what the log of the action was last told of why it is tried again.
	shown *trouble
}

// loop renews the lease, takes over from nodes that are gone and claims effects.
// It is dull: claimDue and renew do the work.
func (d *Dispatcher) loop() {
	wake, stop := d.DB.Listen(topicEffects)
	defer stop()
	renewed := d.Now()
	for {
		wait, err := d.claimDue(d.ctx)
		if err != nil && d.ctx.Err() == nil {
			d.Logger.Error("claiming effects", "node", d.node, "error", err)
			wait = time.Second
		}
		timer := time.NewTimer(min(wait, d.Lease/3))
		select {
		case <-d.ctx.Done():
			timer.Stop()
			return
		case <-wake:
			d.adoptOrLog()
		case <-d.wake:
			d.adoptOrLog()
		case <-timer.C:
		}
		timer.Stop()
		if d.Now().Sub(renewed) >= d.Lease/3 {
			if err := d.renew(d.ctx); err != nil && d.ctx.Err() == nil {
				d.Logger.Error("renewing the node's lease", "node", d.node, "error", err)
				continue
			}
			renewed = d.Now()
			d.adoptOrLog()
		}
	}
}

func (d *Dispatcher) adoptOrLog() {
	if err := d.adopt(d.ctx); err != nil && d.ctx.Err() == nil {
		d.Logger.Error("adopting effects", "node", d.node, "error", err)
	}
}

// claimDue claims what is due and starts carrying it out. It returns how long
// nothing more will fall due.
func (d *Dispatcher) claimDue(ctx context.Context) (time.Duration, error) {
	var next, now int64
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		if now, err = tx.Now(); err != nil {
			return err
		}
		return tx.QueryRow(sqlNextDue).Scan(&next)
	})
	if err != nil {
		return 0, fmt.Errorf("looking for effects: %w", err)
	}
	switch {
	case next == 0:
		return maxPoll, nil
	case next > now:
		return min(maxPoll, time.Duration(next-now)*time.Millisecond), nil
	}
	claimed, err := d.claim(ctx, now)
	if err != nil {
		return 0, fmt.Errorf("claiming effects: %w", err)
	}
	for _, x := range claimed {
		d.carryOut(x)
	}
	return 0, nil
}

// claimBatch bounds the effects that one claim takes.
const claimBatch = 64

func (d *Dispatcher) claim(ctx context.Context, now int64) ([]effect, error) {
	var claimed []effect
	query := fmt.Sprintf(sqlClaimEffects, d.DB.Dialect().ClaimSuffix)
	err := d.DB.Write(ctx, func(tx *db.Tx) error {
		claimed = nil
		return each(tx, scanEffect(&claimed), query, d.node, now, claimBatch)
	})
	return claimed, err
}

func scanEffect(list *[]effect) func(scanner) error {
	return func(row scanner) error {
		var x effect
		var kind string
		err := row.Scan(&x.ID, &kind, &x.PipelineID, &x.ExecutionID, &x.ActionID, &x.Version, &x.Stage, &x.Name,
			&x.Deadline, &x.Due, &x.BegunNode, &x.ProviderState, &x.Gate)
		x.Kind = engine.EffectKind(kind)
		*list = append(*list, x)
		return err
	}
}

// adopt carries out what is claimed by this node and nobody here works on: a
// commit whose outcome was unknown did happen, or a stop came from another node.
func (d *Dispatcher) adopt(ctx context.Context) error {
	var own []effect
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		own = nil
		return each(tx, scanEffect(&own), sqlOwnEffects, d.node)
	})
	if err != nil {
		return fmt.Errorf("looking for effects of node %s: %w", d.node, err)
	}
	for _, x := range own {
		x.Due = 0 // of what is claimed already it is when to look the next time
		d.carryOutOwn(x)
	}
	return nil
}

// takeOver makes what nodes that are gone had claimed free again. With a
// database of our own every other node is gone.
func (d *Dispatcher) takeOver(ctx context.Context) error {
	if err := d.renew(ctx); err != nil {
		return err
	}
	if !d.Exclusive {
		return nil
	}
	return d.release(ctx, func(*db.Tx) (string, []any, error) { return sqlDropOthers, []any{d.node}, nil })
}

// renew shows that the node lives, and frees what dead ones had claimed. A node
// that finds itself declared dead drops what it was doing: others have taken it
// over.
func (d *Dispatcher) renew(ctx context.Context) error {
	renewed := int64(0)
	err := d.DB.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		if _, err := tx.Exec(sqlPruneTokens, d.nowMillis()-tokenLife); err != nil {
			return err
		}
		expires := now + d.Lease.Milliseconds()
		if renewed, err = tx.Exec(sqlRenewNode, d.node, expires); err != nil || renewed > 0 {
			return err
		}
		_, err = tx.Exec(sqlInsertNode, d.node, expires)
		return err
	})
	if err != nil {
		return fmt.Errorf("renewing the lease of node %s: %w", d.node, err)
	}
	if d.leased && renewed == 0 {
		d.Logger.Error("this node was taken for dead: dropping what it ran", "node", d.node)
		d.dropAttempts()
	}
	d.leased = true
	return d.releaseExpired(ctx)
}

func (d *Dispatcher) dropAttempts() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for action, cancel := range d.attempts {
		d.asked.set(action, dropped)
		cancel(errVoid)
	}
}

func (d *Dispatcher) releaseExpired(ctx context.Context) error {
	return d.release(ctx, func(tx *db.Tx) (string, []any, error) {
		now, err := tx.Now()
		return sqlDropExpired, []any{now, d.node}, err
	})
}

// release forgets the nodes that a statement deletes, and frees every claim of a
// node that is not known: also one that a node made while it was taken for dead.
func (d *Dispatcher) release(ctx context.Context, drop func(*db.Tx) (string, []any, error)) error {
	var gone []string
	err := d.DB.Write(ctx, func(tx *db.Tx) error {
		gone = nil
		query, args, err := drop(tx)
		if err != nil {
			return err
		}
		err = each(tx, func(row scanner) error {
			var id string
			err := row.Scan(&id)
			gone = append(gone, id)
			return err
		}, query, args...)
		if err != nil {
			return err
		}
		freed, err := tx.Exec(sqlFreeOrphans)
		if freed > 0 {
			tx.Notify(topicEffects)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("freeing the claims of nodes that are gone: %w", err)
	}
	for _, id := range gone {
		name, _, _ := strings.Cut(id, "/")
		if d.NodeGone != nil && name != d.Node {
			d.NodeGone(ctx, name)
		}
	}
	return nil
}

// leave takes the node out of the table, which frees its claims.
func (d *Dispatcher) leave(ctx context.Context) error {
	return d.DB.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(sqlDeleteNode, d.node); err != nil {
			return err
		}
		_, err := tx.Exec(sqlFreeOrphans)
		tx.Notify(topicEffects)
		return err
	})
}
