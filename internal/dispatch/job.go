package dispatch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// job is an action about to be carried out: its plan, resolved.
type job struct {
	key       Key
	execution *engine.Execution
	plan      *pipeline.ActionPlan
	gate      string // of a rule
	store     pipeline.ArtifactStore
	action    ActionExecution
	resolved  map[string]string
	// environment is that of Compute/Commands, resolved.
	environment []pipeline.EnvironmentVariable
	// cloneRefs are the artifacts that sources write as pointers to a repository.
	cloneRefs map[string]bool
	// references are what stands for secrets in the declaration, by key. In plan
	// they are opened.
	references map[string]string
	// failure is set when the action fails before its provider is asked.
	failure *provider.Report
}

// prepare reads what an action needs and resolves its references, right before
// it starts (execution.md 6.3).
func (d *Dispatcher) prepare(ctx context.Context, x effect) (*job, error) {
	j := &job{}
	outputs := map[string]map[string]string{}
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		var row pipelineRow
		if err := d.readJob(tx, x, j, &row); err != nil {
			return err
		}
		plan, err := d.plan(tx, x.PipelineID, row.region, row.account, x.Version)
		if err != nil {
			return err
		}
		if stage := plan.Stage(x.Stage); stage >= 0 {
			j.plan = plan.Stages[stage].Attempted(x.Gate, x.Name)
		}
		if j.plan == nil {
			return fmt.Errorf("%s %s/%s is not in version %d", cmp.Or(x.Gate, "action"), x.Stage, x.Name, x.Version)
		}
		j.gate = x.Gate
		j.store = storeOf(plan, j.plan.Region)
		j.key.Name = plan.Name
		j.cloneRefs = cloneRefs(plan)
		if err := j.openSecrets(tx, d, x.PipelineID); err != nil {
			return err
		}
		return readOutputs(tx, x.PipelineID, j, outputs)
	})
	if err != nil {
		return nil, err
	}
	if j.failure == nil {
		j.resolve(outputs)
	}
	return j, nil
}

// cloneRefs lists the artifacts of source actions in the format
// CODEBUILD_CLONE_REF.
func cloneRefs(plan *pipeline.Plan) map[string]bool {
	refs := map[string]bool{}
	for i := range plan.Stages {
		for j := range plan.Stages[i].Actions {
			a := &plan.Stages[i].Actions[j]
			format, _ := a.ConfigurationText("OutputArtifactFormat")
			for _, out := range a.Outputs {
				if a.IsSource() && format.Source == "CODEBUILD_CLONE_REF" {
					refs[out.Name] = true
				}
			}
		}
	}
	return refs
}

func (d *Dispatcher) readJob(tx *db.Tx, x effect, j *job, row *pipelineRow) error {
	var version int64
	var state string
	err := tx.QueryRow(sqlSelectState, x.PipelineID).
		Scan(&row.account, &row.region, &version, &state, &row.created, &row.updated, &row.newest)
	if errors.Is(err, db.ErrNoRows) {
		return errVoid
	}
	if err != nil {
		return fmt.Errorf("reading pipeline %s: %w", x.PipelineID, err)
	}
	j.key = Key{Account: row.account, Region: row.region}
	var owner, text string
	var first, last int64
	if err := tx.QueryRow(sqlSelectExecution, x.ExecutionID).Scan(&owner, &first, &last, &text); err != nil {
		return fmt.Errorf("reading execution %s: %w", x.ExecutionID, err)
	}
	j.execution = &engine.Execution{}
	if err := decodePart(text, j.execution); err != nil {
		return fmt.Errorf("reading execution %s: %w", x.ExecutionID, err)
	}
	if x.Gate == "" {
		j.action, err = scanAction(tx.QueryRow(sqlSelectAction, x.ActionID, x.PipelineID))
	} else {
		var rule RuleExecution
		rule, err = scanRule(tx.QueryRow(sqlSelectRule, x.ActionID, x.PipelineID))
		j.action = rule.ActionExecution
	}
	if err != nil {
		return fmt.Errorf("reading action execution %s: %w", x.ActionID, err)
	}
	return nil
}

