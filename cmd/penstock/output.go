package main

import (
	"encoding/json"
	"io"
	"slices"

	"github.com/spf13/cobra"
)

// outputFlag adds --output, which every command has.
func outputFlag(cmd *cobra.Command, output *string, help string) {
	cmd.Flags().StringVar(output, "output", "text", help)
	before := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains([]string{"text", "json"}, *output) {
			return refuse("--output is text or json, not %q", *output)
		}
		return before(cmd, args)
	}
}

// writeJSON writes a value as one line.
func writeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
