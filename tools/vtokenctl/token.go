package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/dialect/native/api"
)

func tokenCommand(a *app) *cobra.Command {
	return group("token", "Create, fill, show and delete tokens",
		tokenCreateCommand(a),
		tokenListCommand(a),
		tokenShowCommand(a),
		tokenImportCommand(a),
		tokenLabelCommand(a),
		tokenResetPINCommand(a),
		tokenUnlockCommand(a),
		tokenCompleteCommand(a),
		tokenEnableCommand(a, true),
		tokenEnableCommand(a, false),
		tokenPolicyCommand(a),
		tokenDeleteCommand(a),
	)
}

// tokenState is the state of a token in a few words.
func tokenState(t *api.Token) string {
	switch {
	case !t.Complete && !t.Enabled:
		return "open, disabled"
	case !t.Complete:
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
