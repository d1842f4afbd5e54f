package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

// userEnableCommand is "user enable", or "user disable".
func userEnableCommand(a *app, on bool) *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:   "disable LOGIN",
		Short: "Hide a user's tokens from applications",
		Long: `Hide all tokens of a user from applications, until "vtoken user enable". The
tokens and what is on them stay as they are.`,
		Example: `  vtoken user disable alice`,
		Args:    arguments("LOGIN"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.ChangeUser(cmd.Context(), tenant, args[0], api.UserChange{Enabled: &on})
			return err
		}),
	}
	if on {
		cmd.Use, cmd.Short = "enable LOGIN", "Show a user's tokens to applications again"
		cmd.Long, cmd.Example = "", `  vtoken user enable alice`
	}
	addTenantFlag(cmd, &tenant)
	return cmd
}
