package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/penstock-cd/penstock/internal/api/penstock"
	"github.com/penstock-cd/penstock/internal/iam"
)

func principalPolicyCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "policy",
		Short: "Give policies to a principal and take them away",
		Example: `  penstock principal policy put alice deploy policy.json
  penstock principal policy attach alice AWSCodePipelineApproverAccess
  penstock principal policy remove alice deploy`,
	}, principalPolicyPut(), principalPolicyAttach(), principalPolicyRemove(), principalPolicyManaged())
}

func principalPolicyPut() *cobra.Command {
	return principalVerb(&cobra.Command{
		Use:   "put NAME POLICY FILE",
		Short: "Give a principal a policy document of its own",
		Long: `The document replaces one with the same name. FILE is JSON in the IAM policy
language; - is standard input.`,
		Example: `  penstock principal policy put alice deploy policy.json
  penstock principal policy put alice deploy - < policy.json`,
		Args: exactArgs(3),
	}, func(ctx context.Context, p *principalCall) error {
		document, err := readPolicy(p, p.args[2])
		if err != nil {
			return err
		}
		err = p.call(ctx, "PutPrincipalPolicy", &penstock.PutPrincipalPolicyInput{
			PrincipalName: &p.args[0], PolicyName: &p.args[1], PolicyDocument: &document,
		}, nil)
		if err != nil {
			return err
		}
		return p.say("Policy %s is in force for %s", p.args[1], p.args[0])
	})
}

// readPolicy reads a policy document, and refuses here what the server would
// refuse.
func readPolicy(p *principalCall, file string) (string, error) {
	var text []byte
	var err error
	if file == "-" {
		text, err = io.ReadAll(io.LimitReader(p.stdin, iam.MaxPolicyBytes+1))
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return "", refuse("reading the policy: %w", err)
	}
	if _, err := iam.ParsePolicy(text); err != nil {
		return "", refuse("policy %s: %w", file, err)
	}
	return string(text), nil
}

func principalPolicyAttach() *cobra.Command {
	return principalVerb(&cobra.Command{
		Use:     "attach NAME POLICY",
		Short:   "Give a principal one of AWS's policies for CodePipeline",
		Example: "  penstock principal policy attach alice AWSCodePipeline_ReadOnlyAccess",
		Args:    exactArgs(2),
	}, func(ctx context.Context, p *principalCall) error {
		err := p.call(ctx, "AttachPrincipalPolicy", &penstock.AttachPrincipalPolicyInput{PrincipalName: &p.args[0], ManagedPolicy: &p.args[1]}, nil)
		if err != nil {
			return err
		}
		return p.say("Policy %s is in force for %s", p.args[1], p.args[0])
	})
}

func principalPolicyRemove() *cobra.Command {
	return principalVerb(&cobra.Command{
		Use:     "remove NAME POLICY",
		Short:   "Take a policy from a principal",
		Example: "  penstock principal policy remove alice deploy\n  penstock principal policy remove alice AWSCodePipeline_ReadOnlyAccess",
		Args:    exactArgs(2),
	}, func(ctx context.Context, p *principalCall) error {
		err := p.call(ctx, "DeletePrincipalPolicy", &penstock.DeletePrincipalPolicyInput{PrincipalName: &p.args[0], Policy: &p.args[1]}, nil)
		if err != nil {
			return err
		}
		return p.say("Removed policy %s from %s", p.args[1], p.args[0])
	})
}

func principalPolicyManaged() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "managed",
		Short:   "List AWS's policies for CodePipeline",
		Example: "  penstock principal policy managed\n  penstock principal policy managed --output json",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output == "json" {
				return writeJSON(cmd.OutOrStdout(), iam.ManagedPolicies())
			}
			for _, p := range iam.ManagedPolicies() {
				fmt.Fprintf(cmd.OutOrStdout(), "%s\n", p.Name)
			}
			return nil
		},
	}
	outputFlag(cmd, &output, "text, or json: with ARNs and documents")
	return cmd
}
