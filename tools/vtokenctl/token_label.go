package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func tokenLabelCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "label ID TEXT",
		Short: "Set the label of a token",
		Long: `Set the label of a token that is not complete yet. PKCS#11 applications show its
first 32 bytes. Applications that know the token by its old label have to be
told; those that know it by the URI of "vtoken token show" go on.`,
		Example: `  vtoken token label 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 "Alice, signing"`,
		Args:    arguments("ID", "TEXT"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.ChangeToken(cmd.Context(), args[0], api.TokenChange{Label: &args[1]})
			return err
		}),
	}
}
