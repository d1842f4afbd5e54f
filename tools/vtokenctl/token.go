package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
)

func tokenCommand(a *app) *cobra.Command {
	return group("token", "Create, fill, show and delete tokens",
		tokenCreateCommand(a),
		tokenListCommand(a),
		tokenSearchCommand(a),
		tokenShowCommand(a),
		tokenLintCommand(a),
		tokenImportCommand(a),
		tokenCSRCommand(a),
		tokenPutCertCommand(a),
		tokenLabelCommand(a),
		tokenResetPINCommand(a),
		tokenUnlockCommand(a),
		tokenCompleteCommand(a),
		tokenEnableCommand(a, true),
		tokenEnableCommand(a, false),
		tokenAssignCommand(a),
		tokenUnassignCommand(a),
		tokenActivationCodeCommand(a),
		tokenActivateCommand(a),
		tokenExpireCommand(a),
		tokenConfineCommand(a, true),
		tokenConfineCommand(a, false),
		tokenGroupsCommand(a),
		tokenPolicyCommand(a),
		tokenDeceaseCommand(a),
		tokenDeleteCommand(a),
	)
}

// tokenState is the state of a token in a few words.
func tokenState(t *api.Token) string {
	activated := t.Activation == "activated"
	switch {
	case t.Deceased:
		return "deceased"
	case len(t.Holders) == 0:
		return "unassigned"
	case t.ExpiresAt != nil && !time.Now().Before(*t.ExpiresAt):
		return "expired"
	case !activated && !t.Enabled:
		return "open, disabled"
	case t.Activation == "pending":
		return "activation pending"
	case !activated:
		return "open"
	case !t.Enabled:
		return "disabled"
	case t.UserPIN.Locked:
		return "PIN locked"
	}
	return "ready"
}

// pinState is the state of a PIN in a few words.
func pinState(p api.PINStatus) string {
	switch {
	case !p.Set:
		return fmt.Sprintf("not set (%d to %d characters)", p.MinLength, p.MaxLength)
	case p.Locked:
		return "locked after too many wrong tries"
	}
	state := "set, any number of tries"
	if p.TriesLeft >= 0 {
		state = "set, " + triesLeft(p.TriesLeft)
	}
	if p.MustChange {
		state += ", has to be changed"
	}
	return state
}

func triesLeft(n int) string {
	if n == 1 {
		return "1 try left"
	}
	return fmt.Sprintf("%d tries left", n)
}
