package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/api"
)

func kekRemoveCommand(a *app) *cobra.Command {
	var d destructive
	cmd := &cobra.Command{
		Use:   "remove ID|URI",
		Short: "Remove a KEK: it does not open the store any more",
		Long: `Remove a KEK. It stays where it is, in the TPM, the HSM or its file, and still
opens older copies of the store. The last KEK, and the last one that opens the
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
			return c.RemoveKEK(cmd.Context(), list[i].ID)
		}),
	}
	d.addFlags(cmd)
	return cmd
}
