package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"vtoken/daemon/config"
	"vtoken/daemon/metrics"
	"vtoken/daemon/observe"
	"vtoken/daemon/p11server"
	"vtoken/daemon/process"
	"vtoken/daemon/service"
	"vtoken/daemon/turns"
	"vtoken/keystore"
	kekall "vtoken/keystore/kek/all"
	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
	"vtoken/vtoken/version"
)

// stopWithin bounds the time that running calls have to finish after SIGTERM.
const stopWithin = 4 * time.Second

// daemon is a running daemon: the store and its servers.
type daemon struct {
	log    *logs
	store  *keystore.Store
	engine *vtoken.Engine
	p11    *p11server.Server
	// resumption is what applications need to outlive the daemon.
	resumption *resumption
	http       *http.Server
	audit      *observe.Log
	// publicURL is how clients of the API reach it.
	publicURL string
	sockets   sockets

	// What a reload changes; cfg is what is in effect.
	reloading sync.Mutex
	stopped   bool
	cfg       config.Config
	admins    *administrators
	cert      atomic.Pointer[tls.Certificate] // of the API
	rates     *httpkit.Limits
	apis      *apis

	limited limited
	metrics *metrics.Set
	scrape  *http.Server // of --metrics-listen

	serving sync.WaitGroup
	sweeper *process.Sweeper
	changed *observe.Tampering
	turns   *turns.Queue // of slow work
	users   *users
	failed  chan error // what ended a server that should have gone on
	core    *provisioning.Service

	background background
	startedAt  time.Time
	restarts   chan struct{}          // asks for a planned restart
	restarted  atomic.Pointer[string] // why the last one did not happen
}

