package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Errors of requests about action types.
var (
	// ErrActionTypeNotFound says that an account has no such action type.
	ErrActionTypeNotFound = errors.New("action type not found")
	// ErrActionTypeExists says that a type of that id exists, or existed, with
	// another definition.
	ErrActionTypeExists = errors.New("action type exists with another definition")
	// ErrTooManyActionTypes says that the quota of custom action types is used up.
	ErrTooManyActionTypes = errors.New("too many custom action types")
)

// customTimeout is the time limit of an action that a job worker carries out, in
// milliseconds (actions.md 1.7).
const customTimeout = int64(24 * time.Hour / time.Millisecond)

// ActionTypeDefinition is what the author of an action type says of it beside
// its id, in the words of CreateCustomActionType.
type ActionTypeDefinition struct {
	Settings   pipeline.ActionTypeSettings      `json:"settings,omitzero"`
	Properties []pipeline.ConfigurationProperty `json:"configurationProperties,omitempty"`
	Inputs     pipeline.ArtifactBounds          `json:"inputArtifactDetails"`
	Outputs    pipeline.ArtifactBounds          `json:"outputArtifactDetails"`
}

// CreateCustomActionType defines an action type for an account and region. The
// owner of id is Custom. Creating again what is there with the same definition
// only adds the tags; a deleted type comes back if the definition is the same.
// Errors are ErrActionTypeExists, ErrTooManyActionTypes, ErrTooManyTags and
// db.ErrConflict, when somebody else creates the type at the same time.
func (d *Dispatcher) CreateCustomActionType(ctx context.Context, account, region string, id pipeline.ActionTypeID, def ActionTypeDefinition, tags map[string]string) error {
	text, err := encodePart(def)
	if err != nil {
		return fmt.Errorf("encoding action type %s: %w", id, err)
	}
	err = d.DB.Write(ctx, func(tx *db.Tx) error {
		row, err := selectActionType(tx, account, region, id)
		switch {
		case errors.Is(err, ErrActionTypeNotFound):
			row.id = uuid.NewString()
			if err := insertActionType(tx, account, region, id, row.id, text, d.nowMillis()); err != nil {
				return err
			}
		case err != nil:
			return err
		case row.definition != text:
			return ErrActionTypeExists
		case row.deleted:
			if _, err := tx.Exec(sqlUpdateActionType, row.id, text, d.nowMillis(), 0); err != nil {
				return err
			}
		default:
			return setTags(tx, actionTypeTags(), row.id, tags)
		}
		if err := d.checkActionTypes(tx, account, region); err != nil {
			return err
		}
		return setTags(tx, actionTypeTags(), row.id, tags)
	})
	if err != nil {
		return fmt.Errorf("creating action type %s: %w", id, err)
	}
	return nil
}

// checkActionTypes keeps the quota, asked after the type was written.
func (d *Dispatcher) checkActionTypes(tx *db.Tx, account, region string) error {
	var n int
	if err := tx.QueryRow(sqlCountCustomActionTypes, account, region).Scan(&n); err != nil {
		return fmt.Errorf("counting action types: %w", err)
	}
	if n > d.Quotas.CustomActionTypes {
		return ErrTooManyActionTypes
	}
	return nil
}

