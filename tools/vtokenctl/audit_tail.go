package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func auditTailCommand(a *app) *cobra.Command {
	var out format
	var reader auditor
	var follow bool
	var n int
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show the newest lines of the audit log",
		Long: `Show the newest lines of the audit log: who did what to which token and key, and
how it ended. With -o json they are printed as they were written, one object a line.

Lines of a daemon with --audit-recipient are encrypted; --identity reads them. They
then have no signature: vtoken audit verify checks that of the encrypted ones.`,
		Example: `  vtoken audit tail
  vtoken audit tail -n 1000 -o json
  vtoken audit tail --identity auditor.key`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			if err := reader.load(a, cmd); err != nil {
				return err
			}
			q := client.AuditQuery{Limit: n}
			for {
				lines, err := c.Audit(cmd.Context(), q)
				if err != nil {
					return err
				}
				for _, line := range lines.Items {
					shown, _, err := reader.open(line)
					if err != nil {
						return err
					}
					if err := a.showAuditLine(out, shown); err != nil {
						return err
					}
				}
				if !follow {
					return nil
				}
				q = client.AuditQuery{After: &lines.Last, Wait: 20 * time.Second}
			}
		}),
	}
	out.addFlag(cmd)
	reader.addFlag(cmd)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "print new lines as they are written")
	cmd.Flags().IntVarP(&n, "lines", "n", 20, "`NUMBER` of lines, at most 1000")
	return cmd
}

func (a *app) showAuditLine(out format, line json.RawMessage) error {
	if out == formatJSON {
		_, err := fmt.Fprintf(a.out, "%s\n", line)
		return err
	}
	text, err := auditText(line)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, text)
	return err
}

// auditLine has the members of a line that people read.
type auditLine struct {
	Time    time.Time
	Event   string
	Result  string
	Process *struct {
		UID uint32
		PID int32
		Exe string
	}
	Caller, From, Request, Serial, Token, Role, Tries, Detail string
	Object                                                    *struct{ Class, ID string }
	Locked                                                    bool
	Repeated                                                  uint64
	Since                                                     time.Time
	ClockBack                                                 string
}

// auditText formats a line for people: the time, the event, the result, and the other
// members by name. Values from outside are quoted unless they are one word, so that none
// looks like a member of its own.
func auditText(line json.RawMessage) (string, error) {
	var l auditLine
	if err := json.Unmarshal(line, &l); err != nil {
		return "", fmt.Errorf("read a line of the audit log: %w", err)
	}
	parts := []string{l.Time.Local().Format(time.DateTime), word(l.Event)}
	if l.Result != "" {
		parts = append(parts, word(l.Result))
	}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+word(value))
		}
	}
	add("detail", l.Detail)
	add("caller", l.Caller)
	if p := l.Process; p != nil {
		add("uid", fmt.Sprint(p.UID))
		add("pid", fmt.Sprint(p.PID))
		add("exe", p.Exe)
	}
	add("from", l.From)
	add("token", l.Token)
	add("serial", l.Serial)
	add("role", l.Role)
	add("tries", l.Tries)
	if o := l.Object; o != nil {
		add("object", strings.Join([]string{o.Class, o.ID}, "/"))
	}
	if l.Locked {
		parts = append(parts, "locked")
	}
	if l.Repeated > 0 {
		add("repeated", fmt.Sprint(l.Repeated))
	}
	if !l.Since.IsZero() {
		parts = append(parts, "since="+l.Since.Local().Format(time.DateTime))
	}
	add("clock-back", l.ClockBack)
	add("request", l.Request)
	return strings.Join(parts, "  "), nil
}