// start opens the store and starts all servers. If it fails, it has undone everything.
func start(ctx context.Context, cfg config.Config, passed service.Received, log *logs) (_ *daemon, err error) {
	if err := process.Harden(); err != nil {
		return nil, err
	}
	provider, err := newProvider(cfg.Crypto, log.Logger)
	if err != nil {
		return nil, err
	}
	admins, err := newAdministrators(cfg.AdminGroup)
	if err != nil {
		return nil, err
	}
	arrived := arrival{came: uptime()}
	counts := metrics.New(version.String())
	changed := observe.NewTampering(counts.Store)
	before, connections, err := takeOver(passed)
	if err != nil {
		log.Error("the state of the daemon before is lost; applications go on by their tickets", "error", err)
	}
	if before != nil {
		cfg.Init = false // was for the start of the daemon before
	}
	known, err := newIdentity(ctx, cfg, before != nil, log.Logger)
	if err != nil {
		return nil, err
	}
	var root secret.Bytes
	if before != nil {
		root = before.Root
		defer root.Wipe()
	}
	store, err := keystore.Open(ctx, known.expect(keystore.Options{
		Root: root, Later: before != nil, Dir: cfg.DataDir, KEKs: cfg.KEKs, Providers: kekall.Providers(),
		Log: log.Logger, Committed: counts.Store.Committed,
		Tampered: changed.Note,
	}))
	if err != nil {
		return nil, err
	}
	arrived.opened = uptime()
	known.keep(ctx, store, log.Logger)
	process.LockMemory(log.Logger)
	if !process.OverwritesFreed() {
		log.Warn("freed memory of Go's heap is not overwritten, so keys and PINs stay in memory for a while; set GODEBUG=clobberfree=1,asyncpreemptoff=1 in the daemon's environment")
	}
	d := &daemon{
		log: log, store: store, cfg: cfg, admins: admins, metrics: counts, startedAt: time.Now(),
		failed: make(chan error, 8), restarts: make(chan struct{}, 1),
		rates:   httpkit.NewLimits(ratesOf(cfg), nil),
		sweeper: process.NewSweeper(), changed: changed, turns: turns.New(0),
	}
	d.users = newUsers(d.turns)
	d.limited = newLimited(cfg.Limits, openFiles(log.Logger), log.Logger)
	d.serving.Go(d.sweeper.Run)
	defer func() {
		if err != nil {
			d.stop()
		}
	}()
	if d.audit, err = observe.Open(cfg, store, counts.Audit, log.Logger, version.String()); err != nil {
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
	if before != nil {
		if err := d.restoreEngine(before); err != nil {
			return nil, err
		}
	}
	peers := slog.New(observe.NewPeerLog(log.Handler()))
	d.resumption = newResumption(cfg, store, engineStore{store}, d.engine, peers, d.audit.RefusedTicket, before)
	store.Watch(d.resumption.away.apply)
	if before == nil {
		d.resumption.findAway(nil)
	}
	d.metrics.Watch(observe.State(d.engine, store, d.limited.states))
	d.p11 = p11server.New(d.connect, p11server.Options{
		Logger: peers, Observer: d.metrics.Calls,
		Owner: d.limited.owners.Of, Places: d.limited.connections, Account: d.limited.account,
		Join: d.resumption.join, Refused: d.resumption.refused,
	})
	core := provisioning.New(coreStore{store}, provisioning.Options{
		OSUser: osUser, Turns: apiTurns{d.users}, Wait: delayIn(ctx), Guessed: observe.Guesses(counts),
		Applications: running{server: d.p11, away: d.resumption.away, store: engineStore{store}},
	})
	if err := makeOwner(ctx, core); err != nil {
		return nil, err
	}
	d.core = core
	if before != nil {
		arrived.made = uptime()
		d.restore(before, connections, arrived)
	}
	d.background.do = []func(context.Context){d.warm, d.sweepKeys}
	d.background.begin(ctx)
	return d, d.listen(passed, before)
}

// background is work that nobody waits for.
type background struct {
	do      []func(context.Context)
	parent  func() context.Context // of the daemon
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func (b *background) begin(ctx context.Context) {
	b.parent = func() context.Context { return ctx }
	ctx, b.cancel = context.WithCancel(ctx)
	for _, do := range b.do {
		b.running.Go(func() { do(ctx) })
	}
}

// end ends the work. What reads the store would keep it from being closed.
func (b *background) end() {
	if b.cancel == nil {
		return // it has not begun
	}
	b.cancel()
	b.running.Wait()
}

// again begins work that was ended.
func (b *background) again() { b.begin(b.parent()) }

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
func (d *daemon) warm(ctx context.Context) {
	if err := d.core.Warm(ctx); err != nil && ctx.Err() == nil {
		d.log.Warn("loading the token directory failed", "error", err)
	}
}

// sweepEvery is how often expired pending keys are removed: keys whose certificates did not
// come in time.
const sweepEvery = time.Hour

// sweepKeys removes expired pending keys until ctx ends.
func (d *daemon) sweepKeys(ctx context.Context) {
	for ctx.Err() == nil {
		if err := d.core.SweepPendingKeys(ctx); err != nil && ctx.Err() == nil {
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
func (d *daemon) listen(passed service.Received, before *handedOver) (err error) {
	if d.sockets, err = openSockets(d.cfg, passed, d.log.Logger); err != nil {
		return err
	}
	if before != nil {
		d.sockets.adopt(before.Own)
	}
	defer func() {
		if err != nil {
			d.sockets.close()
		}
	}()
	if len(d.sockets.api) > 0 {
		if err := forgetOldCertificate(d.cfg); err != nil {
			return err
		}
		cert, err := d.certificate(d.cfg)
		if err != nil {
			return err
		}
		d.cert.Store(cert)
		d.publicURL = publicURL(d.cfg.APIURL, d.sockets.api[0].Addr())
	}
	if err := d.newHTTP(d.core); err != nil {
		return err
	}
	if err := d.listenMetrics(); err != nil {
		return err
	}
	for _, l := range d.sockets.p11 {
		d.serve(l, d.p11.Serve)
	}
	d.serveHTTP()
	return nil
}

// serveHTTP serves the APIs.
func (d *daemon) serveHTTP() {
	for _, l := range d.sockets.admin {
		d.serve(d.limited.admins(l), d.http.Serve)
	}
	for _, l := range d.sockets.api {
		d.serve(d.secured(l), d.http.Serve)
	}
}

// pauseHTTP finishes the requests that the APIs have, and takes no new ones.
// A request that takes longer is not cut off: it goes on, and there is no restart.
func (d *daemon) pauseHTTP(ctx context.Context) error {
	if d.scrape != nil {
		d.warn("stopping the metrics", d.scrape.Close())
	}
	if err := d.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("a request to the API takes too long, so the daemon goes on: %w", err)
	}
	return nil
}

// resumeHTTP serves the APIs again, on the sockets that were kept.
func (d *daemon) resumeHTTP(kept keptSockets) (err error) {
	own := d.sockets.own()
	for name, list := range map[string]*[]net.Listener{adminName: &d.sockets.admin, apiName: &d.sockets.api} {
		*list = nil
		for _, f := range kept[name] {
			l, failed := net.FileListener(f)
			if failed != nil {
				err = errors.Join(err, fmt.Errorf("listening again on %s: %w", name, failed))
				continue
			}
			*list = append(*list, l)
		}
	}
	for _, f := range kept {
		closeAll(f)
	}
	d.sockets.adopt(own)
	d.newServer()
	if failed := d.listenMetrics(); failed != nil {
		err = errors.Join(err, failed)
	}
	d.serveHTTP()
	return err
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
	line := fmt.Sprintf("vtokend ready: p11=%s admin=%s", d.sockets.p11Path(), d.sockets.adminPath())
	if urls := d.sockets.apiURLs(); urls != "" {
		line += " api=" + urls
	}
	return line
}

// wait returns after ctx ended or a server failed, and everything has stopped.
func (d *daemon) wait(ctx context.Context, manager service.Manager) error {
	var err error
	for stops := false; !stops; {
		select {
		case <-ctx.Done():
			d.log.Info("stopping")
			stops = true
		case err = <-d.failed:
			stops = true
		case <-d.restarts:
			problem := d.become(ctx).Error()
			d.restarted.Store(&problem)
			d.log.Error("the daemon was not restarted, and goes on", "error", problem)
		}
	}
	d.warn("telling the service manager that the daemon stops", manager.Stopping())
	if err == nil && manager.Present() {
		if failed := d.leave(manager); failed == nil {
			return nil
		} else {
			d.log.Warn("applications go on by their tickets, because the state cannot be handed over", "error", failed)
		}
	}
	d.stop()
	return err
}

// stop stops everything: the servers first, so that no call meets a closed store.
func (d *daemon) stop() {
	d.reloading.Lock() // waits for a reload that is under way
	d.stopped = true
	d.reloading.Unlock()
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
	d.background.end()
	d.sweeper.Stop()
	d.changed.Stop()
	d.serving.Wait()
	d.closeStore()
}

// closeStore closes the audit log and the store.
func (d *daemon) closeStore() {
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
