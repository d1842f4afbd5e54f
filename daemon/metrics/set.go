package metrics

import (
	"fmt"
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
)

// Set is all metrics of a daemon. It is safe for concurrent use.
type Set struct {
	Calls    *Calls
	Logins   *Logins
	Audit    *Audit
	Store    *Store
	Requests *Requests
	Tries    *Tries

	registry *prometheus.Registry
}

// New makes the metrics of a daemon of that version.
func New(version string) *Set {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := newGauge(r, "vtoken_build_info", "1, for the version that runs.", "version")
	build.WithLabelValues(version).Set(1)
	logins := newLogins(r)
	return &Set{
		Calls: newCalls(r), Logins: logins, Audit: newAudit(r, logins), Store: newStore(r), Requests: newRequests(r), Tries: newTries(r),
		registry: r,
	}
}

// Handler serves the metrics to everybody who can reach it.
func (s *Set) Handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{})
}

// Write writes the metrics in the text format, version 0.0.4.
func (s *Set) Write(w io.Writer) error { return write(s.registry, w) }

func write(g prometheus.Gatherer, w io.Writer) error {
	families, err := g.Gather()
	if err != nil {
		return fmt.Errorf("gather the metrics: %w", err)
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return fmt.Errorf("write the metrics: %w", err)
		}
	}
	return nil
}

func newCounter(r prometheus.Registerer, name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	r.MustRegister(c)
	return c
}

func newGauge(r prometheus.Registerer, name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	r.MustRegister(g)
	return g
}

func newHistogram(r prometheus.Registerer, name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	r.MustRegister(h)
	return h
}
