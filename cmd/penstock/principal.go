package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/api/penstock"
	"github.com/penstock-cd/penstock/internal/iam"
)

// principalCall is what a principal command works with.
type principalCall struct {
	client *client
	args   []string
	stdin  io.Reader
	out    io.Writer
	err    io.Writer
	json   bool
}

// call sends a request to one of Penstock's own operations.
func (p *principalCall) call(ctx context.Context, operation string, in, out any) error {
	return unreached(p.client, p.client.penstock.Call(ctx, operation, in, out))
}

// show prints an answer: as JSON, or what text writes.
func (p *principalCall) show(answer any, text func() error) error {
	if p.json {
		return writeJSON(p.out, answer)
	}
	return text()
}

// say prints a sentence, or {} as JSON.
func (p *principalCall) say(format string, args ...any) error {
	return p.show(struct{}{}, func() error {
		_, err := fmt.Fprintf(p.out, format+"\n", args...)
		return err
	})
}

// principalVerb completes a command that talks to a server.
func principalVerb(cmd *cobra.Command, run func(context.Context, *principalCall) error) *cobra.Command {
	var data, output string
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := environmentClient(data)
		if err != nil {
			return err
		}
		err = run(cmd.Context(), &principalCall{
			client: c, args: args, stdin: cmd.InOrStdin(), out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), json: output == "json",
		})
		// What a server answers names neither the principal nor the key.
		if _, answered := errors.AsType[*api.Error](err); answered && len(args) > 0 {
			verb := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
			err = fmt.Errorf("%s %s: %w", verb, strings.Join(args, " "), err)
		}
		return err
	}
	dataFlag(cmd, &data)
	outputFlag(cmd, &output, "text or json")
	return cmd
}

// group is a command that has commands only.
func group(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return refuse("unknown command %q; see %s --help", args[0], cmd.CommandPath())
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(commands...)
	return cmd
}

func principalCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "principal",
		Short: "Say who may use a server, and what they may do",
		Long: `Principals sign requests with access keys and may do what their IAM policies allow.
The server is the one of AWS_ENDPOINT_URL, or the one that runs on --data. These
commands need root's key, or one whose policies allow penstock:* actions.`,
		Example: `  penstock principal add alice --managed AWSCodePipeline_ReadOnlyAccess --key
  penstock principal policy put alice deploy policy.json
  penstock principal key rotate AKIAIOSFODNN7EXAMPLE
  penstock principal list`,
	},
		principalAdd(), principalList(), principalShow(), principalRemove(),
		principalPolicyCommand(), principalKeyCommand(), principalEncryption())
}

func principalAdd() *cobra.Command {
	var managed, policies []string
	var key bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a principal",
		Long: `With --key the principal gets an access key, printed as commands for a shell. Its
secret is shown this once.`,
		Example: `  penstock principal add alice
  penstock principal add bot --managed AWSCodePipelineCustomActionAccess --key
  penstock principal add carol --policy deploy=policy.json`,
		Args: exactArgs(1),
	}
	cmd.Flags().StringArrayVar(&managed, "managed", nil, "managed `POLICY` by name or ARN; may be repeated")
	cmd.Flags().StringArrayVar(&policies, "policy", nil, "policy document as `NAME=FILE`; may be repeated")
	cmd.Flags().BoolVar(&key, "key", false, "make an access key too")
	return principalVerb(cmd, func(ctx context.Context, p *principalCall) error {
		in := &penstock.CreatePrincipalInput{Name: &p.args[0], ManagedPolicies: managed}
		for _, policy := range policies {
			name, file, found := strings.Cut(policy, "=")
			if !found {
				return refuse("--policy %s is not NAME=FILE", policy)
			}
			document, err := readPolicy(p, file)
			if err != nil {
				return err
			}
			in.Policies = append(in.Policies, penstock.PrincipalPolicy{PolicyName: &name, PolicyDocument: &document})
		}
		var made struct {
			penstock.CreatePrincipalOutput
			*penstock.CreateAccessKeyOutput
		}
		if err := p.call(ctx, "CreatePrincipal", in, &made.CreatePrincipalOutput); err != nil {
			return err
		}
		if key {
			made.CreateAccessKeyOutput = new(penstock.CreateAccessKeyOutput)
			if err := p.call(ctx, "CreateAccessKey", &penstock.CreateAccessKeyInput{PrincipalName: in.Name}, made.CreateAccessKeyOutput); err != nil {
				return fmt.Errorf("the principal was made, but no access key: %w", err)
			}
		}
		return p.show(made, func() error {
			if !key {
				_, err := fmt.Fprintf(p.out, "Made %s\n", deref(made.Principal.Arn))
				return err
			}
			fmt.Fprintf(p.err, "Made %s\n", deref(made.Principal.Arn))
			return p.printSecret(made.CreateAccessKeyOutput)
		})
	})
}

