package metrics

import "github.com/prometheus/client_golang/prometheus"

// Tries counts what becomes of PINs and codes that come through an API.
type Tries struct{ total *prometheus.CounterVec }

func newTries(r prometheus.Registerer) *Tries {
	return &Tries{newCounter(r, "vtoken_api_tries_total", "PINs, one-time passwords and activation codes from API requests that were wrong, locked, refused or unlocked.", "secret", "result")}
}

// Counted counts one. Both words are of a fixed set.
func (t *Tries) Counted(secret, result string) { t.total.WithLabelValues(secret, result).Inc() }
