package main

import (
	"context"
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
	"sync/atomic"
	"time"

	"vtoken/daemon/config"
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

// certificate returns the API's certificate: the configured one, or one that the daemon made
// for itself.
func (d *daemon) certificate(cfg config.Config) (*tls.Certificate, error) {
	if cfg.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("reading --tls-cert %s and --tls-key %s: %w", cfg.TLSCert, cfg.TLSKey, err)
		}
		return &cert, nil
	}
	cert, err := httpkit.SelfSigned(cfg.DataDir, certificates{d.store}, time.Now())
	return &cert, err
}

// forgetOldCertificate removes the certificate of the store that was here before --init: its
// key went with that store.
func forgetOldCertificate(cfg config.Config) error {
	if !cfg.Init || cfg.TLSCert != "" {
		return nil
	}
	if err := os.Remove(filepath.Join(cfg.DataDir, httpkit.CertFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the certificate of the store that was here: %w", err)
	}
	return nil
}

// apis are the APIs that the daemon serves over HTTP, on the admin socket and over HTTPS: the
// native one, and the dialects of the configuration, which can change.
type apis struct {
	core *provisioning.Service
	kit  *httpkit.Kit
	info native.Info

	serving atomic.Pointer[apiSet]
}

// apiSet is what is served at a time.
type apiSet struct {
	dialects map[string]dialect.Dialect
	handler  http.Handler
}

// ServeHTTP serves a request with the dialects of now.
func (a *apis) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.serving.Load().handler.ServeHTTP(w, r)
}

// with returns the APIs with these dialects. A dialect that is served already is kept, and
// with it the sessions of its clients.
func (a *apis) with(names []string) (*apiSet, error) {
	next := &apiSet{dialects: map[string]dialect.Dialect{}}
	info := a.info
	info.Dialects = names
	list := []dialect.Dialect{native.New(a.core, a.kit.ForDialect("native"), info)}
	before := a.serving.Load()
	for _, name := range names {
		made, kept := before.dialect(name)
		if !kept {
			one, err := all.New([]string{name}, a.core, a.kit)
			if err != nil {
				return nil, err
			}
			made = one[0]
		}
		next.dialects[name] = made
		list = append(list, made)
	}
	mux := http.NewServeMux()
	mux.Handle("/", a.kit.NotFound())
	for _, d := range list {
		dialect.Mount(mux, d)
	}
	dialect.MountIndex(mux, list)
	next.handler = a.kit.Wrap(httpkit.Exact(mux))
	return next, nil
}

// dialect returns a dialect that is served; s may be nil.
func (s *apiSet) dialect(name string) (d dialect.Dialect, ok bool) {
	if s == nil {
		return nil, false
	}
	d, ok = s.dialects[name]
	return d, ok
}

// newHTTP makes the APIs and their server. On the admin socket callers are identified by
// their uid, elsewhere by an API key.
func (d *daemon) newHTTP(core *provisioning.Service) error {
	kit := &httpkit.Kit{
		Keys: core, Log: d.log.Logger, Audit: observe.CallAuditor{Log: d.audit}, Served: d.metrics.Requests.Served,
		Forgotten: d.sweeper.Note, Admin: d.admins.caller,
		Memory: d.limited.memory, Owner: func(p record.Peer) string { return d.limited.owners.Of(p.UID) },
		Limits: d.rates, URL: d.publicURL, Issuer: d.issuer(),
	}
	cfg := d.cfg // a reload changes d.cfg, but not the data folder and the KEKs
	d.apis = &apis{core: core, kit: kit, info: native.Info{
		Version: version.String(), StartedAt: d.startedAt,
		Restart: d.askForRestart, RestartProblem: d.restartProblem,
		P11Socket: d.sockets.p11Path(), AdminSocket: d.sockets.adminPath(), DataDir: d.cfg.DataDir, Store: d.store.ID(),
		API: d.publicURL, AllDialects: all.Descriptions(),
		Keeper: keeper{d.store}, Rollback: d.rollback, Recovery: d.recovery, Audit: d.audit.Reader(),
		KEKs:    keks{d.store, func(ctx context.Context, uri string) { keepAdded(ctx, cfg, d.store, uri, d.log.Logger) }},
		Metrics: d.metrics.Write,
		Clients: func() api.Clients {
			u := d.engine.Usage()
			return api.Clients{Applications: u.Applications, Sessions: u.Sessions}
		},
	}}
	first, err := d.apis.with(d.cfg.Dialects)
	if err != nil {
		return err
	}
	d.apis.serving.Store(first)
	d.newServer()
	return nil
}

// newServer makes the server of the APIs.
func (d *daemon) newServer() {
	d.http = httpkit.NewServer(d.apis, d.log.Logger)
	d.http.ConnState = d.connChanged
}

// connChanged has the buffers of a closed connection overwritten: they contain its last
// request.
func (d *daemon) connChanged(_ net.Conn, s http.ConnState) {
	if s == http.StateClosed {
		d.sweeper.Note()
	}
}

// caller returns the administrator at the other end of the admin socket.
func (a *administrators) caller(p record.Peer) (provisioning.Caller, error) {
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
