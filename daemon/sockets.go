package main

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"vtoken/daemon/config"
	"vtoken/daemon/service"
	"vtoken/provisioning/httpkit"
)

// The names of the sockets that the service manager passes (FileDescriptorName=).
const (
	p11Name   = "p11"
	adminName = "admin"
	apiName   = "api"
)

// sockets are the listeners of the daemon, as the kernel has them: without TLS and without
// limits, so that they can be handed on.
type sockets struct {
	p11, admin, api []net.Listener
	// These are whether the daemon made that socket, and so sets the group and mode of a Unix
	// socket.
	ownP11, ownAdmin, ownAPI bool
}

// openSockets takes the sockets that were passed, and makes those that were not. A Unix socket
// of the configuration is made beside those that were passed at other paths, so that programs
// that know its path find it. If it fails, it has closed all.
func openSockets(cfg config.Config, passed service.Received, log *slog.Logger) (s sockets, err error) {
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.p11, err = passed.Listeners(p11Name, "unix"); err != nil {
		return s, err
	}
	if s.admin, err = passed.Listeners(adminName, "unix"); err != nil {
		return s, err
	}
	if s.api, err = passed.Listeners(apiName, "tcp"); err != nil {
		return s, err
	}
	if names := passed.Names(); len(names) > 0 {
		log.Warn("closing descriptors of the service manager that have no use here; "+
			"name sockets p11, admin or api (FileDescriptorName=)", "names", names)
		passed.Close()
	}
	p11, admin := unixSockets(cfg)
	if s.p11, s.ownP11, err = p11.beside(s.p11); err != nil {
		return s, err
	}
	if s.admin, s.ownAdmin, err = admin.beside(s.admin); err != nil {
		return s, err
	}
	if !s.ownAdmin {
		s.checkAdmin(cfg, log)
	}
	switch {
	case len(s.api) > 0 && cfg.APIListen != "":
		log.Info("serving the API on a socket that was passed on, and not on --api-listen",
			"address", s.api[0].Addr().String())
	case len(s.api) == 0 && cfg.APIListen != "":
		l, err := net.Listen("tcp", cfg.APIListen)
		if err != nil {
			return s, fmt.Errorf("listening for the API: %w", err)
		}
		s.api, s.ownAPI = append(s.api, l), true
	}
	return s, nil
}

// unixSockets returns the two Unix sockets of a configuration. In a system daemon everybody
// may open the one for applications, because the kernel identifies them; in a user's daemon it
// is the user's alone.
func unixSockets(cfg config.Config) (p11, admin socket) {
	p11 = socket{path: cfg.P11Socket, mode: 0o600, dir: 0o700}
	admin = socket{path: cfg.AdminSocket, mode: 0o600, dir: 0o700}
	if os.Getuid() == 0 {
		p11.mode, p11.dir, admin.dir = 0o666, 0o755, 0o755
	}
	if cfg.AdminGroup != "" {
		admin.mode, admin.group = 0o660, cfg.AdminGroup
	}
	return p11, admin
}

// beside makes the socket, unless one of those that were passed is at its path.
func (s socket) beside(passed []net.Listener) (all []net.Listener, made bool, err error) {
	if slices.ContainsFunc(passed, func(l net.Listener) bool { return l.Addr().String() == s.path }) {
		return passed, false, nil
	}
	l, err := s.listen()
	if err != nil {
		return passed, false, err
	}
	return append(passed, l), true, nil
}

// checkAdmin warns if the admin socket of the service manager is closed to the group of
// administrators.
func (s sockets) checkAdmin(cfg config.Config, log *slog.Logger) {
	if cfg.AdminGroup == "" {
		return
	}
	gid, err := groupID(cfg.AdminGroup)
	info, statErr := os.Stat(s.adminPath())
	if err != nil || statErr != nil {
		return // newAdministrators reports a group that does not exist
	}
	const readWrite fs.FileMode = 0o060
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && (int(owner.Gid) != gid || info.Mode()&readWrite != readWrite) {
		log.Warn("the group of --admin-group may not open the admin socket, which the service manager made; "+
			"set SocketGroup= and SocketMode=0660 in its unit (systemctl edit vtokend-admin.socket)",
			"group", cfg.AdminGroup, "socket", s.adminPath())
	}
}

// p11Path is where applications connect.
func (s sockets) p11Path() string { return s.p11[0].Addr().String() }

// adminPath is where administrators connect.
func (s sockets) adminPath() string { return s.admin[0].Addr().String() }

// close closes all listeners.
func (s sockets) close() {
	for _, l := range slices.Concat(s.p11, s.admin, s.api) {
		l.Close()
	}
}

// secured puts TLS and the limits around a listener of the API. The certificate is the one of
// the moment.
func (d *daemon) secured(l net.Listener) net.Listener {
	return tls.NewListener(d.limited.sources(l, d.limited.api), httpkit.TLSConfig(d.cert.Load))
}

// apiURLs returns the addresses of the API as URLs, for the ready line.
func (s sockets) apiURLs() string {
	var urls []string
	for _, l := range s.api {
		urls = append(urls, "https://"+l.Addr().String())
	}
	return strings.Join(urls, ",")
}

// keptSockets are duplicates of the listeners, for a successor or for this daemon if there is
// none after all.
type keptSockets map[string][]*os.File

// keep duplicates the listeners. Closing a listener does not remove its file any more.
func (s *sockets) keep() (keptSockets, error) {
	kept := keptSockets{}
	for name, list := range map[string][]net.Listener{p11Name: s.p11, adminName: s.admin, apiName: s.api} {
		for _, l := range list {
			if u, ok := l.(*net.UnixListener); ok {
				u.SetUnlinkOnClose(false)
			}
			file, err := l.(interface{ File() (*os.File, error) }).File()
			if err != nil {
				return nil, fmt.Errorf("hand the socket %v over: %w", l.Addr(), err)
			}
			kept[name] = append(kept[name], file)
		}
	}
	return kept, nil
}

// named returns the sockets by their names.
func (k keptSockets) named() (list []service.Named) {
	for name, files := range k {
		for _, f := range files {
			list = append(list, service.Named{Name: name, File: f})
		}
	}
	return list
}

// own are the names of the sockets that the daemon made.
func (s *sockets) own() (names []string) {
	if s.ownP11 {
		names = append(names, p11Name)
	}
	if s.ownAdmin {
		names = append(names, adminName)
	}
	if s.ownAPI {
		names = append(names, apiName)
	}
	return names
}

// adopt makes the sockets of a daemon before this one's own: their files go with them.
func (s *sockets) adopt(own []string) {
	s.ownP11, s.ownAdmin = slices.Contains(own, p11Name), slices.Contains(own, adminName)
	s.ownAPI = slices.Contains(own, apiName)
	for list, mine := range map[*[]net.Listener]bool{&s.p11: s.ownP11, &s.admin: s.ownAdmin} {
		for _, l := range *list {
			if u, ok := l.(*net.UnixListener); ok {
				u.SetUnlinkOnClose(mine)
			}
		}
	}
}
