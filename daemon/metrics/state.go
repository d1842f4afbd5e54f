package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// State is what the daemon is asked for when the metrics are read. None of these
// functions may wait for a TPM, an HSM or the disk.
type State struct {
	// Usage is how many applications are connected, and their sessions.
	Usage func() (applications, sessions int)
	// Limits are what clients may have of the daemon.
	Limits func() []Limit
	// Counted is what was counted elsewhere; nil is nothing.
	Counted func() Counted
	// KEKs are the recipients of the store.
	KEKs func() ([]KEK, error)
	// Rollback is the protection from older copies of the data folder.
	Rollback func() (Rollback, error)
}

// Limit is one kind of thing that clients may have at a time. Kinds are fixed words.
type Limit struct {
	Kind        string
	Used, Limit int
	Refused     uint64 // times that somebody was refused, since the start
}

// Counted are things that are counted where they happen, since the start.
type Counted struct {
	// Loads are sets that were read from the store: the tokens of a user, or the
	// objects of a token.
	Loads uint64
	// OverQuota are updates of the store that a quota refused.
	OverQuota uint64
}

// KEK is a recipient as it was when it was last tried.
type KEK struct {
	ID       string
	Kind     string // the scheme of its URI
	Recovery bool
	Opens    bool
	Tried    time.Time // zero if it was not tried in this run
}

// Rollback is the state of rollback detection.
type Rollback struct {
	Protected bool      // a KEK has a counter
	Counts    bool      // the counter answered at the last attempt
	Accepted  time.Time // when an older store was last accepted; zero is never
}

// Watch has the metrics tell of the daemon's state. It is called once.
func (s *Set) Watch(state State) { s.registry.MustRegister(stateCollector{state, newStateDescs()}) }

type stateDescs struct {
	applications, sessions              *prometheus.Desc
	loads, overQuota                    *prometheus.Desc
	kek, kekOpens, kekTried             *prometheus.Desc
	protected, counterWorks, acceptedAt *prometheus.Desc
	limitUsed, limit, limitRefused      *prometheus.Desc
}

func newStateDescs() stateDescs {
	d := prometheus.NewDesc
	kek := []string{"id", "kind", "recovery"}
	return stateDescs{
		applications: d("vtoken_applications", "Connected applications.", nil, nil),
		sessions:     d("vtoken_sessions", "Open sessions of all applications.", nil, nil),
		limitUsed:    d("vtoken_limit_used", "Resources that clients use: bytes of memory, or connections.", []string{"kind"}, nil),
		limit:        d("vtoken_limit", "Limit of the resource for all clients together.", []string{"kind"}, nil),
		limitRefused: d("vtoken_limit_refused_total", "Requests and connections refused because of the limit.", []string{"kind"}, nil),
		loads:        d("vtoken_loads_total", "Sets read from the store: the tokens of a user, or the objects of a token.", nil, nil),
		overQuota:    d("vtoken_quota_refusals_total", "Changes refused because a token or a user would exceed its object quota.", nil, nil),
		kek:          d("vtoken_kek_info", "1, for each KEK that the store is wrapped for.", kek, nil),
		kekOpens:     d("vtoken_kek_opens", "1 if the KEK opened the store at the last attempt; missing if it was not tried in this run.", kek, nil),
		kekTried:     d("vtoken_kek_tried_timestamp_seconds", "Unix time of the last attempt to open the store with the KEK.", kek, nil),
		protected:    d("vtoken_rollback_protected", "1 if rollback detection is active.", nil, nil),
		counterWorks: d("vtoken_rollback_counter_works", "1 if the rollback counter answered at the last attempt; missing if there is none.", nil, nil),
		acceptedAt:   d("vtoken_rollback_accepted_timestamp_seconds", "Unix time when an administrator last accepted an older store; 0 if never.", nil, nil),
	}
}

type stateCollector struct {
	state State
	stateDescs
}

// Describe names the metrics.
func (c stateCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.applications, c.sessions, c.loads, c.overQuota, c.kek, c.kekOpens, c.kekTried, c.protected, c.counterWorks, c.acceptedAt,
		c.limitUsed, c.limit, c.limitRefused,
	} {
		out <- d
	}
}

// Collect asks for the state.
func (c stateCollector) Collect(out chan<- prometheus.Metric) {
	applications, sessions := c.state.Usage()
	out <- gauge(c.applications, float64(applications))
	out <- gauge(c.sessions, float64(sessions))
	for _, l := range c.state.Limits() {
		out <- gauge(c.limitUsed, float64(l.Used), l.Kind)
		out <- gauge(c.limit, float64(l.Limit), l.Kind)
		out <- prometheus.MustNewConstMetric(c.limitRefused, prometheus.CounterValue, float64(l.Refused), l.Kind)
	}
	if c.state.Counted != nil {
		counted := c.state.Counted()
		out <- counter(c.loads, counted.Loads)
		out <- counter(c.overQuota, counted.OverQuota)
	}
	c.collectKEKs(out)
	c.collectRollback(out)
}

func (c stateCollector) collectKEKs(out chan<- prometheus.Metric) {
	list, err := c.state.KEKs()
	if err != nil {
		out <- prometheus.NewInvalidMetric(c.kek, err)
		return
	}
	for _, k := range list {
		labels := []string{k.ID, k.Kind, strconv.FormatBool(k.Recovery)}
		out <- gauge(c.kek, 1, labels...)
		if !k.Tried.IsZero() {
			out <- gauge(c.kekOpens, number(k.Opens), labels...)
			out <- gauge(c.kekTried, seconds(k.Tried), labels...)
		}
	}
}

func (c stateCollector) collectRollback(out chan<- prometheus.Metric) {
	r, err := c.state.Rollback()
	if err != nil {
		out <- prometheus.NewInvalidMetric(c.protected, err)
		return
	}
	out <- gauge(c.protected, number(r.Protected))
	if r.Protected {
		out <- gauge(c.counterWorks, number(r.Counts))
	}
	out <- gauge(c.acceptedAt, seconds(r.Accepted))
}

func gauge(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func counter(d *prometheus.Desc, value uint64) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value))
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
