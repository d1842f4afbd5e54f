package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func auditVerifyCommand(a *app) *cobra.Command {
	var out format
	var reader auditor
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check every line of the audit log",
		Long: `Make the daemon check every line of its audit log: that it is signed and follows the one
before it, that the first is number 1 or follows those of vtoken audit archive, and that
the newest one is present. It finds lines that were removed, changed, added or moved; the
exit code is 1 then. It also reports where the clock was set back. If the daemon is
stopped, use "vtokend audit-verify".

This needs no auditor's key, even if lines are encrypted. With --identity every encrypted
line is also decrypted, and one that cannot be is a problem.`,
		Example: `  vtoken audit verify
  vtoken audit verify --identity auditor.key`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			if err := reader.load(a, cmd); err != nil {
				return err
			}
			r, err := c.VerifyAudit(cmd.Context())
			if err != nil {
				return err
			}
			if reader.file != "" {
				if err := reader.readAll(cmd.Context(), c, r); err != nil {
					return err
				}
			}
			if out == formatJSON {
				err = writeJSON(a.out, r)
			} else {
				for _, p := range r.Problems {
					fmt.Fprintln(a.out, printable(p))
				}
				for _, n := range r.Notes {
					fmt.Fprintln(a.out, "note: "+printable(n))
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
	reader.addFlag(cmd)
	return cmd
}

// maxUnreadable is how many lines that cannot be decrypted are listed.
const maxUnreadable = 100

// readAll decrypts the verified lines, and adds those that cannot be decrypted to the
// problems.
func (r *auditor) readAll(ctx context.Context, c *client.Client, report *api.AuditReport) error {
	if report.Lines == 0 {
		return nil
	}
	const page = 1000
	for after := report.First - 1; after < report.Last; {
		lines, err := c.Audit(ctx, client.AuditQuery{After: &after, Limit: page})
		if err != nil {
			return err
		}
		for _, line := range lines.Items {
			if _, _, err := r.open(line); err != nil && len(report.Problems) < maxUnreadable {
				report.Problems = append(report.Problems, err.Error())
			}
		}
		if lines.Last <= after {
			return nil // what is missing is told by the report
		}
		after = lines.Last
	}
	return nil
}
