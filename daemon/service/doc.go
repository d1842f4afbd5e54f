// Package service talks to the service manager that runs the daemon, which is systemd: it
// tells it the state of the daemon (sd_notify(3)), takes the descriptors that it passes to the
// process (sd_listen_fds(3)), and keeps descriptors with it over a restart (FDSTORE=1).
//
// It knows nothing of what the descriptors are for. Without a manager, [Manager] does nothing
// and [Receive] returns nothing.
//
// The package is ours because github.com/coreos/go-systemd sends no descriptors, and drops
// without an error those that are no sockets.
package service
