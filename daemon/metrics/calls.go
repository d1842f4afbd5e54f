package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// callBuckets are the latency buckets of calls, in seconds: from a read in memory to the
// generation of a large RSA key.
func callBuckets() []float64 {
	return []float64{25e-6, 50e-6, 100e-6, 250e-6, 1e-3, 5e-3, 25e-3, 100e-3, 500e-3, 2.5}
}

// Calls counts the calls of PKCS#11.
type Calls struct {
	total      *prometheus.CounterVec
	took       *prometheus.HistogramVec
	signatures prometheus.Counter
	rows       [p11rpc.NumCalls]atomic.Pointer[callRow]
}

// callRow caches the counters of one function. It is made at the first call, so that functions
// which are not called have no lines.
type callRow struct {
	ok   prometheus.Counter
	took prometheus.Observer
}

func newCalls(r prometheus.Registerer) *Calls {
	return &Calls{
		total: newCounter(r, "vtoken_pkcs11_calls_total", "PKCS#11 calls, by function and result code.", "function", "result"),
		took:  newHistogram(r, "vtoken_pkcs11_call_seconds", "Duration of PKCS#11 calls in the daemon.", callBuckets(), "function"),
		signatures: newCounter(r, "vtoken_signatures_total",
			"Signatures made, without size queries.").WithLabelValues(),
	}
}

// Called counts a call that was answered. C_WaitForSlotEvent has no latency, because it waits
// for an event.
func (c *Calls) Called(call p11rpc.CallID, rv ck.Error, took time.Duration) {
	if !call.Valid() {
		return // it was answered, but there is no such function
	}
	row := c.rows[call].Load()
	if row == nil {
		row = c.row(call)
	}
	if rv == ck.CKR_OK {
		row.ok.Inc()
	} else {
		c.total.WithLabelValues(call.String(), rv.Error()).Inc()
	}
	if row.took != nil {
		row.took.Observe(took.Seconds())
	}
}

func (c *Calls) row(call p11rpc.CallID) *callRow {
	row := &callRow{ok: c.total.WithLabelValues(call.String(), ck.CKR_OK.Error())}
	if call != p11rpc.CallWaitForSlotEvent {
		row.took = c.took.WithLabelValues(call.String())
	}
	c.rows[call].Store(row) // another one that was made meanwhile has the same counters
	return row
}

// Signed counts a signature.
func (c *Calls) Signed() { c.signatures.Inc() }