// DeleteCustomActionType deletes a custom action type. Pipelines that use it
// keep it in their definition, but cannot run it. Deleting what is not there is
// no error.
func (d *Dispatcher) DeleteCustomActionType(ctx context.Context, account, region string, id pipeline.ActionTypeID) error {
	err := d.DB.Write(ctx, func(tx *db.Tx) error {
		row, err := selectActionType(tx, account, region, id)
		if errors.Is(err, ErrActionTypeNotFound) || err == nil && row.deleted {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(sqlDeleteActionTypeTags, row.id); err != nil {
			return err
		}
		_, err = tx.Exec(sqlUpdateActionType, row.id, row.definition, d.nowMillis(), d.nowMillis())
		return err
	})
	if err != nil {
		return fmt.Errorf("deleting action type %s: %w", id, err)
	}
	return nil
}

// actionTypeRow is what the table holds of a type beside its name.
type actionTypeRow struct {
	id, definition string
	deleted        bool
}

func selectActionType(tx *db.Tx, account, region string, id pipeline.ActionTypeID) (actionTypeRow, error) {
	var row actionTypeRow
	var deleted int64
	err := tx.QueryRow(sqlSelectActionType, account, region, id.Owner, id.Category, id.Provider, id.Version).
		Scan(&row.id, &row.definition, &deleted)
	if errors.Is(err, db.ErrNoRows) {
		return row, ErrActionTypeNotFound
	}
	if err != nil {
		return row, fmt.Errorf("reading action type %s: %w", id, err)
	}
	row.deleted = deleted != 0
	return row, nil
}

func insertActionType(tx *db.Tx, account, region string, id pipeline.ActionTypeID, row, definition string, now int64) error {
	n, err := tx.Exec(sqlInsertActionType, row, account, region, id.Owner, id.Category, id.Provider, id.Version, definition, now)
	if err == nil && n == 0 {
		err = db.ErrConflict
	}
	return err
}

// actionType spells a stored definition out. Who carries out the jobs of such
// types decides whether they are available.
func (d *Dispatcher) actionType(id pipeline.ActionTypeID, text string) (pipeline.ActionType, error) {
	t := pipeline.ActionType{ID: id, Timeout: customTimeout, Available: d.JobWorkers, WhenLost: pipeline.LostFail}
	if id.Owner != pipeline.OwnerCustom {
		declared, err := decodeDeclared(text)
		if err != nil {
			return t, fmt.Errorf("decoding action type %s: %w", id, err)
		}
		declared.fill(&t)
		t.Available = d.JobWorkers && declared.Executor.Type == ExecutorJobWorker ||
			d.LambdaExecutor != nil && declared.Executor.Type == ExecutorLambda
		return t, nil
	}
	var def ActionTypeDefinition
	if err := decodePart(text, &def); err != nil {
		return t, fmt.Errorf("decoding action type %s: %w", id, err)
	}
	t.Settings, t.Properties, t.Inputs, t.Outputs = def.Settings, def.Properties, def.Inputs, def.Outputs
	return t, nil
}

// ActionTypes lists the action types of an account and region: the built-in
// ones in the catalogue's order, then the account's own by owner, category,
// provider and version, but for those of a built-in id, which that hides. The
// account's own are available when JobWorkers is set.
func (d *Dispatcher) ActionTypes(ctx context.Context, account, region string) ([]pipeline.ActionType, error) {
	list := d.Catalogue.ActionTypes()
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		return each(tx, func(row scanner) error {
			var id pipeline.ActionTypeID
			var text string
			if err := row.Scan(&id.Owner, &id.Category, &id.Provider, &id.Version, &text); err != nil {
				return err
			}
			if _, builtin := d.Catalogue.ActionType(id); builtin {
				return nil
			}
			t, err := d.actionType(id, text)
			list = append(list, t)
			return err
		}, sqlListActionTypes, account, region)
	})
	if err != nil {
		return nil, fmt.Errorf("listing action types: %w", err)
	}
	return list, nil
}

// TypesOf knows the given action types as they are in an account and region,
// deleted ones too, as unavailable: for showing what was once accepted. Nothing
// is read if all of them are built in.
func (d *Dispatcher) TypesOf(ctx context.Context, account, region string, ids ...pipeline.ActionTypeID) (pipeline.ActionTypes, error) {
	if !d.anyForeign(ids) {
		return d.Catalogue, nil
	}
	var types pipeline.ActionTypes
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		types, err = d.typesOf(tx, account, region, ids, true)
		return err
	})
	return types, err
}

func (d *Dispatcher) anyForeign(ids []pipeline.ActionTypeID) bool {
	for _, id := range ids {
		if _, builtin := d.Catalogue.ActionType(id); !builtin {
			return true
		}
	}
	return false
}

// typesOf reads those of the given types that are not built in.
func (d *Dispatcher) typesOf(tx *db.Tx, account, region string, ids []pipeline.ActionTypeID, deleted bool) (pipeline.ActionTypes, error) {
	types := accountTypes{builtin: d.Catalogue, own: map[pipeline.ActionTypeID]pipeline.ActionType{}}
	for _, id := range ids {
		if _, builtin := d.Catalogue.ActionType(id); builtin {
			continue
		}
		row, err := selectActionType(tx, account, region, id)
		if errors.Is(err, ErrActionTypeNotFound) || err == nil && row.deleted && !deleted {
			continue
		}
		if err != nil {
			return nil, err
		}
		t, err := d.actionType(id, row.definition)
		if err != nil {
			return nil, err
		}
		t.Available = t.Available && !row.deleted
		types.own[id] = t
	}
	return types, nil
}

// accountTypes are the built-in types and those of an account and region.
type accountTypes struct {
	builtin pipeline.ActionTypes
	own     map[pipeline.ActionTypeID]pipeline.ActionType
}

// ActionType implements pipeline.ActionTypes. A built-in type hides an own one.
func (a accountTypes) ActionType(id pipeline.ActionTypeID) (pipeline.ActionType, bool) {
	if t, ok := a.builtin.ActionType(id); ok {
		return t, true
	}
	t, ok := a.own[id]
	return t, ok
}

// typesIn lists the types of the actions of a declaration.
func typesIn(decl pipeline.Declaration) []pipeline.ActionTypeID {
	var ids []pipeline.ActionTypeID
	for i := range decl.Stages {
		for _, a := range decl.Stages[i].Actions {
			ids = append(ids, a.ActionTypeID)
		}
	}
	return ids
}

// decodeDeclared reads what UpdateActionType stored.
func decodeDeclared(text string) (ActionTypeDeclaration, error) {
	var decl ActionTypeDeclaration
	err := decodePart(text, &decl)
	return decl, err
}
