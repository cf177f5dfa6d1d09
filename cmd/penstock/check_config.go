package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/penstock-cd/penstock/internal/server"
)

func checkConfigCommand() *cobra.Command {
	var file, output string
	var flags server.Config
	cmd := &cobra.Command{
		Use:   "check-config",
		Short: "Show the configuration in force, where it comes from, and what is wrong with it",
		Long: `It shows every key with which penstock serve would start, its value and where that
comes from (a flag, an environment variable, the file of --config, or the default),
secrets hidden. It takes the flags of penstock serve, and starts and changes
nothing.

Exit status: 0 the server would start with it; 2 something is wrong.`,
		Example: `  penstock check-config
  penstock check-config --config penstock.yaml
  PENSTOCK_LISTEN=0.0.0.0:8700 penstock check-config --data /var/lib/penstock`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(file, cmd.Flags(), flags, os.LookupEnv)
			if err != nil {
				return err
			}
			problems := flatten(errors.Join(cfg.Check(), checkPlaces(cfg.Config), cfg.CheckItself(cmd.Context(), cfg.Effective().Listen)))
			if output == "json" {
				err = writeJSON(cmd.OutOrStdout(), configReport(cfg, problems))
			} else {
				err = printConfig(cmd.OutOrStdout(), cfg, problems)
			}
			if err == nil && len(problems) > 0 {
				err = &exitError{status: exitUsage}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "YAML `FILE` with the configuration")
	outputFlag(cmd, &output, "text or json")
	bindConfig(cmd.Flags(), &flags)
	return cmd
}

// checkPlaces reports the folders and files of a configuration that cannot be
// used on this machine.
func checkPlaces(c server.Config) error {
	var errs []error
	folder := func(key, path string) {
		path, local := strings.CutPrefix(path, "file://")
		if !local && !filepath.IsAbs(path) {
			return // git and the server judge URLs
		}
		if info, err := os.Stat(path); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
		} else if !info.IsDir() {
			errs = append(errs, fmt.Errorf("%s: %s is no folder", key, path))
		}
	}
	folder("codeCommit", c.CodeCommit)
	for _, arn := range slices.Sorted(maps.Keys(c.Connections)) {
		conn := c.Connections[arn]
		folder(fmt.Sprintf("connections[%q].url", arn), conn.URL)
		if conn.SSHKeyFile != "" {
			if _, err := os.ReadFile(conn.SSHKeyFile); err != nil {
				errs = append(errs, fmt.Errorf("connections[%q].sshKeyFile: %w", arn, err))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Functions)) {
		if err := checkCommand(c.Functions[name]); err != nil {
			errs = append(errs, fmt.Errorf("functions[%q].command: %w", name, err))
		}
	}
	data := c.Effective().Data
	if info, err := os.Stat(data); err == nil && !info.IsDir() {
		errs = append(errs, fmt.Errorf("data: %s is no folder", data))
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, fmt.Errorf("data: %w", err))
	}
	return errors.Join(errs...)
}

// checkCommand reports that what a function runs is not there.
func checkCommand(f server.Function) error {
	if len(f.Command) == 0 {
		return nil
	}
	path := f.Command[0]
	if strings.Contains(path, "/") && !filepath.IsAbs(path) {
		path = filepath.Join(f.Directory, path)
	}
	_, err := exec.LookPath(path)
	return err
}

// flatten lists the errors that were joined.
func flatten(err error) []string {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var list []string
		for _, e := range joined.Unwrap() {
			list = append(list, flatten(e)...)
		}
		return list
	}
	return []string{err.Error()}
}

// configLine is one key of a configuration as check-config shows it.
type configLine struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	From  string `json:"from"`
}

type configAnswer struct {
	Valid         bool         `json:"valid"`
	Configuration []configLine `json:"configuration"`
	Problems      []string     `json:"problems"`
}

