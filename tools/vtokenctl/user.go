package main

import "github.com/spf13/cobra"

func userCommand(a *app) *cobra.Command {
	return group("user", "Create, list, map and disable users",
		userCreateCommand(a),
		userListCommand(a),
		userMapCommand(a),
		userChangeCommand(a),
		userDeleteCommand(a),
		userKeysCommand(a),
		userDeleteKeyCommand(a),
		userEnableCommand(a, true),
		userEnableCommand(a, false),
	)
}
