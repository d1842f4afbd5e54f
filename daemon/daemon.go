package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"vtoken/daemon/config"
	"vtoken/daemon/metrics"
	"vtoken/daemon/observe"
	"vtoken/daemon/p11server"
	"vtoken/daemon/process"
	"vtoken/daemon/turns"
	"vtoken/keystore"
	kekall "vtoken/keystore/kek/all"
	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/record"
	"vtoken/vtoken/version"
)

// stopWithin bounds the time that running calls have to finish after SIGTERM.
const stopWithin = 4 * time.Second

// daemon is a running daemon: the store and its servers.
type daemon struct {
	log    *slog.Logger
	store  *keystore.Store
	engine *vtoken.Engine
	p11    *p11server.Server
	// resumption is what applications need to outlive the daemon.
	resumption *resumption
	http       *http.Server
	audit      *observe.Log
	cfg        config.Config
	apiURL     string // where the API listens
	// publicURL is how its clients reach it.
	publicURL string

	limited limited
	metrics *metrics.Set
	scrape  *http.Server // of --metrics-listen

	serving sync.WaitGroup
	sweeper *process.Sweeper
	changed *observe.Tampering
	turns   *turns.Queue // of slow work
	users   *users
	failed  chan error // what ended a server that should have gone on
}

// start opens the store and starts all servers. If it fails, it has undone everything.
func start(ctx context.Context, cfg config.Config, log *slog.Logger) (_ *daemon, err error) {
	if err := process.Harden(); err != nil {
		return nil, err
	}
	provider, err := newProvider(cfg.Crypto, log)
	if err != nil {
		return nil, err
	}
	admins, err := newAdministrators(cfg.AdminGroup)
	if err != nil {
		return nil, err
	}
	counts := metrics.New(version.String())
	changed := observe.NewTampering(counts.Store)
	known, err := newIdentity(cfg)
	if err != nil {
		return nil, err
	}
	store, err := keystore.Open(ctx, known.expect(keystore.Options{
		Dir: cfg.DataDir, KEKs: cfg.KEKs, Providers: kekall.Providers(), Log: log, Committed: counts.Store.Committed,
		Tampered: changed.Note,
	}))
	if err != nil {
		return nil, err
	}
	known.keep(store.ID(), log)
	process.LockMemory(log)
	if !process.OverwritesFreed() {
		log.Warn("freed memory of Go's heap is not overwritten, so keys and PINs stay in memory for a while; set GODEBUG=clobberfree=1,asyncpreemptoff=1 in the daemon's environment")
	}
	d := &daemon{
		log: log, store: store, cfg: cfg, metrics: counts, failed: make(chan error, 4),
		sweeper: process.NewSweeper(), changed: changed, turns: turns.New(0),
	}
	d.users = newUsers(d.turns)
	d.limited = newLimited(cfg.Limits, openFiles(log), log)
	d.serving.Go(d.sweeper.Run)
	defer func() {
		if err != nil {
			d.stop()
		}
	}()
	if d.audit, err = observe.Open(cfg, store, counts.Audit, log, version.String()); err != nil {
		return nil, err
	}
	d.serving.Go(func() {
		changed.Run(d.audit, func(err error) { d.warn("recording that the store was changed from outside", err) })
	})
	d.engine, err = vtoken.New(engineStore{store}, vtoken.Options{
		MayMake: admins.Has, Listen: d.applications().Listen, Provider: provider, Forgotten: d.sweeper.Note, Version: version.Library(),
		Turns:       d.turns,
		Owner:       func(p record.Peer) string { return d.limited.owners.Of(p.UID) },
		Wait:        func(call context.Context, long time.Duration) { wait(ctx, call, long) },
		MaxSessions: cfg.MaxSessions, Account: func(p record.Peer) meter.Account { return d.limited.account(d.limited.owners.Of(p.UID)) },
	})
	if err != nil {
		return nil, err
	}
	d.resumption = newResumption(cfg.P11Socket, store, d.engine, log)
	d.metrics.Watch(observe.State(d.engine, store, d.limited.states))
	d.p11 = p11server.New(d.connect, p11server.Options{
		Logger: slog.New(observe.NewPeerLog(log.Handler())), Observer: d.metrics.Calls,
		Owner: d.limited.owners.Of, Places: d.limited.connections, Account: d.limited.account, Join: d.resumption.join,
	})
	core := provisioning.New(coreStore{store}, provisioning.Options{
		OSUser: osUser, Turns: apiTurns{d.users}, Wait: delayIn(ctx), Guessed: observe.Guesses(counts),
	})
	if err := makeOwner(ctx, core); err != nil {
		return nil, err
	}
	go d.warm(ctx, core)
	go d.sweepKeys(ctx, core)
	return d, d.listen(core, admins)
}

// wait blocks for the duration, or until one of the contexts ends.
func wait(ctx, call context.Context, long time.Duration) {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-call.Done():
	}
}

// delayIn delays a request after wrong PINs and codes, until its client is gone or ctx ends.
// During the delay it holds no place in the queue of slow work.
func delayIn(ctx context.Context) func(context.Context, time.Duration) error {
	return func(request context.Context, long time.Duration) error {
		httpkit.GiveUpTurn(request)
		wait(ctx, request, long)
		return cmp.Or(ctx.Err(), request.Err())
	}
}

