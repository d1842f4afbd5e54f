package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func kekListCommand(a *app) *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the KEKs, and try whether each opens the store",
		Long: `List the KEKs, and try whether each opens the store now. A recovery passphrase
whose file is locked away does not, and that is as it should be.`,
		Example: `  vtoken kek list
  vtoken kek list -o json`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			list, err := client.All(c.KEKs(cmd.Context()))
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, list)
			}
			rotation, err := c.Rotation(cmd.Context())
			if err != nil {
				return err
			}
			return a.showKEKs(list, rotation.Left)
		}),
	}
	out.addFlag(cmd)
	return cmd
}

func (a *app) showKEKs(list []api.KEK, left int) error {
	var rows [][]string
	for _, k := range list {
		rows = append(rows, []string{k.ID, k.Kind, kekState(k), date(k.CreatedAt), k.URI})
	}
	if err := writeTable(a.out, []string{"ID", "KIND", "STATE", "CREATED", "URI"}, rows); err != nil {
		return err
	}
	for _, k := range list {
		if !k.Ready {
			fmt.Fprintf(a.out, "%s: %s\n", printable(k.URI), printable(k.Problem))
		}
	}
	if !slices.ContainsFunc(list, func(k api.KEK) bool { return k.Recovery }) {
		fmt.Fprintln(a.out, "There is no recovery passphrase: when these KEKs are lost, so is every key.")
		fmt.Fprintln(a.out, "Add one, and lock its file away: vtoken kek add --generate passphrase:file=FILE")
	}
	if left > 0 {
		fmt.Fprintf(a.out, "A rotation of the root key is under way: %s left.\n", count(left, "key"))
	}
	return nil
}

func kekState(k api.KEK) string {
	switch {
	case k.Ready:
		return "ready"
	case k.Recovery:
		return "away"
	}
	return "fails"
}
