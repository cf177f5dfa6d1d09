package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/server"
)

func validateCommand() *cobra.Command {
	var region, config, output string
	cmd := &cobra.Command{
		Use:   "validate FILE_OR_DIR",
		Short: "Check a pipeline against the rules of CodePipeline and of this server",
		Long: `The rules of CodePipeline come first, then what this version of Penstock does not
carry out, as --config has it. Nothing is run and nothing is stored. Custom action
types are known to their server alone, so pipelines with such are refused here.

Exit status: 0 the pipeline can be created; 2 it is refused.`,
		Example: `  penstock validate pipeline.json
  penstock validate examples/webapp
  penstock validate pipeline.yaml --output json`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := readConfig(config)
			if err != nil {
				return err
			}
			f, err := validate(args[0], cmd.InOrStdin(), region, cfg.InertTriggers)
			if output == "json" {
				return answerJSON(cmd.OutOrStdout(), f, err)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: pipeline %s is valid: %s, %s.\n",
				f.path, f.decl.Name, count(len(f.decl.Stages), "stage"), count(countActions(f.decl), "action"))
			for _, note := range notes(f.decl) {
				_, failed := fmt.Fprintf(cmd.OutOrStdout(), "%s: note: %s\n", f.path, note)
				err = errors.Join(err, failed)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&region, "region", server.DefaultRegion, "the region to check the pipeline for")
	cmd.Flags().StringVar(&config, "config", "", "YAML `FILE` with the inertTriggers of penstock serve")
	outputFlag(cmd, &output, "text, or json: one object")
	return cmd
}

// notes are what the author of a valid pipeline should know.
func notes(d pipeline.Declaration) []string {
	if len(d.Triggers) > 0 {
		return []string{pipeline.TriggersNotWatched}
	}
	return nil
}

// validate reads and checks a pipeline; the file is what is known of it also
// when there is an error.
func validate(path string, stdin io.Reader, region string, inertTriggers bool) (declarationFile, error) {
	f, err := readDeclaration(path, stdin)
	if err != nil {
		return f, err
	}
	types, err := server.ActionTypes()
	if err != nil {
		return f, err
	}
	err = checkDeclaration(f, types, region, inertTriggers)
	if action := customAction(f.decl); err != nil && action != "" {
		err = refuse("%w\n%s: custom action types are known to their server alone; create the pipeline there to have it checked", err, action)
	}
	return f, err
}

// customAction is the first action of a custom type, empty if there is none.
func customAction(d pipeline.Declaration) string {
	for _, s := range d.Stages {
		for _, a := range s.Actions {
			if a.ActionTypeID.Owner == pipeline.OwnerCustom {
				return s.Name + "/" + a.Name
			}
		}
	}
	return ""
}

// validateAnswer is what validate prints with --output json.
type validateAnswer struct {
	Valid    bool     `json:"valid"`
	File     string   `json:"file,omitempty"`
	Pipeline string   `json:"pipeline,omitempty"`
	Stages   int      `json:"stages,omitempty"`
	Actions  int      `json:"actions,omitempty"`
	Problems []string `json:"problems"`
	Notes    []string `json:"notes,omitempty"`
}

func answerJSON(out io.Writer, f declarationFile, err error) error {
	if _, refused := errors.AsType[*exitError](err); err != nil && !refused {
		return err
	}
	a := validateAnswer{
		Valid: err == nil, File: f.path, Pipeline: f.decl.Name, Stages: len(f.decl.Stages), Actions: countActions(f.decl), Problems: []string{},
	}
	if err == nil {
		a.Notes = notes(f.decl)
	}
	if err != nil {
		a.Problems = append(a.Problems, err.Error())
		err = &exitError{status: exitUsage}
	}
	return errors.Join(writeJSON(out, a), err)
}

// checkDeclaration checks a pipeline against CodePipeline's rules first, which
// name one thing, then lists all that is not carried out here.
func checkDeclaration(f declarationFile, types pipeline.ActionTypes, region string, inertTriggers bool) error {
	_, err := pipeline.Compile(f.decl, pipeline.Environment{Types: anyType{types}, Region: region, Account: server.DefaultAccount})
	if err != nil {
		return refuse("%s: %w", f.path, err)
	}
	var errs []error
	for _, u := range pipeline.Unavailable(f.decl, types) {
		errs = append(errs, fmt.Errorf("%s/%s: Penstock does not carry out action type %s yet", u.Stage, u.Action, u.Type))
	}
	for _, missing := range pipeline.Unsupported(f.decl, inertTriggers) {
		errs = append(errs, fmt.Errorf("not carried out by Penstock yet: %s", missing))
	}
	if len(errs) > 0 {
		return refuse("%s: %w", f.path, errors.Join(errs...))
	}
	return nil
}

// anyType takes every action type for one that can be run, so that the rules say
// what they have to say.
type anyType struct{ pipeline.ActionTypes }

func (a anyType) ActionType(id pipeline.ActionTypeID) (pipeline.ActionType, bool) {
	t, ok := a.ActionTypes.ActionType(id)
	t.Available = t.Available || ok
	return t, ok
}

func countActions(d pipeline.Declaration) int {
	n := 0
	for _, s := range d.Stages {
		n += len(s.Actions)
	}
	return n
}

// count says how many of something there are.
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// exactArgs makes a wrong number of arguments a usage error.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return refuse("%s takes %s, not %d; see %s --help", cmd.Name(), count(n, "argument"), len(args), cmd.CommandPath())
		}
		return nil
	}
}
