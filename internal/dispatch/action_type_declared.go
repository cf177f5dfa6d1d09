package dispatch

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// ActionTypeDeclaration is an action type as UpdateActionType and GetActionType
// speak of it: with its executor, and with optional and noEcho where the older
// operations say required and secret (reference: execution.md 8.5).
type ActionTypeDeclaration struct {
	Description string                    `json:"description,omitempty"`
	Executor    ActionTypeExecutor        `json:"executor"`
	ID          pipeline.ActionTypeID     `json:"id"`
	Inputs      pipeline.ArtifactBounds   `json:"inputArtifactDetails"`
	Outputs     pipeline.ArtifactBounds   `json:"outputArtifactDetails"`
	Permissions *ActionTypePermissions    `json:"permissions,omitempty"`
	Properties  []ActionTypeProperty      `json:"properties,omitzero"`
	URLs        *ActionTypeDeclarationURL `json:"urls,omitempty"`
}

// The types of executors.
const (
	ExecutorJobWorker = "JobWorker"
	ExecutorLambda    = "Lambda"
)

// ActionTypeExecutor says who carries out the actions of a declared type.
type ActionTypeExecutor struct {
	Type          string                `json:"type"`
	Configuration ExecutorConfiguration `json:"configuration"`
	// PolicyStatementsTemplate is a policy document with placeholders.
	PolicyStatementsTemplate string `json:"policyStatementsTemplate,omitempty"`
	// JobTimeout is the time limit of one job, in seconds.
	JobTimeout int `json:"jobTimeout,omitempty"`
}

// ExecutorConfiguration has the member that belongs to the executor's type.
type ExecutorConfiguration struct {
	Lambda    *LambdaExecutor    `json:"lambdaExecutorConfiguration,omitempty"`
	JobWorker *JobWorkerExecutor `json:"jobWorkerExecutorConfiguration,omitempty"`
}

// LambdaExecutor names the function that is invoked.
type LambdaExecutor struct {
	FunctionARN string `json:"lambdaFunctionArn"`
}

// JobWorkerExecutor names who may poll for jobs.
type JobWorkerExecutor struct {
	PollingAccounts          []string `json:"pollingAccounts,omitzero"`
	PollingServicePrincipals []string `json:"pollingServicePrincipals,omitzero"`
}

// ActionTypePermissions names the accounts that may use a type, or "*".
type ActionTypePermissions struct {
	AllowedAccounts []string `json:"allowedAccounts"`
}

// ActionTypeProperty is a configuration property.
type ActionTypeProperty struct {
	Name        string `json:"name"`
	Optional    bool   `json:"optional"`
	Key         bool   `json:"key"`
	NoEcho      bool   `json:"noEcho"`
	Queryable   bool   `json:"queryable"`
	Description string `json:"description,omitempty"`
}

// ActionTypeDeclarationURL are the URL templates of a declared type.
type ActionTypeDeclarationURL struct {
	Configuration string `json:"configurationUrl,omitempty"`
	Entity        string `json:"entityUrlTemplate,omitempty"`
	Execution     string `json:"executionUrlTemplate,omitempty"`
	Revision      string `json:"revisionUrlTemplate,omitempty"`
}

// ConfigurationProperties are the properties in the words of validation.
func (a ActionTypeDeclaration) ConfigurationProperties() []pipeline.ConfigurationProperty {
	var list []pipeline.ConfigurationProperty
	for _, p := range a.Properties {
		list = append(list, pipeline.ConfigurationProperty{
			Name: p.Name, Required: !p.Optional, Key: p.Key, Secret: p.NoEcho, Queryable: p.Queryable, Description: p.Description,
		})
	}
	return list
}

// Settings are the URL templates in the words of ListActionTypes.
func (a ActionTypeDeclaration) Settings() pipeline.ActionTypeSettings {
	if a.URLs == nil {
		return pipeline.ActionTypeSettings{}
	}
	return pipeline.ActionTypeSettings{
		ThirdPartyConfigurationURL: a.URLs.Configuration, EntityURLTemplate: a.URLs.Entity,
		ExecutionURLTemplate: a.URLs.Execution, RevisionURLTemplate: a.URLs.Revision,
	}
}

// fill copies what validation needs.
func (a ActionTypeDeclaration) fill(t *pipeline.ActionType) {
	t.Settings, t.Properties, t.Inputs, t.Outputs = a.Settings(), a.ConfigurationProperties(), a.Inputs, a.Outputs
}

// DeclareActionType stores the declaration of an action type of an account and
// region, new or in the place of an earlier one. change, if not nil, judges the
// step from the earlier one, in the same transaction; its error is returned.
func (d *Dispatcher) DeclareActionType(ctx context.Context, account, region string, decl ActionTypeDeclaration, change func(earlier ActionTypeDeclaration) error) error {
	text, err := encodePart(decl)
	if err != nil {
		return fmt.Errorf("encoding action type %s: %w", decl.ID, err)
	}
	err = d.DB.Write(ctx, func(tx *db.Tx) error {
		row, err := selectActionType(tx, account, region, decl.ID)
		if errors.Is(err, ErrActionTypeNotFound) {
			return insertActionType(tx, account, region, decl.ID, uuid.NewString(), text, d.nowMillis())
		}
		if err != nil {
			return err
		}
		earlier, err := decodeDeclared(row.definition)
		if err != nil {
			return err
		}
		if change != nil {
			if err := change(earlier); err != nil {
				return err
			}
		}
		_, err = tx.Exec(sqlUpdateActionType, row.id, text, d.nowMillis(), 0)
		return err
	})
	if err != nil {
		return fmt.Errorf("declaring action type %s: %w", decl.ID, err)
	}
	return nil
}

// DeclaredActionType returns what DeclareActionType stored, or
// ErrActionTypeNotFound.
func (d *Dispatcher) DeclaredActionType(ctx context.Context, account, region string, id pipeline.ActionTypeID) (ActionTypeDeclaration, error) {
	var decl ActionTypeDeclaration
	if id.Owner == pipeline.OwnerCustom {
		return decl, ErrActionTypeNotFound
	}
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		row, err := selectActionType(tx, account, region, id)
		if err != nil {
			return err
		}
		decl, err = decodeDeclared(row.definition)
		return err
	})
	return decl, err
}
