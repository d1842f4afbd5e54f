package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// destructive has the flags of a command that cannot be undone.
type destructive struct {
	yes    bool
	dryRun bool
}

func (d *destructive) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&d.dryRun, "dry-run", false, "print what would be done, and do nothing")
	cmd.Flags().BoolVarP(&d.yes, "yes", "y", false, "do not ask")
}

// confirm says what is about to be done and asks whether to continue. It returns false if
// nothing is to be done.
func (a *app) confirm(cmd *cobra.Command, d destructive, what string) (bool, error) {
	switch {
	case d.dryRun:
		fmt.Fprintf(a.out, "would %s\n", printable(what))
		return false, nil
	case d.yes:
		return true, nil
	case !a.interactive():
		return false, usagef(cmd, "this would %s; add --yes to do so, or --dry-run to look first", what)
	}
	fmt.Fprintf(a.err, "This will %s. Go on? [y/N] ", printable(what))
	line, err := a.typed(cmd.Context())
	if err != nil {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	if answer := strings.ToLower(strings.TrimSpace(string(line))); answer != "y" && answer != "yes" {
		return false, fmt.Errorf("not confirmed, nothing was changed")
	}
	return true, nil
}
