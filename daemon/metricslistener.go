package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"vtoken/daemon/metrics"
	"vtoken/keystore"
	"vtoken/provisioning/httpkit"
)

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
	d.scrape = httpkit.NewServer(mux, d.log.Logger)
	d.log.Info("serving metrics", "url", "http://"+l.Addr().String()+"/metrics")
	d.serve(d.limited.sources(l, d.limited.scrape), d.scrape.Serve)
	return nil
}

// reportStart writes the result of the start to --metrics-file.
func reportStart(path string, err error, log *slog.Logger) {
	if path == "" {
		return
	}
	if err := metrics.WriteStart(path, startResult(err), time.Now()); err != nil {
		log.Warn("cannot write --metrics-file", "error", err)
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
