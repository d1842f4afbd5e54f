package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func tokenListCommand(a *app) *cobra.Command {
	var out format
	var tenant string
	var filter client.TokenFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tokens of a tenant",
		Long: `List the tokens of a tenant, or those of one user or of one label.

The state is "open" while a token is being provisioned, "ready" when
applications can use it, or "activation pending", "unassigned", "PIN locked",
"disabled", "expired" or "deceased".`,
		Example: `  vtoken token list
  vtoken token list --user alice
  vtoken token list --label "Alice's card" -o json`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			tokens, err := client.All(c.Tokens(cmd.Context(), tenant, filter))
			if err != nil {
				return err
			}
			return a.writeTokens(tokens, out)
		}),
	}
	cmd.Flags().StringVar(&filter.User, "user", "", "only tokens of the user of this `NAME`: login or id")
	cmd.Flags().StringVar(&filter.Label, "label", "", "only tokens whose whole label is this `TEXT`")
	addTenantFlag(cmd, &tenant)
	out.addFlag(cmd)
	return cmd
}

func (a *app) writeTokens(tokens []api.Token, out format) error {
	if out == formatJSON {
		return writeJSON(a.out, tokens)
	}
	var rows [][]string
	for _, t := range tokens {
		rows = append(rows, tokenRow(&t))
	}
	return writeTable(a.out, []string{"ID", "LABEL", "USER", "SLOT", "STATE", "CREATED"}, rows)
}

func tokenRow(t *api.Token) []string {
	return []string{t.ID, t.Label, t.User, strconv.FormatUint(t.Slot, 10), tokenState(t), date(t.CreatedAt)}
}
