package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

// tokenEnableCommand is "token enable", or "token disable".
func tokenEnableCommand(a *app, on bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "disable ID",
		Short: "Hide a token from applications",
		Long: `Hide a token from applications, until "vtoken token enable". What is on it stays
as it is.`,
		Example: `  vtoken token disable 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.ChangeToken(cmd.Context(), args[0], api.TokenChange{Enabled: &on})
			return err
		}),
	}
	if on {
		cmd.Use, cmd.Short = "enable ID", "Show a token to applications again"
		cmd.Long, cmd.Example = "", `  vtoken token enable 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`
	}
	return cmd
}
