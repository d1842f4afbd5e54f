package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func tokenActivateCommand(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "activate ID",
		Short: "End the activation of a token",
		Long: `End the activation of a token, so that its holder's applications see it: with the
code of "vtoken token activation-code", or without one on your word that the token
is in its holder's hands.`,
		Example: `  vtoken token activate 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			var code api.Secret
			if file != "" {
				var err error
				if code, err = a.readSecret(cmd, "--code-file", file); err != nil {
					return err
				}
				defer code.Wipe()
			}
			_, err := c.FinishActivation(cmd.Context(), args[0], code)
			return err
		}),
	}
	cmd.Flags().StringVar(&file, "code-file", "", "`FILE` with the activation code (- is standard input)")
	return cmd
}

func tokenActivationCodeCommand(a *app) *cobra.Command {
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:   "activation-code ID",
		Short: "Begin the activation of a token",
		Long: `Begin the activation of a token, or begin it anew, and print the code that ends it.
It is shown this once. Until the activation has ended, applications do not see the
token. Five wrong codes end it as well.`,
		Example: `  vtoken token activation-code 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --lasts 24h`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			begun, err := c.StartActivation(cmd.Context(), args[0], int(lasts/time.Second))
			if err != nil {
				return err
			}
			defer begun.Code.Wipe()
			_, err = fmt.Fprintf(a.out, "%s\n", []byte(begun.Code))
			return err
		}),
	}
	cmd.Flags().DurationVar(&lasts, "lasts", 5*time.Minute, "how long the code lasts, from 1m to 720h")
	return cmd
}
