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

// Rate is how often something may be done: so many times a second in the long
// run, and Burst at once. A rate of 0 is as often as anybody likes.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Rates are the limits of an installation.
type Rates struct {
	// Credential is for the requests of one credential, Tenant for those of all
	// credentials of one tenant together.
	Credential, Tenant Rate
	// Failed is for requests from one address (IPv6: one network of 64 bits) with
	// no credential or a bad one. A good credential is served from there all the same.
	Failed Rate
}

// Limits counts requests against rates. The callers on the admin socket are not
// counted. It is safe for concurrent use, and keeps no more than a bounded number
// of counts: where there are more, those that were idle longest begin anew.
type Limits struct {
	now                        func() time.Time
	credential, tenant, source *buckets
}

// maxBuckets bounds the credentials, tenants and addresses that are counted.
const maxBuckets = 10_000

// NewLimits is limits of the rates. now is the clock; nil is time.Now.
func NewLimits(r Rates, now func() time.Time) *Limits {
	if now == nil {
		now = time.Now
	}
	return &Limits{now: now, credential: newBuckets(r.Credential), tenant: newBuckets(r.Tenant), source: newBuckets(r.Failed)}
}

// admitted counts a request of a caller, and refuses it over the limits.
func (l *Limits) admitted(r *http.Request, c provisioning.Caller) error {
	if _, local := PeerOf(r.Context()); l == nil || local {
		return nil
	}
	now := l.now()
	if wait := l.credential.take(string(c.Tenant)+"\x00"+c.Name, now); wait > 0 {
		return provisioning.TooSoon(wait, "this credential is used more often than it may be here; try again later, or ask for higher limits")
	}
	if wait := l.tenant.take(string(c.Tenant), now); wait > 0 {
		return provisioning.TooSoon(wait, "the credentials of this tenant are used more often than they may be here; try again later, or ask for higher limits")
	}
	return nil
}

// failed counts a request of nobody, which failed with err. Over the limit it is
// refused for that.
func (l *Limits) failed(r *http.Request, err error) error {
	if _, local := PeerOf(r.Context()); l == nil || local {
		return err
	}
	if wait := l.source.take(source(r.RemoteAddr), l.now()); wait > 0 {
		return provisioning.TooSoon(wait, "too many requests without a good credential came from this address; check the credential, and try again later")
	}
	return err
}

// Source is who is counted for a connection from an address: one host, or the network of
// 64 bits that one subscriber has of IPv6.
func Source(remote string) string { return source(remote) }

// source is the part of an address that is counted: that of one host, or the
// network of 64 bits that one subscriber has of IPv6.
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

// RetryAfter is how long a caller has to wait after an error of kind RateLimited
// or Busy, in whole seconds, at least 1; 0 for other errors.
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
	rate Rate

	mu   sync.Mutex
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

// take counts one, or says how long to wait until it can be counted.
func (b *buckets) take(name string, now time.Time) (wait time.Duration) {
	if b.rate.PerSecond <= 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.find(name).ReserveN(now, 1)
	if !r.OK() {
		return time.Second // a burst of 0 lets nobody pass
	}
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// find is the count of a name, which is the one used last now.
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
