package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"vtoken/daemon/audit"
	"vtoken/daemon/config"
	"vtoken/daemon/observe"
	"vtoken/daemon/process"
	"vtoken/keystore"
	kekall "vtoken/keystore/kek/all"
	"vtoken/provisioning/dialect/all"
)

// offline is a command that works on the data folder without a daemon. It takes the flags of
// the daemon, so that it finds the folder and the KEKs in the same places.
type offline struct {
	arguments int
	accepts   bool // takes --accept-rollback
	run       func(ctx context.Context, o keystore.Options, log audit.Options, args []string) (found, error)
}

// found is the result of a command.
type found struct {
	text     fmt.Stringer
	problems []string
}

// ofStore wraps a command that reports on the store.
func ofStore(run func(ctx context.Context, o keystore.Options, log audit.Options, args []string) (keystore.Report, error)) func(context.Context, keystore.Options, audit.Options, []string) (found, error) {
	return func(ctx context.Context, o keystore.Options, log audit.Options, args []string) (found, error) {
		r, err := run(ctx, o, log, args)
		return found{r, r.Problems}, err
	}
}

// offlineCommands are the commands by name.
func offlineCommands() map[string]offline {
	return map[string]offline{
		"restore":         {1, true, ofStore(restoreStore)},
		"check":           {0, false, ofStore(checkStore)},
		"accept-rollback": {0, false, ofStore(acceptRollback)},
		"audit-verify":    {0, false, verifyLog},
	}
}

func restoreStore(ctx context.Context, o keystore.Options, log audit.Options, args []string) (keystore.Report, error) {
	f, err := os.Open(args[0])
	if err != nil {
		return keystore.Report{}, fmt.Errorf("open the backup: %w", err)
	}
	defer f.Close()
	o.Restoring = func(r keystore.Restored) (func(error), error) {
		return observe.RecordRestore(log, r, userName(uint32(os.Getuid())), acceptFlag)
	}
	return keystore.Restore(ctx, o, f)
}

func checkStore(ctx context.Context, o keystore.Options, _ audit.Options, _ []string) (keystore.Report, error) {
	s, err := openOffline(ctx, o)
	if err != nil {
		return keystore.Report{}, err
	}
	return checked(ctx, s)
}

// openOffline opens an existing store.
func openOffline(ctx context.Context, o keystore.Options) (*keystore.Store, error) {
	o.Existing = true
	return keystore.Open(ctx, o)
}

// checked checks a store and closes it.
func checked(ctx context.Context, s *keystore.Store) (keystore.Report, error) {
	r, err := s.Check(ctx)
	if err == nil && len(r.Problems) > 0 {
		err = keystore.ErrTampered
	}
	return r, errors.Join(err, s.Close())
}

// verifyLog checks every line of the audit log while no daemon writes it.
func verifyLog(ctx context.Context, o keystore.Options, log audit.Options, _ []string) (out found, err error) {
	s, err := openOffline(ctx, o)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	r, err := observe.Verify(ctx, log, s)
	if err == nil && len(r.Problems) > 0 {
		err = fmt.Errorf("the audit log in %s has %d problems", log.Dir, len(r.Problems))
	}
	return found{r, append(r.Problems, r.Notes...)}, err
}

// acceptFlag is the only flag that the daemon itself does not take.
const acceptFlag = "--accept-rollback"

// acceptRollback opens the store once, whatever its counter says, and records it if that made
// a difference.
func acceptRollback(ctx context.Context, o keystore.Options, log audit.Options, _ []string) (keystore.Report, error) {
	o.AcceptRollback = true
	s, err := openOffline(ctx, o)
	if err != nil {
		return keystore.Report{}, err
	}
	if err := observe.RecordAcceptance(log, s, userName(uint32(os.Getuid()))); err != nil {
		return keystore.Report{}, errors.Join(err, s.Close())
	}
	return checked(ctx, s)
}

// runOffline runs a command with its arguments, followed by flags.
func runOffline(ctx context.Context, c offline, name string, args []string, stdout, stderr io.Writer) int {
	n := 0
	for n < len(args) && (args[n] == "" || args[n][0] != '-') {
		n++
	}
	flags, accept := args[n:], false
	if i := slices.Index(flags, acceptFlag); c.accepts && i >= 0 {
		flags, accept = slices.Delete(slices.Clone(flags), i, i+1), true
	}
	cfg, err := config.Load(flags, os.Getuid(), os.Getenv)
	if errors.Is(err, pflag.ErrHelp) {
		return exitOK
	}
	if err == nil && n != c.arguments {
		err = fmt.Errorf("vtokend %s takes %d arguments before its flags, not %d", name, c.arguments, n)
	}
	if err == nil {
		err = cfg.Validate(all.Names())
	}
	if err != nil {
		fmt.Fprintf(stderr, "vtokend: %v\nTry `vtokend --help`.\n", err)
		return exitUsage
	}
	return report(stdout, stderr, name, func() (found, error) {
		if err := process.Harden(); err != nil {
			return found{}, err
		}
		log, err := observe.AuditOptions(cfg)
		if err != nil {
			return found{}, err
		}
		pins, err := pinsOf(ctx, cfg, slog.New(slog.NewTextHandler(stderr, nil)))
		if err != nil {
			return found{}, err
		}
		return c.run(ctx, keystore.Options{
			Dir: cfg.DataDir, KEKs: cfg.KEKs, Providers: kekall.Providers(), Log: slog.New(slog.DiscardHandler),
			AcceptRollback: accept, Pinned: pins,
		}, log, args)
	})
}

// report runs the work and prints its result.
func report(stdout, stderr io.Writer, name string, run func() (found, error)) int {
	r, err := run()
	for _, p := range r.problems {
		fmt.Fprintln(stderr, p)
	}
	if err != nil {
		fmt.Fprintf(stderr, "vtokend: %s: %v\n", name, err)
		return exitStatus(err)
	}
	fmt.Fprintf(stdout, "%s: %v\n", name, r.text)
	return exitOK
}
