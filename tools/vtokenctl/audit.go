package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func auditCommand(a *app) *cobra.Command {
	return group("audit", "Read and verify the audit log",
		auditTailCommand(a),
		auditVerifyCommand(a),
		auditArchiveCommand(a),
	)
}

func auditArchiveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "archive [NUMBER]",
		Short: "Record that old files of the audit log are kept elsewhere",
		Long: `Record that the lines of the audit log up to NUMBER are kept elsewhere, so that their
files may be removed from its folder: vtoken audit verify then accepts a log that begins
with a later line. Without this, missing files are a problem. NUMBER is the last line of
a file, which is one less than the number in the name of the next file; the default is
all files but the one that is being written.

Copy the files first. This removes nothing, and cannot be undone; the audit log records
who did it. Use it also to acknowledge that files were lost, or that the store was
restored without its log.`,
		Example: `  vtoken audit archive
  vtoken audit archive 51200`,
		Args: cobra.MaximumNArgs(1),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			through := uint64(0)
			if len(args) > 0 {
				n, err := strconv.ParseUint(args[0], 10, 64)
				if err != nil || n == 0 {
					return fmt.Errorf("NUMBER is the number of a line, from 1, not %q", args[0])
				}
				through = n
			}
			r, err := c.ArchiveAudit(cmd.Context(), through)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "lines up to %d may be removed: the files audit-*.log before audit-%012d.log\n",
				r.Through, r.Through+1)
			return err
		}),
	}
}