// readOutputs reads the output variables of the namespaces that the action
// refers to.
func readOutputs(tx *db.Tx, pipelineID string, j *job, outputs map[string]map[string]string) error {
	var references []pipeline.TemplatePart
	for _, entry := range j.plan.Configuration {
		references = append(references, entry.Text.References()...)
	}
	for _, v := range j.plan.Environment {
		references = append(references, v.Text.References()...)
	}
	for _, ref := range references {
		id := j.namespace(ref.Namespace)
		if id == "" || outputs[ref.Namespace] != nil {
			continue
		}
		a, err := scanAction(tx.QueryRow(sqlSelectAction, id, pipelineID))
		if errors.Is(err, db.ErrNoRows) {
			// A rollback refers to its target's actions, whose history may be over:
			// the reference has no value then.
			outputs[ref.Namespace] = map[string]string{}
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the variables of action execution %s: %w", id, err)
		}
		outputs[ref.Namespace] = a.Outcome.OutputVariables
	}
	return nil
}

// namespace returns the action execution behind a namespace: the last one, as a
// retried action replaces its earlier variables.
func (j *job) namespace(name string) string {
	for _, ns := range slices.Backward(j.execution.Namespaces) {
		if ns.Name == name {
			return ns.Action
		}
	}
	return ""
}

// resolve substitutes references once; a value that looks like a reference
// stays as it is (observed.md 5.2). An action with a reference that has no value
// fails before anything is done for it.
func (j *job) resolve(outputs map[string]map[string]string) {
	lookup := j.lookup(outputs)
	j.resolved = make(map[string]string, len(j.plan.Configuration))
	for _, entry := range j.plan.Configuration {
		text, unresolved := entry.Text.Resolve(lookup)
		if unresolved != nil {
			j.fail(unresolved.Error())
			return
		}
		j.resolved[entry.Key] = text
	}
	for _, v := range j.plan.Environment {
		text, unresolved := v.Text.Resolve(lookup)
		if unresolved != nil {
			j.fail(unresolved.Error())
			return
		}
		j.environment = append(j.environment, pipeline.EnvironmentVariable{Name: v.Name, Value: text, Type: v.Type})
	}
	if size := pipeline.ConfigurationSize(j.resolved); size > pipeline.MaxResolvedConfiguration {
		j.fail(fmt.Sprintf("The resolved action configuration has %d bytes, more than the maximum of %d.",
			size, pipeline.MaxResolvedConfiguration))
	}
}

func (j *job) fail(message string) {
	f := provider.Failure(provider.CodeConfigurationError, message)
	j.failure = &f
}

// lookup finds the value of a reference: an output variable of an action that
// ran, a fact of the execution, or a pipeline variable.
func (j *job) lookup(outputs map[string]map[string]string) func(namespace, key string) (string, bool) {
	return func(namespace, key string) (string, bool) {
		if vars, ok := outputs[namespace]; ok {
			v, ok := vars[key]
			return v, ok
		}
		switch namespace {
		case pipeline.NamespaceExecution:
			return j.execution.ID, key == pipeline.KeyExecutionID
		case pipeline.NamespaceVariables:
			for _, v := range j.execution.Variables {
				if v.Name == key {
					return v.Value, true
				}
			}
		}
		return "", false
	}
}

// keepResolved stores the resolved configuration of an action that has
// references; of any other it is the one declared.
func (j *job) keepResolved(tx *db.Tx) error {
	if !refers(j.plan) {
		return nil
	}
	text, err := json.Marshal(j.withoutSecrets())
	if err != nil {
		return err
	}
	statement := sqlResolveAction
	if j.gate != "" {
		statement = sqlResolveRule
	}
	if _, err := tx.Exec(statement, j.action.ID, string(text)); err != nil {
		return fmt.Errorf("keeping the resolved configuration of action execution %s: %w", j.action.ID, err)
	}
	return nil
}

