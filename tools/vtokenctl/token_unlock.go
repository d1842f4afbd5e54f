package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func tokenUnlockCommand(a *app) *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "unlock ID",
		Short: "Allow tries of a PIN again",
		Long: `Start the count of wrong tries of a PIN anew, on complete tokens too. The PIN and
what is on the token stay as they are. It takes the right to manage, and is done three
times in 24 hours for each PIN: then set another one (vtoken token reset-pin).`,
		Example: `  vtoken token unlock 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.Unlock(cmd.Context(), args[0], role)
			return err
		}),
	}
	cmd.Flags().StringVar(&role, "role", "user", "whose PIN, the `ROLE` user or so")
	complete(cmd, "role", "user", "so")
	return cmd
}
