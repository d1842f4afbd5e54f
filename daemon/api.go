package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"vtoken/daemon/observe"
	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/dialect/all"
	"vtoken/provisioning/dialect/native"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
	"vtoken/vtoken/version"
)

// listenAPI makes the HTTPS listener.
func (d *daemon) listenAPI() (net.Listener, error) {
	cert, err := d.certificate()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", d.cfg.APIListen)
	if err != nil {
		return nil, fmt.Errorf("listening for the API: %w", err)
	}
	d.apiURL, d.publicURL = "https://"+l.Addr().String(), publicURL(d.cfg.APIURL, l.Addr())
	return tls.NewListener(d.limited.sources(l, d.limited.api), httpkit.TLSConfig(func() *tls.Certificate { return &cert })), nil
}

// certificate returns the API's certificate: the configured one, or one that the daemon made
// for itself.
func (d *daemon) certificate() (tls.Certificate, error) {
	if d.cfg.TLSCert != "" {
		return tls.LoadX509KeyPair(d.cfg.TLSCert, d.cfg.TLSKey)
	}
	if d.cfg.Init { // the key of the certificate went with the store
		if err := os.Remove(filepath.Join(d.cfg.DataDir, "api.crt")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return tls.Certificate{}, fmt.Errorf("remove the certificate of the store that was here: %w", err)
		}
	}
	return httpkit.SelfSigned(d.cfg.DataDir, certificates{d.store}, time.Now())
}

// newHTTP returns the server of the native API and the dialects, on the admin socket and over
// HTTPS. On the admin socket callers are identified by their uid, elsewhere by an API key.
func (d *daemon) newHTTP(core *provisioning.Service, admins administrators) (*http.Server, error) {
	kit := &httpkit.Kit{
		Keys: core, Log: d.log, Audit: observe.CallAuditor{Log: d.audit}, Served: d.metrics.Requests.Served,
		Forgotten: d.sweeper.Note, Admin: admins.caller,
		Memory: d.limited.memory, Owner: func(p record.Peer) string { return d.limited.owners.Of(p.UID) },
		Limits: d.limits(), URL: d.publicURL, Issuer: d.issuer(),
	}
	mux := http.NewServeMux()
	mux.Handle("/", kit.NotFound())
	own := native.New(core, kit.ForDialect("native"), native.Info{
		Version: version.String(), StartedAt: time.Now(),
		P11Socket: d.cfg.P11Socket, AdminSocket: d.cfg.AdminSocket, DataDir: d.cfg.DataDir, Store: d.store.ID(),
		API: d.publicURL, Dialects: d.cfg.Dialects, AllDialects: all.Descriptions(),
		Keeper: keeper{d.store}, Rollback: d.rollback, Recovery: d.recovery, Audit: d.audit.Reader(),
		KEKs:    keks{d.store},
		Metrics: d.metrics.Write,
		Clients: func() api.Clients {
			u := d.engine.Usage()
			return api.Clients{Applications: u.Applications, Sessions: u.Sessions}
		},
	})
	dialects, err := all.New(d.cfg.Dialects, core, kit)
	if err != nil {
		return nil, err
	}
	dialects = append([]dialect.Dialect{own}, dialects...)
	for _, dl := range dialects {
		dialect.Mount(mux, dl)
	}
	dialect.MountIndex(mux, dialects)
	server := httpkit.NewServer(kit.Wrap(httpkit.Exact(mux)), d.log)
	server.ConnState = d.connChanged
	return server, nil
}

// connChanged has the buffers of a closed connection overwritten: they contain its last
// request.
func (d *daemon) connChanged(_ net.Conn, s http.ConnState) {
	if s == http.StateClosed {
		d.sweeper.Note()
	}
}

// caller returns the administrator at the other end of the admin socket.
func (a administrators) caller(p record.Peer) (provisioning.Caller, error) {
	if !a.Has(p) {
		return provisioning.Caller{}, provisioning.Errorf(provisioning.Forbidden,
			"user %d is no administrator here; ask for root or for a place in the daemon's --admin-group", p.UID)
	}
	return provisioning.System(userName(p.UID)), nil
}

// userName returns the name of an OS user for logs, or "#uid".
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "#" + id
}

// osUser returns the name and the uid, as "#1000", of an OS user who is given as either;
// nothing for an unknown one.
func osUser(name string) []string {
	var u *user.User
	var err error
	if id, ok := strings.CutPrefix(name, "#"); ok {
		u, err = user.LookupId(id)
	} else {
		u, err = user.Lookup(name)
	}
	if err != nil {
		return nil
	}
	return []string{u.Username, "#" + u.Uid}
}
