package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func kekRotateCommand(a *app) *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Give the store a new root key",
		Long: `Give the store a new root key, wrapped anew for every KEK, while clients go on.
All KEKs have to be at hand for that, the file of a recovery passphrase as well.
The keys of tenants follow in the background, also after a stop of the daemon;
"vtoken kek list" tells how many are left. PINs, API keys and the keys on tokens
stay as they are.

Do it after a KEK was removed that somebody else may have.`,
		Example: `  vtoken kek rotate`,
		Args:    arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			r, err := c.Rotate(cmd.Context())
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, r)
			}
			_, err = fmt.Fprintln(a.out, "The root key is new; the keys of tenants follow in the background.")
			return err
		}),
	}
	out.addFlag(cmd)
	return cmd
}
