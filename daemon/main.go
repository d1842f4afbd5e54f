package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"vtoken/daemon/config"
	"vtoken/daemon/process"
	"vtoken/keystore"
	"vtoken/provisioning/dialect/all"
	"vtoken/vtoken/version"
)

// The exit statuses of the daemon (see the package comment).
const (
	exitOK = iota
	exitFailed
	exitUsage
	exitNoKEK
	exitRollback
)

func main() {
	process.OverwriteFreed()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the daemon, or an offline command, until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		if c, ok := offlineCommands()[args[0]]; ok {
			return runOffline(ctx, c, args[0], args[1:], stdout, stderr)
		}
	}
	cfg, err := config.Load(args, os.Getuid(), os.Getenv)
	if errors.Is(err, pflag.ErrHelp) {
		return exitOK
	}
	if errors.Is(err, config.ErrVersion) {
		fmt.Fprintln(stdout, version.Line("vtokend"))
		return exitOK
	}
	if err == nil {
		err = cfg.Validate(all.Names())
	}
	if err != nil {
		fmt.Fprintf(stderr, "vtokend: %v\nTry `vtokend --help`.\n", err)
		return exitUsage
	}
	log := newLogger(cfg, stderr)
	d, err := start(ctx, cfg, log)
	reportStart(cfg.MetricsFile, err, log)
	if err != nil {
		log.Error("cannot start", "error", err)
		return exitStatus(err)
	}
	fmt.Fprintln(stdout, d.readyLine())
	if err := notify(os.Getenv("NOTIFY_SOCKET"), "READY=1"); err != nil {
		log.Warn("cannot tell the service manager that the daemon is ready", "error", err)
	}
	if err := d.wait(ctx); err != nil {
		log.Error("stopping because a listener failed", "error", err)
		return exitFailed
	}
	return exitOK
}

// exitStatus returns the exit status for an error of the store.
func exitStatus(err error) int {
	switch {
	case errors.Is(err, keystore.ErrNoKEK):
		return exitNoKEK
	case errors.Is(err, keystore.ErrRollback), errors.Is(err, keystore.ErrForeign), errors.Is(err, keystore.ErrMissing):
		return exitRollback
	}
	return exitFailed
}

func newLogger(cfg config.Config, w io.Writer) *slog.Logger {
	level, _ := cfg.Level() // Validate has seen it
	opts := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
