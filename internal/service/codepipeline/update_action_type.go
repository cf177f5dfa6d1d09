package codepipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// UpdateActionType stores the declaration of an action type of the caller's
// account and region, with its executor. CodePipeline creates such types for its
// partners; here there is nobody else to do it, so an update of a ThirdParty type
// that is not there creates it. Types owned by AWS come with the server only.
func (s *Service) UpdateActionType(ctx context.Context, c api.Caller, in *wire.UpdateActionTypeInput) error {
	decl, err := recast[dispatch.ActionTypeDeclaration](in.ActionType)
	if err != nil {
		return err
	}
	id := decl.ID
	if err := s.allowActionType(c, "UpdateActionType", id, nil); err != nil {
		return err
	}
	if err := checkDeclaration(decl); err != nil {
		return err
	}
	if _, builtin := s.types.ActionType(id); builtin {
		return &wire.RequestFailedException{Message: fmt.Sprintf("The action type %s comes with the server and cannot be changed", describeType(id))}
	}
	if id.Owner == pipeline.OwnerAWS {
		return actionTypeNotFound(id)
	}
	err = s.dispatch.DeclareActionType(ctx, c.Account, c.Region, decl, func(earlier dispatch.ActionTypeDeclaration) error {
		return checkStep(earlier, decl)
	})
	if errors.Is(err, db.ErrConflict) {
		return &wire.RequestFailedException{Message: fmt.Sprintf("Another request is changing the action type %s. Try again", describeType(id))}
	}
	return err
}

// checkDeclaration judges a declaration by itself.
func checkDeclaration(decl dispatch.ActionTypeDeclaration) error {
	config := decl.Executor.Configuration
	lambda := decl.Executor.Type == dispatch.ExecutorLambda
	if (config.Lambda != nil) != lambda || (config.JobWorker != nil) == lambda {
		return invalid("The executor type %s needs exactly its own executor configuration: lambdaExecutorConfiguration for Lambda, jobWorkerExecutorConfiguration for JobWorker",
			decl.Executor.Type)
	}
	return checkActionType(pipeline.ActionType{
		ID: decl.ID, Settings: decl.Settings(), Properties: decl.ConfigurationProperties(), Inputs: decl.Inputs, Outputs: decl.Outputs,
	})
}

// checkStep judges a declaration by the one before: in a type that is public, a
// property that could be left out cannot become required, because pipelines
// leave it out (execution.md 8.5).
func checkStep(earlier, decl dispatch.ActionTypeDeclaration) error {
	if earlier.Permissions == nil || !slices.Contains(earlier.Permissions.AllowedAccounts, "*") {
		return nil
	}
	for _, p := range decl.Properties {
		optional := slices.ContainsFunc(earlier.Properties, func(e dispatch.ActionTypeProperty) bool { return e.Name == p.Name && e.Optional })
		if optional && !p.Optional {
			return &wire.RequestFailedException{Message: fmt.Sprintf(
				"The property '%s' of the public action type %s is optional and cannot become required", p.Name, describeType(decl.ID))}
		}
	}
	return nil
}
