package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"vtoken/daemon/config"
	"vtoken/daemon/service"
)

// reloadOn reads the configuration again at each hang-up, until ctx ends. Hang-ups that come
// meanwhile are one more.
func (d *daemon) reloadOn(
	ctx context.Context, hangups <-chan os.Signal, load func() (config.Config, error), manager service.Manager,
) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		const telling = "telling the service manager of a reload"
		d.warn(telling, manager.Reloading())
		status := "configuration read again"
		if err := d.reload(load); err != nil {
			d.log.Error("the configuration was not read again, and nothing has changed", "error", err)
			status = "configuration not read again: " + err.Error()
		}
		if ctx.Err() == nil {
			d.warn(telling, manager.Ready(status))
		}
	}
}

// errStopping is why a reload does nothing.
var errStopping = errors.New("the daemon stops")

// reload reads the configuration and applies what may change, all of it or nothing.
func (d *daemon) reload(load func() (config.Config, error)) error {
	read, err := load()
	if err != nil {
		return err
	}
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if d.stopped {
		return errStopping
	}
	if d.cfg.File != "" && read.File == "" {
		return fmt.Errorf("the configuration %s is gone; put it back, or restart the daemon to go without", d.cfg.File)
	}
	next, changed, restart := d.cfg.Reloaded(read)
	apply, err := d.prepare(next, &changed)
	if err != nil {
		return err
	}
	record, err := d.audit.Reload(changed)
	if err != nil {
		return err
	}
	err = d.openAdmin(next)
	record(err)
	if err != nil {
		return err
	}
	apply()
	d.cfg = next
	if len(restart) > 0 {
		d.log.Warn("what changed needs a restart: " + strings.Join(restart, ", "))
	}
	d.log.Info("read the configuration again", "changed", strings.Join(changed, " "))
	return nil
}

// prepare does what can fail for the next configuration and has no effect yet, and returns
// what applies it. It
// adds the settings to changed whose files have other contents.
func (d *daemon) prepare(next config.Config, changed *[]string) (apply func(), err error) {
	group, err := adminGroup(next.AdminGroup)
	if err != nil {
		return nil, err
	}
	dialects := d.apis.serving.Load()
	if !slices.Equal(next.Dialects, d.cfg.Dialects) {
		if dialects, err = d.apis.with(next.Dialects); err != nil {
			return nil, err
		}
	}
	cert := d.cert.Load()
	if cert != nil { // the API is served
		if cert, err = d.certificate(next); err != nil {
			return nil, err
		}
		if !sameCertificate(cert, d.cert.Load()) && !slices.Contains(*changed, "--tls-cert") {
			*changed = append(*changed, "--tls-cert")
		}
	}
	return func() {
		d.log.set(next)
		d.admins.group.Store(&group)
		d.apis.serving.Store(dialects)
		d.cert.Store(cert)
		d.rates.Set(ratesOf(next))
		d.engine.SetMaxSessions(next.MaxSessions)
		if next.Limits != d.cfg.Limits {
			d.limited.set(next.Limits, d.log.Logger)
		}
		if !d.sockets.ownAdmin {
			d.sockets.checkAdmin(next, d.log.Logger)
		}
	}, nil
}

// openAdmin gives the admin socket to the group of the next configuration, where the daemon
// made the socket.
func (d *daemon) openAdmin(next config.Config) error {
	if !d.sockets.ownAdmin || next.AdminGroup == d.cfg.AdminGroup {
		return nil
	}
	_, before := unixSockets(d.cfg)
	_, after := unixSockets(next)
	if err := after.open(); err != nil {
		return fmt.Errorf("applying --admin-group: %w", errors.Join(err, before.open()))
	}
	return nil
}

// sameCertificate compares the certificate and its chain.
func sameCertificate(a, b *tls.Certificate) bool {
	return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal)
}
