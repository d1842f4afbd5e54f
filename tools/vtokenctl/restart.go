package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

// restartWithin bounds how long a restart takes: running calls have ten seconds, and a large
// store is opened in one.
const restartWithin = time.Minute

func restartCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "restart",
		Short: "Have the installed version take the daemon's place, unnoticed by applications",
		Long: `Restart the daemon. The program that is installed now takes over the sockets, the
connections, and all sessions, logins and operations of applications, which only wait for
a moment. The process keeps its id. If the program cannot take over, for example because the
configuration is wrong, the daemon goes on and the command says why.`,
		Example: `  vtoken restart`,
		Args:    arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), restartWithin)
			defer cancel()
			before, err := c.Status(ctx)
			if err != nil {
				return err
			}
			if err := c.Restart(ctx); err != nil {
				return err
			}
			version, err := waitRestarted(ctx, c, before.StartedAt)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "restarted, version %s\n", version)
			return err
		}),
	}
}

// waitRestarted returns when the daemon that started then has a successor, or says why it has
// none.
func waitRestarted(ctx context.Context, c *client.Client, started time.Time) (version string, err error) {
	const lookEach = 50 * time.Millisecond
	for {
		s, err := c.Status(ctx)
		switch {
		case err == nil && !s.StartedAt.Equal(started):
			return s.Version, nil
		case err == nil && s.RestartProblem != "":
			return "", errors.New(s.RestartProblem)
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the daemon does not answer after the restart; see its log: %w", ctx.Err())
		case <-time.After(lookEach):
		}
	}
}
