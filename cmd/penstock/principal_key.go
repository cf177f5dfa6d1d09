package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/penstock-cd/penstock/internal/api/penstock"
)

func principalKeyCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "key",
		Short: "Add, rotate, disable and list access keys",
		Example: `  penstock principal key add alice
  penstock principal key rotate AKIAIOSFODNN7EXAMPLE
  penstock principal key disable AKIAIOSFODNN7EXAMPLE
  penstock principal key list`,
	}, principalKeyAdd(), principalKeyRotate(),
		principalKeyStatus("disable", "Refuse an access key at once, until it is enabled", "Disabled", penstock.AccessKeyStatusInactive),
		principalKeyStatus("enable", "Accept an access key again", "Enabled", penstock.AccessKeyStatusActive),
		principalKeyRemove(), principalKeyList())
}

// printSecret prints a new key as commands for a shell.
func (p *principalCall) printSecret(k *penstock.CreateAccessKeyOutput) error {
	fmt.Fprintln(p.err, "The secret is shown this once.")
	_, err := fmt.Fprintf(p.out, "export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n",
		shellQuote(deref(k.AccessKey.AccessKeyId)), shellQuote(deref(k.SecretAccessKey)))
	return err
}

func principalKeyAdd() *cobra.Command {
	return principalVerb(&cobra.Command{
		Use:   "add NAME",
		Short: "Make an access key for a principal",
		Long: `The key is printed as commands for a shell. Its secret is shown this once: the
server keeps it encrypted and tells it to nobody. A principal has two keys at most.`,
		Example: `  penstock principal key add alice
  eval "$(penstock principal key add alice)"`,
		Args: exactArgs(1),
	}, func(ctx context.Context, p *principalCall) error {
		var out penstock.CreateAccessKeyOutput
		if err := p.call(ctx, "CreateAccessKey", &penstock.CreateAccessKeyInput{PrincipalName: &p.args[0]}, &out); err != nil {
			return err
		}
		return p.show(out, func() error { return p.printSecret(&out) })
	})
}

func principalKeyRotate() *cobra.Command {
	var disable bool
	cmd := &cobra.Command{
		Use:   "rotate KEY",
		Short: "Make a second access key for the principal of a key",
		Long: `Both keys work, so that whoever uses the old one has time to change. Disable the
old one then, and remove it when nobody misses it; --disable disables it now.`,
		Example: `  penstock principal key rotate AKIAIOSFODNN7EXAMPLE
  penstock principal key rotate AKIAIOSFODNN7EXAMPLE --disable`,
		Args: exactArgs(1),
	}
	cmd.Flags().BoolVar(&disable, "disable", false, "disable the old key")
	return principalVerb(cmd, func(ctx context.Context, p *principalCall) error {
		old, err := p.findKey(ctx, p.args[0])
		if err != nil {
			return err
		}
		var out penstock.CreateAccessKeyOutput
		if err := p.call(ctx, "CreateAccessKey", &penstock.CreateAccessKeyInput{PrincipalName: old.PrincipalName}, &out); err != nil {
			return err
		}
		// Whatever happens to the old key, the new one's secret is known only now.
		if err := p.show(out, func() error { return p.printSecret(&out) }); err != nil {
			return err
		}
		if !disable {
			fmt.Fprintf(p.err, "The old key works still: penstock principal key disable %s\n", p.args[0])
			return nil
		}
		err = p.call(ctx, "UpdateAccessKey", &penstock.UpdateAccessKeyInput{AccessKeyId: &p.args[0], Status: penstock.AccessKeyStatusInactive}, nil)
		if err == nil {
			fmt.Fprintf(p.err, "Disabled %s\n", p.args[0])
		}
		return err
	})
}

// findKey looks a key up.
func (p *principalCall) findKey(ctx context.Context, id string) (penstock.AccessKey, error) {
	keys, err := p.keys(ctx, nil)
	if err != nil {
		return penstock.AccessKey{}, err
	}
	for _, k := range keys {
		if deref(k.AccessKeyId) == id {
			return k, nil
		}
	}
	return penstock.AccessKey{}, fmt.Errorf("there is no access key %s", id)
}

func principalKeyStatus(verb, short, done string, status penstock.AccessKeyStatus) *cobra.Command {
	return principalVerb(&cobra.Command{
		Use:     verb + " KEY",
		Short:   short,
		Example: "  penstock principal key " + verb + " AKIAIOSFODNN7EXAMPLE",
		Args:    exactArgs(1),
	}, func(ctx context.Context, p *principalCall) error {
		if err := p.call(ctx, "UpdateAccessKey", &penstock.UpdateAccessKeyInput{AccessKeyId: &p.args[0], Status: status}, nil); err != nil {
			return err
		}
		return p.say("%s %s", done, p.args[0])
	})
}

func principalKeyRemove() *cobra.Command {
	return principalVerb(&cobra.Command{
		Use:     "remove KEY",
		Short:   "Remove an access key for good",
		Example: "  penstock principal key remove AKIAIOSFODNN7EXAMPLE",
		Args:    exactArgs(1),
	}, func(ctx context.Context, p *principalCall) error {
		if err := p.call(ctx, "DeleteAccessKey", &penstock.DeleteAccessKeyInput{AccessKeyId: &p.args[0]}, nil); err != nil {
			return err
		}
		return p.say("Removed %s", p.args[0])
	})
}

func principalKeyList() *cobra.Command {
	return principalVerb(&cobra.Command{
		Use:     "list [NAME]",
		Short:   "List the access keys of a principal, or all",
		Long:    `When a key was last used is known to the minute, half a minute late.`,
		Example: "  penstock principal key list\n  penstock principal key list alice --output json",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return refuse("list takes the name of one principal at most; see %s --help", cmd.CommandPath())
			}
			return nil
		},
	}, func(ctx context.Context, p *principalCall) error {
		var name *string
		if len(p.args) == 1 {
			name = &p.args[0]
		}
		keys, err := p.keys(ctx, name)
		if err != nil {
			return err
		}
		return p.show(penstock.ListAccessKeysOutput{AccessKeys: keys}, func() error {
			rows := [][]string{}
			for _, k := range keys {
				used := "never"
				if k.LastUsed != nil {
					used = k.LastUsed.Time().UTC().Format("2006-01-02 15:04")
				} else if deref(k.Configured) {
					used = "-"
				}
				rows = append(rows, []string{deref(k.AccessKeyId), deref(k.PrincipalName), string(k.Status), day(k.Created), used, origin(k.Configured)})
			}
			return table(p.out, []string{"KEY", "PRINCIPAL", "STATUS", "CREATED", "LAST USED (UTC)", "FROM"}, rows)
		})
	})
}

// keys lists all access keys of a principal, or of the account.
func (p *principalCall) keys(ctx context.Context, name *string) ([]penstock.AccessKey, error) {
	list := []penstock.AccessKey{}
	in := &penstock.ListAccessKeysInput{PrincipalName: name}
	for {
		var page penstock.ListAccessKeysOutput
		if err := p.call(ctx, "ListAccessKeys", in, &page); err != nil {
			return nil, err
		}
		list = append(list, page.AccessKeys...)
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return list, nil
		}
	}
}
