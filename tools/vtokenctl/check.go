package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func checkCommand(a *app) *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Authenticate every record of the store",
		Long: `Make the daemon authenticate every record of its store, while clients continue, and
report what is damaged, changed or missing. The exit code is 1 if anything is. If the
daemon does not start with the store, use "vtokend check".`,
		Example: `  vtoken check
  vtoken check -o json`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			r, err := c.Check(cmd.Context())
			if err != nil {
				return err
			}
			return a.showCheck(out, r)
		}),
	}
	out.addFlag(cmd)
	return cmd
}

func (a *app) showCheck(out format, r *api.Check) error {
	var err error
	if out == formatJSON {
		err = writeJSON(a.out, r)
	} else {
		for _, p := range r.Problems {
			fmt.Fprintln(a.out, printable(p))
		}
		_, err = fmt.Fprintf(a.out, "%d records: %s, %s, %s, %s, %s, %s, %s, %s\n", r.Records,
			count(int(r.Recipients), "recipient"), count(int(r.Tenants), "tenant"), count(int(r.Users), "user"),
			count(int(r.Groups), "group"), count(int(r.APIKeys), "API key"), count(int(r.PendingKeys), "pending key"),
			count(int(r.Tokens), "token"), count(int(r.Objects), "object"))
	}
	if err == nil && len(r.Problems) > 0 {
		return fmt.Errorf("the store has %s; restore a backup", count(len(r.Problems), "problem"))
	}
	return err
}
