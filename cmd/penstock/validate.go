package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/server"
)

func validateCommand() *cobra.Command {
	var region string
	cmd := &cobra.Command{
		Use:   "validate FILE_OR_DIR",
		Short: "Check a pipeline against the rules of CodePipeline and of this server",
		Long: `Check a pipeline against the rules of CodePipeline, and against what this
version of Penstock carries out. Nothing is run and nothing is stored.

The exit status is 0 for a pipeline that can be created, 2 for one that is refused.`,
		Example: `  penstock validate pipeline.json
  penstock validate examples/webapp`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := readDeclaration(args[0])
			if err != nil {
				return err
			}
			types, err := server.ActionTypes()
			if err != nil {
				return err
			}
			if err := checkDeclaration(f, types, region); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: pipeline %s is valid: %d stages, %d actions.\n",
				f.path, f.decl.Name, len(f.decl.Stages), countActions(f.decl))
			return err
		},
	}
	cmd.Flags().StringVar(&region, "region", server.DefaultRegion, "the region to check the pipeline for")
	return cmd
}

func checkDeclaration(f declarationFile, types pipeline.ActionTypes, region string) error {
	_, err := pipeline.Compile(f.decl, pipeline.Environment{Types: types, Region: region, Account: server.DefaultAccount})
	if err != nil {
		return refuse("%s: %w", f.path, err)
	}
	var errs []error
	for _, missing := range pipeline.Unsupported(f.decl) {
		errs = append(errs, fmt.Errorf("Penstock does not carry out yet: %s", missing))
	}
	if len(errs) > 0 {
		return refuse("%s: %w", f.path, errors.Join(errs...))
	}
	return nil
}

func countActions(d pipeline.Declaration) int {
	n := 0
	for _, s := range d.Stages {
		n += len(s.Actions)
	}
	return n
}

// exactArgs makes a wrong number of arguments a usage error.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return refuse("%w; see penstock %s --help", err, cmd.Name())
		}
		return nil
	}
}
