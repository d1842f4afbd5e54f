package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func groupCommand(a *app) *cobra.Command {
	return group("group", "Create, list and delete groups of tokens",
		groupCreateCommand(a),
		groupListCommand(a),
		groupDeleteCommand(a),
	)
}

func groupCreateCommand(a *app) *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a group that tokens can be reserved for",
		Long: `Create a group that tokens without a holder can be reserved for, with "vtoken token
groups". Only its id is printed.`,
		Example: `  vtoken group create helpdesk`,
		Args:    arguments("NAME"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			g, err := c.CreateGroup(cmd.Context(), tenant, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.out, g.ID)
			return err
		}),
	}
	addTenantFlag(cmd, &tenant)
	return cmd
}

func groupListCommand(a *app) *cobra.Command {
	var out format
	var tenant string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the groups of a tenant",
		Example: `  vtoken group list`,
		Args:    arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			groups, err := client.All(c.Groups(cmd.Context(), tenant))
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, groups)
			}
			var rows [][]string
			for _, g := range groups {
				rows = append(rows, []string{g.Name, g.ID, date(g.CreatedAt)})
			}
			return writeTable(a.out, []string{"NAME", "ID", "CREATED"}, rows)
		}),
	}
	addTenantFlag(cmd, &tenant)
	out.addFlag(cmd)
	return cmd
}

func groupDeleteCommand(a *app) *cobra.Command {
	var tenant string
	var d destructive
	cmd := &cobra.Command{
		Use:     "delete ID",
		Short:   "Delete a group; its tokens stay",
		Example: `  vtoken group delete $(vtoken group create helpdesk) --yes`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if ok, err := a.confirm(cmd, d, "delete the group "+args[0]); !ok {
				return err
			}
			return c.DeleteGroup(cmd.Context(), tenant, args[0])
		}),
	}
	addTenantFlag(cmd, &tenant)
	d.addFlags(cmd)
	return cmd
}
