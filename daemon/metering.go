package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"vtoken/daemon/metrics"
	"vtoken/keystore"
	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
)

// guessed counts what became of the tries of a secret in the API, and notes it for the
// audit log.
func (d *daemon) guessed(ctx context.Context, _ *record.Token, s provisioning.Secret, what provisioning.Guess) {
	httpkit.NoteSecret(ctx, s, what)
	d.metrics.Tries.Counted(s.String(), string(what))
	if what != provisioning.GuessLocked {
		return
	}
	if role, isPIN := pinRoles[s]; isPIN {
		d.metrics.Logins.Locked(role)
	}
}

// state is what the metrics ask for.
func (d *daemon) state() metrics.State {
	return metrics.State{
		Usage: func() (applications, sessions int) {
			u := d.engine.Usage()
			return u.Applications, u.Sessions
		},
		Limits: d.limited.states,
		Counted: func() metrics.Counted {
			return metrics.Counted{Loads: d.engine.Usage().Loads, OverQuota: d.store.OverQuota()}
		},
		KEKs: d.kekStates,
		Rollback: func() (metrics.Rollback, error) {
			p, err := d.store.Protection()
			return metrics.Rollback{Protected: p.KEK != "", Counts: p.Counts, Accepted: p.Accepted}, err
		},
	}
}

func (d *daemon) kekStates() (list []metrics.KEK, err error) {
	recipients, err := d.store.Recipients()
	for _, r := range recipients {
		kind, _, _ := strings.Cut(r.URI, ":")
		list = append(list, metrics.KEK{ID: r.ID, Kind: kind, Recovery: r.Recovery, Opens: r.Opens, Tried: r.Tried})
	}
	return list, err
}

// listenMetrics serves the metrics on the address of --metrics-listen.
func (d *daemon) listenMetrics() error {
	if d.cfg.MetricsListen == "" {
		return nil
	}
	l, err := net.Listen("tcp", d.cfg.MetricsListen)
	if err != nil {
		return fmt.Errorf("listening for the metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", d.metrics.Handler())
	d.scrape = httpkit.NewServer(mux, d.log)
	d.log.Info("serving metrics", "url", "http://"+l.Addr().String()+"/metrics")
	d.serve(d.limited.sources(l, d.limited.scrape), d.scrape.Serve)
	return nil
}

// reportStart writes what a start came to where --metrics-file says.
func reportStart(path string, err error, log *slog.Logger) {
	if path == "" {
		return
	}
	if err := metrics.WriteStart(path, startResult(err), time.Now()); err != nil {
		log.Warn("nobody is told by --metrics-file how the start went", "error", err)
	}
}

func startResult(err error) string {
	switch {
	case err == nil:
		return metrics.StartOK
	case errors.Is(err, keystore.ErrNoKEK):
		return metrics.StartNoKEK
	case errors.Is(err, keystore.ErrRollback):
		return metrics.StartRollback
	}
	return metrics.StartFailed
}