// warm loads the directory of tokens, so that the first listing need not wait for it. If it
// fails, that listing tries again.
func (d *daemon) warm(ctx context.Context, core *provisioning.Service) {
	if err := core.Warm(ctx); err != nil && ctx.Err() == nil {
		d.log.Warn("loading the token directory failed", "error", err)
	}
}

// sweepEvery is how often expired pending keys are removed: keys whose certificates did not
// come in time.
const sweepEvery = time.Hour

// sweepKeys removes expired pending keys until ctx ends.
func (d *daemon) sweepKeys(ctx context.Context, core *provisioning.Service) {
	for ctx.Err() == nil {
		if err := core.SweepPendingKeys(ctx); err != nil && ctx.Err() == nil {
			d.log.Warn("removing expired pending keys failed; trying again in an hour", "error", err)
		}
		d.sweeper.Note() // it has read keys that wait
		wait(ctx, ctx, sweepEvery)
	}
}

// connect registers an application with the engine.
func (d *daemon) connect(p record.Peer) p11server.Client { return d.engine.Connect(p) }

// applications returns the listeners of the engine.
func (d *daemon) applications() observe.Applications {
	return observe.Applications{Log: d.audit.Log, Calls: d.metrics.Calls, Logins: d.metrics.Logins, Come: d.users.application}
}

// listen makes all listeners, and then serves on them, so that a daemon that cannot have all
// its sockets answers on none.
func (d *daemon) listen(core *provisioning.Service, admins administrators) (err error) {
	var made []net.Listener
	defer func() {
		if err != nil {
			for _, l := range made {
				l.Close()
			}
		}
	}()
	p11, admin := d.sockets()
	for _, s := range []socket{p11, admin} {
		l, err := s.listen()
		if err != nil {
			return err
		}
		made = append(made, l)
	}
	made[1] = d.limited.admins(made[1])
	if d.cfg.APIListen != "" {
		l, err := d.listenAPI()
		if err != nil {
			return err
		}
		made = append(made, l)
	}
	if d.http, err = d.newHTTP(core, admins); err != nil {
		return err
	}
	if err := d.listenMetrics(); err != nil {
		return err
	}
	serves := []func(net.Listener) error{d.p11.Serve, d.http.Serve, d.http.Serve}
	for i, l := range made {
		d.serve(l, serves[i])
	}
	return nil
}

// sockets returns the two Unix sockets. In a system daemon everybody may open the one for
// applications, because the kernel identifies them; in a user's daemon it is the user's alone.
func (d *daemon) sockets() (p11, admin socket) {
	p11 = socket{path: d.cfg.P11Socket, mode: 0o600, dir: 0o700}
	admin = socket{path: d.cfg.AdminSocket, mode: 0o600, dir: 0o700}
	if os.Getuid() == 0 {
		p11.mode, p11.dir, admin.dir = 0o666, 0o755, 0o755
	}
	if d.cfg.AdminGroup != "" {
		admin.mode, admin.group = 0o660, d.cfg.AdminGroup
	}
	return p11, admin
}

// serve runs one server until its listener is closed.
func (d *daemon) serve(l net.Listener, serve func(net.Listener) error) {
	d.serving.Go(func() {
		if err := serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			d.failed <- fmt.Errorf("serving %v: %w", l.Addr(), err)
		}
	})
}

// readyLine is what the daemon prints when it is ready.
func (d *daemon) readyLine() string {
	line := fmt.Sprintf("vtokend ready: p11=%s admin=%s", d.cfg.P11Socket, d.cfg.AdminSocket)
	if d.apiURL != "" {
		line += " api=" + d.apiURL
	}
	return line
}

// wait returns after ctx ended or a server failed, and everything has stopped.
func (d *daemon) wait(ctx context.Context) error {
	var err error
	select {
	case <-ctx.Done():
		d.log.Info("stopping")
	case err = <-d.failed:
	}
	d.stop()
	return err
}

// stop stops everything: the servers first, so that no call meets a closed store.
func (d *daemon) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	var both sync.WaitGroup
	if d.p11 != nil {
		d.resumption.stop()
		both.Go(func() { d.warn("stopping the PKCS#11 server", d.p11.Shutdown(ctx)) })
	}
	if d.http != nil {
		both.Go(func() {
			if err := d.http.Shutdown(ctx); err != nil {
				d.warn("stopping the API", errors.Join(err, d.http.Close()))
			}
		})
	}
	if d.scrape != nil {
		both.Go(func() { d.warn("stopping the metrics", d.scrape.Close()) })
	}
	both.Wait()
	d.sweeper.Stop()
	d.changed.Stop()
	d.serving.Wait()
	if d.audit != nil {
		d.warn("closing the audit log", d.audit.Close())
	}
	d.warn("closing the store", d.store.Close())
}

func (d *daemon) warn(doing string, err error) {
	if err != nil {
		d.log.Warn(doing, "error", err)
	}
}
