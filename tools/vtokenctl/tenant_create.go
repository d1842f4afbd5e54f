package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func tenantCreateCommand(a *app) *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a tenant",
		Long: `Create a tenant: an organisation's part of the store, with users, tokens and
API keys of its own, under a key of its own. Its id is printed.`,
		Example: `  vtoken tenant create sales
  vtoken tenant create research -o json`,
		Args: arguments("NAME"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			t, err := c.CreateTenant(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, t)
			}
			_, err = fmt.Fprintln(a.out, t.ID)
			return err
		}),
	}
	out.addFlag(cmd)
	return cmd
}