func storeOf(plan *pipeline.Plan, region string) pipeline.ArtifactStore {
	for _, s := range plan.Stores {
		if s.Region == region {
			return s.Store
		}
	}
	if len(plan.Stores) > 0 {
		return plan.Stores[0].Store
	}
	return pipeline.ArtifactStore{}
}

// attempt is the action as its provider sees it, without log and workspace.
func (j *job) attempt(d *Dispatcher, x effect) provider.Attempt {
	a := provider.Attempt{
		ID: x.ActionID, Account: j.key.Account, Region: cmp.Or(j.plan.Region, j.key.Region),
		PipelineName: j.key.Name, PipelineVersion: x.Version, ExecutionID: x.ExecutionID,
		StageName: x.Stage, ActionName: x.Name, Type: j.plan.Type, RoleArn: j.plan.RoleArn,
		Configuration: j.resolved, Commands: j.plan.Commands, Environment: j.environment,
		OutputVariables: j.plan.OutputVariables, Deadline: time.UnixMilli(x.Deadline), Artifacts: d.Artifacts, Gate: x.Gate,
	}
	if x.ProviderState != nil {
		a.State = json.RawMessage(*x.ProviderState)
	}
	if j.store.EncryptionKey != nil {
		a.EncryptionKey = j.store.EncryptionKey.ID
		if keyed, ok := d.Artifacts.(provider.KeyedArtifacts); ok {
			a.Artifacts = keyed.WithKey(a.EncryptionKey)
		}
	}
	for _, o := range j.execution.Overrides {
		if o.ActionName == x.Name {
			a.Overrides = append(a.Overrides, o)
		}
	}
	for _, in := range j.action.Inputs {
		a.Inputs = append(a.Inputs, provider.InputArtifact{
			Name: in.Name, Location: in, Revision: j.revisionOf(in.Name), CloneRef: j.cloneRefs[in.Name],
		})
	}
	for i, out := range j.action.Allotted {
		artifact := provider.OutputArtifact{Name: out.Name, Location: out}
		if i < len(j.plan.Outputs) {
			artifact.Files = j.plan.Outputs[i].Files
		}
		a.Outputs = append(a.Outputs, artifact)
	}
	return a
}

// revisionOf is the revision behind an artifact, empty if it is not known.
func (j *job) revisionOf(artifact string) (revision string) {
	for _, known := range j.execution.Artifacts {
		if known.Name == artifact {
			revision = known.Revision
		}
	}
	return revision
}

// open gives an attempt its log and its workspace.
func (d *Dispatcher) open(ctx context.Context, x effect, j *job) (*provider.Attempt, func(), error) {
	a := j.attempt(d, x)
	a.Workspace = filepath.Join(d.Workspaces, x.ActionID)
	if err := os.MkdirAll(a.Workspace, 0o700); err != nil {
		return nil, nil, fmt.Errorf("making the workspace of action execution %s: %w", x.ActionID, err)
	}
	log, err := d.OpenLog(ctx, x.ActionID, j.secrets(d))
	if err != nil {
		d.clean(a.Workspace)
		return nil, nil, fmt.Errorf("opening the log of action execution %s: %w", x.ActionID, err)
	}
	a.Log = log
	return &a, func() {
		if err := log.Close(context.WithoutCancel(ctx)); err != nil {
			d.Logger.Error("closing a log", "stream", x.ActionID, "error", err)
		}
		d.clean(a.Workspace)
	}, nil
}

// secrets are the values of secret configuration keys: the log masks them.
func (j *job) secrets(d *Dispatcher) []string {
	var secrets []string
	t, _ := d.Catalogue.ActionType(j.plan.Type)
	keys := slices.AppendSeq(t.SecretKeys(), maps.Keys(j.references))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if v := j.resolved[key]; v != "" {
			secrets = append(secrets, v)
		}
	}
	return secrets
}
