package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func sessionCommand(a *app) *cobra.Command {
	g := group("session", "List the applications that use tokens, and end their sessions",
		sessionListCommand(a),
		sessionEndCommand(a),
	)
	g.Long = `List the applications that use tokens now, and end their sessions and logins.

An application is a process, from its C_Initialize to its end, however many connections
it has. Administrators of a tenant see and end what is done with the tokens of the
tenant, and nothing else.`
	return g
}

func sessionListCommand(a *app) *cobra.Command {
	var out format
	var f client.SessionFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the applications that use tokens",
		Long: `List the applications that use tokens, the oldest first, with a line for each token.
The login is "user" or "SO" where the PIN was given, and "-" in public sessions. After a
crash of the daemon, an application that had logins is "away" until its first call, which
gives it its logins back.`,
		Example: `  vtoken session list
  vtoken session list --user alice
  vtoken session list --token 123e4567-e89b-42d3-a456-426614174000 -o json`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			list, err := client.All(c.Sessions(cmd.Context(), f))
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, list)
			}
			now := time.Now()
			var rows [][]string
			for _, one := range list {
				rows = append(rows, sessionRows(one, now)...)
			}
			return writeTable(a.out, []string{
				"ID", "USER", "PID", "AGE", "LAST CALL", "CALLS", "CONNS", "SESSIONS", "LOGIN", "TOKEN", "PROGRAM",
			}, rows)
		}),
	}
	addSessionFlags(cmd, &f)
	out.addFlag(cmd)
	return cmd
}

// addSessionFlags adds the flags that select applications.
func addSessionFlags(cmd *cobra.Command, f *client.SessionFilter) {
	cmd.Flags().StringVar(&f.Token, "token", "", "only sessions with the token of this `ID`")
	cmd.Flags().StringVar(&f.User, "user", "", "only applications of this operating system user (`NAME`)")
	cmd.Flags().Int32Var(&f.PID, "pid", 0, "only the application of this process (`N`)")
	cmd.Flags().StringVar(&f.Tenant, "tenant", "", "only sessions with tokens of this `TENANT`: name or id")
}

// sessionRows has a row for each token that an application uses, and one row without any.
func sessionRows(one api.Application, now time.Time) (rows [][]string) {
	last, conns := "", strconv.Itoa(one.Connections)
	if one.Away {
		conns = "away"
	}
	if one.LastCallAt != nil {
		last = ago(now.Sub(*one.LastCallAt))
	}
	head := []string{
		one.ID, one.User, strconv.Itoa(int(one.PID)), ago(now.Sub(one.BeganAt)), last, strconv.FormatUint(one.Calls, 10), conns,
	}
	for _, u := range one.Tokens {
		login := map[string]string{"user": "user", "so": "SO"}[u.Role]
		rows = append(rows, append(head[:len(head):len(head)], strconv.Itoa(u.Sessions), login, u.Label, one.Executable))
	}
	if len(rows) == 0 {
		rows = append(rows, append(head, "0", "", "", one.Executable))
	}
	return rows
}

// ago writes how long something lasts, in its largest unit.
func ago(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

func sessionEndCommand(a *app) *cobra.Command {
	var d destructive
	var f client.SessionFilter
	var everyone bool
	cmd := &cobra.Command{
		Use:   "end [ID]",
		Short: "End the sessions and logins of applications",
		Long: `End the sessions and logins of the application with this id, or of all that the flags
select; --token ends only the sessions with that token. Calls on these sessions answer
CKR_SESSION_HANDLE_INVALID. Neither a crash nor a restart of the daemon brings the
sessions and logins back, and logins of an application that is away end, too.

An application may open new sessions, and log in if it has the PIN. To keep it out,
disable the token or its user, or reset the PIN.`,
		Example: `  vtoken session end 1m9vz2k4 --yes
  vtoken session end --token 123e4567-e89b-42d3-a456-426614174000 --yes
  vtoken session end --pid 4711 --dry-run
  vtoken session end --all --yes`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%q is one argument too many", args[1])
			}
			return nil
		},
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			selected := len(args) > 0 || f != (client.SessionFilter{Tenant: f.Tenant})
			if !selected && !everyone {
				return usagef(cmd, "say which: an ID from `vtoken session list`, --token, --user, --pid or --all")
			}
			if selected && everyone {
				return usagef(cmd, "--all ends all sessions: leave the ID, --token, --user and --pid out")
			}
			list, err := client.All(c.Sessions(cmd.Context(), f))
			if err != nil {
				return err
			}
			list = chosenSessions(list, args)
			switch {
			case len(list) == 0 && len(args) > 0:
				return fmt.Errorf("there is no application %s; see: vtoken session list", args[0])
			case len(list) == 0:
				_, err := fmt.Fprintln(a.err, "There is no such application, so nothing was ended.")
				return err
			}
			if ok, err := a.confirm(cmd, d, endText(list)); !ok {
				return err
			}
			for _, one := range list {
				if err := endSessions(cmd, c, one, f, len(args) > 0); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	addSessionFlags(cmd, &f)
	cmd.Flags().BoolVar(&everyone, "all", false, "end the sessions of all applications")
	d.addFlags(cmd)
	return cmd
}

// chosenSessions are those that the argument names, all without one.
func chosenSessions(list []api.Application, args []string) (chosen []api.Application) {
	for _, one := range list {
		if len(args) == 0 || one.ID == args[0] {
			chosen = append(chosen, one)
		}
	}
	return chosen
}

// endText says whose sessions are to end.
func endText(list []api.Application) string {
	var whose []string
	for _, one := range list {
		whose = append(whose, fmt.Sprintf("%s (process %d of %s)", one.ID, one.PID, one.User))
	}
	return "end the sessions and logins of " + strings.Join(whose, ", ")
}

// endSessions ends those of one application. One of several that has ended by itself meanwhile
// is no error.
func endSessions(cmd *cobra.Command, c *client.Client, one api.Application, f client.SessionFilter, named bool) error {
	err := c.EndSessions(cmd.Context(), one.ID, f)
	var refused *client.Error
	if !named && errors.As(err, &refused) && refused.Kind == "keyNotFound" {
		return nil
	}
	return err
}
