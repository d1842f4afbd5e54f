package main

import "github.com/spf13/cobra"

func auditCommand(a *app) *cobra.Command {
	return group("audit", "Read and verify the audit log",
		auditTailCommand(a),
		auditVerifyCommand(a),
		auditArchiveCommand(a),
	)
}