func configReport(c configuration, problems []string) configAnswer {
	return configAnswer{Valid: len(problems) == 0, Configuration: configLines(c), Problems: slices.Concat([]string{}, problems)}
}

func configLines(c configuration) []configLine {
	effective := c.Effective()
	var lines []configLine
	for _, option := range server.Scalars() {
		lines = append(lines, configLine{option.Name, option.Show(effective), cmp.Or(c.from[option.Name], fromDefault)})
	}
	for _, arn := range slices.Sorted(maps.Keys(c.Connections)) {
		conn := c.Connections[arn]
		for _, v := range [][2]string{
			{"url", server.RedactURL(conn.URL)}, {"providerType", conn.ProviderType}, {"username", conn.Username},
			{"token", hidden(conn.Token)}, {"sshKeyFile", conn.SSHKeyFile},
		} {
			if v[1] != "" {
				lines = append(lines, configLine{fmt.Sprintf("connections[%q].%s", arn, v[0]), v[1], fromFile})
			}
		}
	}
	for _, bucket := range slices.Sorted(maps.Keys(c.ArtifactStores)) {
		lines = append(lines, artifactStoreLines(bucket, c.ArtifactStores[bucket])...)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Functions)) {
		lines = append(lines, functionLines(name, c.Functions[name])...)
	}
	for _, p := range c.Principals {
		name := fmt.Sprintf("principals[%q]", p.Name)
		policies := slices.Concat(p.ManagedPolicies, slices.Sorted(maps.Keys(p.Policies)))
		lines = append(lines, configLine{name + ".accessKeyId", p.AccessKeyID, fromFile}, configLine{name + ".policies", strings.Join(policies, ", "), fromFile})
	}
	if len(c.PassEnvironment) > 0 {
		lines = append(lines, configLine{"passEnvironment", strings.Join(c.PassEnvironment, ", "), fromFile})
	}
	return lines
}

func artifactStoreLines(bucket string, store server.ArtifactStore) (lines []configLine) {
	pathStyle := ""
	if store.PathStyle {
		pathStyle = "true"
	}
	for _, v := range [][2]string{
		{"endpoint", server.RedactURL(store.Endpoint)}, {"region", store.Region}, {"pathStyle", pathStyle}, {"bucket", store.Bucket},
		{"accessKeyId", store.AccessKeyID}, {"secretAccessKey", hidden(store.SecretAccessKey)},
	} {
		if v[1] != "" {
			lines = append(lines, configLine{fmt.Sprintf("artifactStores[%q].%s", bucket, v[0]), v[1], fromFile})
		}
	}
	return lines
}

// functionLines show the names of a function's variables, not their values.
func functionLines(name string, f server.Function) (lines []configLine) {
	timeout := ""
	if f.Timeout != 0 {
		timeout = strconv.Itoa(f.Timeout)
	}
	for _, v := range [][2]string{
		{"directory", f.Directory}, {"handler", f.Handler}, {"runtime", f.Runtime}, {"command", strings.Join(f.Command, " ")},
		{"environment", strings.Join(slices.Sorted(maps.Keys(f.Environment)), ", ")}, {"timeout", timeout},
	} {
		if v[1] != "" {
			lines = append(lines, configLine{fmt.Sprintf("functions[%q].%s", name, v[0]), v[1], fromFile})
		}
	}
	return lines
}

func hidden(secret string) string {
	if secret == "" {
		return ""
	}
	return "****"
}

func printConfig(out io.Writer, c configuration, problems []string) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range configLines(c) {
		fmt.Fprintf(table, "%s\t%s\t%s\n", line.Key, cmp.Or(line.Value, "-"), line.From)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(problems) == 0 {
		_, err := fmt.Fprintln(out, "\nThe configuration is good.")
		return err
	}
	_, err := fmt.Fprintf(out, "\nWrong:\n  %s\n", strings.Join(problems, "\n  "))
	return err
}