func principalList() *cobra.Command {
	return principalVerb(&cobra.Command{
		Use:     "list",
		Short:   "List the principals",
		Example: "  penstock principal list\n  penstock principal list --output json",
		Args:    exactArgs(0),
	}, func(ctx context.Context, p *principalCall) error {
		all := penstock.ListPrincipalsOutput{Principals: []penstock.PrincipalSummary{}}
		in := &penstock.ListPrincipalsInput{}
		for {
			var page penstock.ListPrincipalsOutput
			if err := p.call(ctx, "ListPrincipals", in, &page); err != nil {
				return err
			}
			all.Principals = append(all.Principals, page.Principals...)
			if in.NextToken = page.NextToken; in.NextToken == nil {
				break
			}
		}
		return p.show(all, func() error {
			rows := [][]string{}
			for _, s := range all.Principals {
				rows = append(rows, []string{deref(s.Name), day(s.Created), origin(s.Configured)})
			}
			return table(p.out, []string{"NAME", "CREATED", "FROM"}, rows)
		})
	})
}

func principalShow() *cobra.Command {
	return principalVerb(&cobra.Command{
		Use:     "show NAME",
		Short:   "Print a principal with its policies",
		Example: "  penstock principal show alice",
		Args:    exactArgs(1),
	}, func(ctx context.Context, p *principalCall) error {
		var out penstock.GetPrincipalOutput
		if err := p.call(ctx, "GetPrincipal", &penstock.GetPrincipalInput{Name: &p.args[0]}, &out); err != nil {
			return err
		}
		return p.show(out, func() error {
			fmt.Fprintf(p.out, "%s\n", deref(out.Principal.Arn))
			for _, arn := range out.Principal.ManagedPolicies {
				fmt.Fprintf(p.out, "managed policy %s\n", arn)
			}
			for _, policy := range out.Principal.Policies {
				fmt.Fprintf(p.out, "policy %s\n%s\n", deref(policy.PolicyName), strings.TrimSpace(deref(policy.PolicyDocument)))
			}
			return nil
		})
	})
}

func principalRemove() *cobra.Command {
	return principalVerb(&cobra.Command{
		Use:     "remove NAME",
		Short:   "Remove a principal with its policies and access keys",
		Example: "  penstock principal remove alice",
		Args:    exactArgs(1),
	}, func(ctx context.Context, p *principalCall) error {
		if err := p.call(ctx, "DeletePrincipal", &penstock.DeletePrincipalInput{Name: &p.args[0]}, nil); err != nil {
			return err
		}
		return p.say("Removed %s", p.args[0])
	})
}

func principalEncryption() *cobra.Command {
	var data, output string
	cmd := &cobra.Command{
		Use:   "rotate-encryption-key",
		Short: "Add an encryption key for the secrets in the database",
		Long: `Secrets of access keys are encrypted in the database under keys in the directory
encryption-keys of the data directory. This adds one, from then on the one in use;
the server brings the secrets of access keys under it within the hour, and goes on
reading what older keys encrypted. With several nodes, copy the new file to the
others at once: they cannot read what they have no key for.`,
		Example: "  penstock principal rotate-encryption-key --data ./data",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if data == "" {
				return refuse("name the data directory with --data: the keys are files in it")
			}
			if _, err := os.Stat(data); err != nil {
				return refuse("data directory: %w", err)
			}
			keyring, err := iam.OpenKeyring(data)
			if err != nil {
				return err
			}
			id, err := keyring.Rotate()
			if err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(cmd.OutOrStdout(), map[string]string{"encryptionKey": id})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Added encryption key %s\n", id)
			return err
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "data `DIR` of the server")
	outputFlag(cmd, &output, "text or json")
	return cmd
}

// table prints rows below their headings.
func table(out io.Writer, head []string, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func day(t *api.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.Time().UTC().Format("2006-01-02")
}

func origin(configured *bool) string {
	if deref(configured) {
		return "configuration"
	}
	return "database"
}
