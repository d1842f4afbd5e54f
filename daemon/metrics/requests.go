package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Requests counts the requests of the provisioning APIs.
type Requests struct {
	total *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

func newRequests(r prometheus.Registerer) *Requests {
	return &Requests{
		total: newCounter(r, "vtoken_api_requests_total", "Requests of the provisioning APIs, by dialect, operation and HTTP status.", "dialect", "operation", "status"),
		took: newHistogram(r, "vtoken_api_request_seconds", "Duration of requests of the provisioning APIs.",
			[]float64{1e-3, 5e-3, 25e-3, 100e-3, 500e-3, 2.5, 10}, "dialect"),
	}
}

// Served counts a request. dialect and operation are of a route, or empty where no
// route was found: what a client makes up never becomes a label.
func (q *Requests) Served(dialect, operation string, status int, took time.Duration) {
	q.total.WithLabelValues(dialect, operation, strconv.Itoa(status)).Inc()
	q.took.WithLabelValues(dialect).Observe(took.Seconds())
}
