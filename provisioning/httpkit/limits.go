package httpkit

import (
	"container/list"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"vtoken/provisioning"
)

// Rate bounds how often something may be done: PerSecond on average, and Burst at once. A
// rate of 0 is unlimited.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Rates are the limits of an installation.
type Rates struct {
	// Credential limits the requests of one credential, Tenant those of all credentials
	// of a tenant together.
	Credential, Tenant Rate
	// Failed limits requests from one address (IPv6: one /64 network) without a
	// credential or with a bad one. Requests with a good credential from there are served
	// all the same.
	Failed Rate
}

// Limits counts requests against rates. Callers on the admin socket are not counted. It
// is safe for concurrent use and keeps a bounded number of counts: beyond that, those
// that were idle longest restart.
type Limits struct {
	now                        func() time.Time
	credential, tenant, source *buckets
}

// maxBuckets bounds the credentials, tenants and addresses that are counted.
const maxBuckets = 10_000

// NewLimits returns limits with these rates. now is the clock; nil is time.Now.
func NewLimits(r Rates, now func() time.Time) *Limits {
	if now == nil {
		now = time.Now
	}
	return &Limits{now: now, credential: newBuckets(r.Credential), tenant: newBuckets(r.Tenant), source: newBuckets(r.Failed)}
}

// Set changes the rates. Requests that were counted stay counted.
func (l *Limits) Set(r Rates) {
	now := l.now()
	l.credential.set(r.Credential, now)
	l.tenant.set(r.Tenant, now)
	l.source.set(r.Failed, now)
}

// admitted counts a request of a caller, and refuses it over the limits.
func (l *Limits) admitted(r *http.Request, c provisioning.Caller) error {
	if _, local := PeerOf(r.Context()); l == nil || local {
		return nil
	}
	now := l.now()
	if wait := l.credential.take(string(c.Tenant)+"\x00"+c.Name, now); wait > 0 {
		return provisioning.TooSoon(wait,
			"this credential is used more often than it may be here; try again later, or ask for higher limits")
	}
	if wait := l.tenant.take(string(c.Tenant), now); wait > 0 {
		return provisioning.TooSoon(wait,
			"the credentials of this tenant are used more often than they may be here; try again later, or ask for higher limits")
	}
	return nil
}

// failed counts a request that was not authenticated and failed with err. Over the limit
// it returns the error for that.
func (l *Limits) failed(r *http.Request, err error) error {
	if _, local := PeerOf(r.Context()); l == nil || local {
		return err
	}
	if wait := l.source.take(source(r.RemoteAddr), l.now()); wait > 0 {
		return provisioning.TooSoon(wait,
			"too many requests without a good credential came from this address; check the credential, and try again later")
	}
	return err
}

// Source returns the part of an address that is counted: one host, or the /64 network of
// one IPv6 subscriber.
func Source(remote string) string { return source(remote) }

// source returns the part of an address that is counted: one host, or the /64 network of
// one IPv6 subscriber.
func source(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	network, _ := ip.WithZone("").Prefix(64) // fails for other sizes only
	return network.String()
}

// RetryAfter returns how long a caller must wait after an error of kind RateLimited or
// Busy, in whole seconds, at least 1; 0 for other errors.
func RetryAfter(err error) int {
	e := provisioning.AsError(err)
	if e.Kind != provisioning.RateLimited && e.Kind != provisioning.Busy {
		return 0
	}
	return max(1, int(math.Ceil(e.Wait.Seconds())))
}

func setRetryAfter(h http.Header, err error) {
	if seconds := RetryAfter(err); seconds > 0 {
		h.Set("Retry-After", strconv.Itoa(seconds))
	}
}

// buckets are the counts of one rate, by name.
type buckets struct {
	mu   sync.Mutex
	rate Rate
	of   map[string]*list.Element
	used *list.List // of bucket, the one used last in front
}

type bucket struct {
	name    string
	limiter *rate.Limiter
}

func newBuckets(r Rate) *buckets {
	return &buckets{rate: r, of: map[string]*list.Element{}, used: list.New()}
}

// set changes the rate, of the counts that exist, too.
func (b *buckets) set(r Rate, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rate == r {
		return
	}
	b.rate = r
	for _, e := range b.of {
		limiter := e.Value.(bucket).limiter
		limiter.SetLimitAt(now, rate.Limit(r.PerSecond))
		limiter.SetBurstAt(now, r.Burst)
	}
}

// take counts one request, or returns how long to wait until it can be counted.
func (b *buckets) take(name string, now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rate.PerSecond <= 0 {
		return 0
	}
	r := b.find(name).ReserveN(now, 1)
	if !r.OK() {
		return time.Second // a burst of 0 lets nobody pass
	}
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// find returns the count of a name and marks it as used last.
func (b *buckets) find(name string) *rate.Limiter {
	if e, ok := b.of[name]; ok {
		b.used.MoveToFront(e)
		return e.Value.(bucket).limiter
	}
	if oldest := b.used.Back(); b.used.Len() >= maxBuckets {
		delete(b.of, b.used.Remove(oldest).(bucket).name)
	}
	made := bucket{name, rate.NewLimiter(rate.Limit(b.rate.PerSecond), b.rate.Burst)}
	b.of[name] = b.used.PushFront(made)
	return made.limiter
}
