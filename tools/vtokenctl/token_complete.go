package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func tokenCompleteCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "complete ID",
		Short: "End the provisioning of a token",
		Long: `End the provisioning of a token: its user's applications see it from now on, and
administrators no longer change its keys, certificates, PINs and label. There is
no way back.`,
		Example: `  vtoken token complete 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.CompleteToken(cmd.Context(), args[0])
			return err
		}),
	}
}
