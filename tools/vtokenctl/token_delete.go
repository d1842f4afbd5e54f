package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func tokenDeleteCommand(a *app) *cobra.Command {
	var d destructive
	cmd := &cobra.Command{
		Use:   "delete ID",
		Short: "Delete a token for good",
		Long: `Delete a token with all keys and certificates on it. Nothing brings them back; to
take a token out of use for a while, disable it.`,
		Example: `  vtoken token delete 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --dry-run
  vtoken token delete 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --yes`,
		Args: arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			t, err := c.Token(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			objects, err := client.All(c.Objects(cmd.Context(), t.ID))
			if err != nil {
				return err
			}
			what := fmt.Sprintf("delete the token %q of %s with %s for good", t.Label, t.User, count(len(objects), "object"))
			if ok, err := a.confirm(cmd, d, what); !ok {
				return err
			}
			return c.DeleteToken(cmd.Context(), t.ID)
		}),
	}
	d.addFlags(cmd)
	return cmd
}
