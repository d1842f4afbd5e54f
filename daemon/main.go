package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"vtoken/daemon/config"
	"vtoken/daemon/process"
	"vtoken/daemon/service"
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
	_, offline := offlineCommand(os.Args[1:])
	hangups := make(chan os.Signal, 1)
	if !offline {
		// No SIGHUP ends the daemon, not even one that comes while it starts again in the same
		// process or opens its store. The first is for when it is ready.
		signal.Ignore(syscall.SIGHUP)
	}
	process.OverwriteFreed()
	if !offline {
		signal.Notify(hangups, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], hangups, os.Stdout, os.Stderr))
}

// offlineCommand returns the command without a daemon that the arguments name.
func offlineCommand(args []string) (c offline, ok bool) {
	if len(args) > 0 {
		c, ok = offlineCommands()[args[0]]
	}
	return c, ok
}

// run runs the daemon, or an offline command, until ctx ends. Each of hangups has the daemon
// read its configuration again.
func run(ctx context.Context, args []string, hangups <-chan os.Signal, stdout, stderr io.Writer) int {
	if c, ok := offlineCommand(args); ok {
		return runOffline(ctx, c, args[0], args[1:], stdout, stderr)
	}
	passed, err := service.Receive(service.Environment{Get: os.Getenv, Unset: os.Unsetenv})
	if err != nil {
		fmt.Fprintf(stderr, "vtokend: %v\n", err)
		return exitFailed
	}
	defer passed.Close()
	load := func() (config.Config, error) { return readConfig(args) }
	cfg, err := load()
	if errors.Is(err, pflag.ErrHelp) {
		return exitOK
	}
	if errors.Is(err, config.ErrVersion) {
		fmt.Fprintln(stdout, version.Line("vtokend"))
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "vtokend: %v\nTry `vtokend --help`.\n", err)
		return exitUsage
	}
	if os.Getenv(checkVariable) != "" {
		fmt.Fprintln(stdout, stateFormat())
		return exitOK
	}
	log, manager := newLogs(cfg, stderr), service.NewManager(os.Getenv)
	d, err := start(ctx, cfg, passed, log)
	reportStart(cfg.MetricsFile, err, log.Logger)
	if err != nil {
		log.Error("cannot start", "error", err)
		return exitStatus(err)
	}
	fmt.Fprintln(stdout, d.readyLine())
	d.warn("telling the service manager that the daemon has taken what was left", forgetLeft(manager))
	d.warn("telling the service manager that the daemon is ready", manager.Ready(""))
	go d.reloadOn(ctx, hangups, load, manager)
	if err := d.wait(ctx, manager); err != nil {
		log.Error("stopping because a listener failed", "error", err)
		return exitFailed
	}
	return exitOK
}

// readConfig reads and checks the configuration.
func readConfig(args []string) (config.Config, error) {
	cfg, err := config.Load(args, os.Getuid(), os.Getenv)
	if err != nil {
		return cfg, err
	}
	return cfg, cfg.Validate(all.Names())
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
