package main

import "github.com/spf13/cobra"

func apikeyCommand(a *app) *cobra.Command {
	return group("apikey", "Create, list and revoke API keys",
		apikeyCreateCommand(a),
		apikeyListCommand(a),
		apikeyRevokeCommand(a),
	)
}
