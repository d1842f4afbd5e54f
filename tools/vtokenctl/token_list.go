package main

import (
	"strconv"
	"strings"

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
	cmd.Flags().StringVar(&filter.Label, "label", "", "only tokens with exactly this label (`TEXT`)")
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

func tokenSearchCommand(a *app) *cobra.Command {
	var out format
	var tenant string
	var where []string
	var search api.Search
	var most int
	cmd := &cobra.Command{
		Use:   "search",
		Short: "Find tokens by their properties",
		Long: `Find tokens by their properties. A condition is "FIELD OPERATOR VALUE", "FIELD exists" or
"FIELD notExists"; all conditions must hold.

Fields: serial, label, kind (card, otp), manufacturer, model, repository, hardware,
activation (new, pending, activated), state (unassigned, new, pending, active,
inactive, deceased), enabled, deceased, complete, held, holder, group, createdAt,
lastUsedAt, expiresAt, slot. Operators: equals, notEquals, contains, notContains,
startsWith, endsWith, greaterThan, greaterThanOrEqual, lessThan, lessThanOrEqual,
like (with % for any characters).`,
		Example: `  vtoken token search --where 'state equals unassigned' --order-by serial
  vtoken token search --where 'createdAt greaterThan 2026-01-01T00:00:00Z' --where 'label contains card' -o json`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			for _, text := range where {
				criterion, ok := parseCriterion(text)
				if !ok {
					return usagef(cmd, "%q is no condition such as 'serial startsWith 00'", text)
				}
				search.Where = append(search.Where, criterion)
			}
			tokens, err := searchTokens(cmd, c, tenant, search, most)
			if err != nil {
				return err
			}
			return a.writeTokens(tokens, out)
		}),
	}
	cmd.Flags().StringArrayVar(&where, "where", nil, "`CONDITION` that tokens must meet (repeatable)")
	cmd.Flags().StringVar(&search.OrderBy, "order-by",
		"serial", "`FIELD` to sort by: serial, label, state, createdAt, lastUsedAt, expiresAt or slot")
	cmd.Flags().BoolVar(&search.Descending, "descending", false, "sort in descending order")
	cmd.Flags().IntVar(&most, "most", 1000, "maximal `NUMBER` of tokens to list")
	addTenantFlag(cmd, &tenant)
	out.addFlag(cmd)
	return cmd
}

func parseCriterion(text string) (api.Criterion, bool) {
	field, rest, ok := strings.Cut(text, " ")
	operator, value, valued := strings.Cut(rest, " ")
	return api.Criterion{Field: field, Operator: operator, Value: value}, ok && valued == !strings.HasSuffix(strings.ToLower(operator), "exists")
}

// searchTokens reads pages until it has enough tokens.
func searchTokens(cmd *cobra.Command, c *client.Client, tenant string, s api.Search, most int) ([]api.Token, error) {
	found := []api.Token{}
	for {
		page, err := c.SearchTokens(cmd.Context(), tenant, s)
		if err != nil {
			return nil, err
		}
		found = append(found, page.Items...)
		if page.Next == "" || len(found) >= most {
			return found[:min(len(found), most)], nil
		}
		s = api.Search{Cursor: page.Next}
	}
}
