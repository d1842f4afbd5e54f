package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func auditVerifyCommand(a *app) *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check every line of the audit log",
		Long: `Have the daemon check every line of its audit log: that each is signed, follows
the one before it, and that the newest one is there. A line that was removed,
changed, added or moved is found. The exit code is 1 where anything is.`,
		Example: `  vtoken audit verify`,
		Args:    arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			r, err := c.VerifyAudit(cmd.Context())
			if err != nil {
				return err
			}
			if out == formatJSON {
				err = writeJSON(a.out, r)
			} else {
				for _, p := range r.Problems {
					fmt.Fprintln(a.out, printable(p))
				}
				_, err = fmt.Fprintf(a.out, "%s in %s, from number %d to %d\n",
					count(int(r.Lines), "line"), count(int(r.Files), "file"), r.First, r.Last)
			}
			if err == nil && len(r.Problems) > 0 {
				return fmt.Errorf("the audit log has %s", count(len(r.Problems), "problem"))
			}
			return err
		}),
	}
	out.addFlag(cmd)
	return cmd
}
