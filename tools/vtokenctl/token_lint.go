package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

// findingsError is that of a token on which something was found.
type findingsError struct {
	token string
	count int
}

func (e *findingsError) Error() string {
	return fmt.Sprintf("%s on the token %s", count(e.count, "finding"), e.token)
}

func tokenLintCommand(a *app) *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use:   "lint ID",
		Short: "Look for what applications stumble over on a token",
		Long: `Look for what makes applications refuse a token, or overlook keys on it: keys without a
certificate, objects that share a CKA_ID or a label, certificates that have expired or
belong to another key, and the like. For each finding, say what Java, OpenSSH, NSS,
GnuTLS and OpenSSL (its engine, and so nginx) do with it, and what to do about it. The
exit code is 5 if there are findings.

This takes no PIN: it reads what is stored beside the keys.`,
		Example: `  vtoken token lint 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10
  vtoken token lint 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 -o json`,
		Args: arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			found, err := c.Lint(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.showLint(out, args[0], found)
		}),
	}
	out.addFlag(cmd)
	return cmd
}

func (a *app) showLint(out format, token string, found *api.Lint) error {
	if out == formatJSON {
		if err := writeJSON(a.out, found); err != nil {
			return err
		}
	} else if err := a.writeLint(found); err != nil {
		return err
	}
	if n := len(found.Findings); n > 0 {
		return &findingsError{token, n}
	}
	return nil
}

func (a *app) writeLint(found *api.Lint) error {
	for _, f := range found.Findings {
		fmt.Fprintf(a.out, "%s: %s\n", printable(f.Rule), printable(f.Problem))
		var rows [][2]string
		for _, o := range f.Objects {
			rows = append(rows, [2]string{"  " + printable(o.Class), quoted(o.Label) + ", CKA_ID " + cell(o.ID)})
		}
		for _, e := range f.Affects {
			rows = append(rows, [2]string{"  " + printable(e.Consumer), cell(e.Effect)})
		}
		if err := writePairs(a.out, append(rows, [2]string{"  to do", cell(f.Advice)})); err != nil {
			return err
		}
	}
	for _, sentence := range found.Unseen {
		fmt.Fprintf(a.out, "not seen: %s\n", printable(sentence))
	}
	if len(found.Findings) == 0 {
		fmt.Fprintln(a.out, "nothing found")
	}
	return nil
}
