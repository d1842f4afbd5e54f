package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func kekRemoveCommand(a *app) *cobra.Command {
	var d destructive
	cmd := &cobra.Command{
		Use:   "remove ID|URI",
		Short: "Remove a KEK: it does not open the store any more",
		Long: `Remove a KEK. It stays where it is, in the TPM, the HSM or its file, and still
opens older copies and backups of the store, so destroy it there: the key file in
the data folder, if it was the KEK of a new store. What is left in the store file
of what it unwrapped is overwritten. The last KEK, and the last one that opens the
store at this moment, cannot be removed.`,
		Example: `  vtoken kek remove file:kek.key --yes`,
		Args:    arguments("ID|URI"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			list, err := client.All(c.KEKs(cmd.Context()))
			if err != nil {
				return err
			}
			i := slices.IndexFunc(list, func(k api.KEK) bool { return k.ID == args[0] || k.URI == args[0] })
			if i < 0 {
				return fmt.Errorf("there is no KEK %s; see: vtoken kek list", args[0])
			}
			if ok, err := a.confirm(cmd, d, fmt.Sprintf("remove the KEK %s", list[i].URI)); !ok {
				return err
			}
			if err := c.RemoveKEK(cmd.Context(), list[i].ID); err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.err, "It still opens older copies and backups of the store: destroy it, and make a new backup.")
			return err
		}),
	}
	d.addFlags(cmd)
	return cmd
}
