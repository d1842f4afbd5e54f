package httpkit_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
)

// calls collects what was recorded.
type calls []httpkit.Call

func (c *calls) Begin(_, _ string) (func(httpkit.Call), error) {
	return func(one httpkit.Call) { *c = append(*c, one) }, nil
}

// byName is an API whose callers say who they are, in the header or the body.
func byName(kit *httpkit.Kit) http.Handler {
	find := func(name string) (provisioning.Caller, error) {
		if name == "" || name == "mallory" {
			return provisioning.Caller{}, provisioning.Errorf(provisioning.Unauthenticated, "who?")
		}
		user, tenant, _ := strings.Cut(name, "@")
		return provisioning.Caller{Name: user, Tenant: record.TenantID("t" + tenant), Role: record.RoleView}, nil
	}
	kit.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	kit = kit.WithAuthentication(func(r *http.Request) (provisioning.Caller, error) { return find(string(httpkit.Bearer(r))) })
	tell := func(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
		return httpkit.WriteJSON(w, 200, c.Name+r.Header.Get("Authorization"))
	}
	routes := []httpkit.Route{
		{Method: "GET", Path: "/header", Serve: tell},
		{Method: "POST", Path: "/body", Open: true, Serve: func(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
			if c != (provisioning.Caller{}) {
				return fmt.Errorf("an open route is called by %+v", c)
			}
			var name string
			if err := (httpkit.JSON{AnyType: true}).Read(w, r, &name); err != nil {
				return err
			}
			c, err := kit.Admit(r, func(*http.Request) (provisioning.Caller, error) { return find(name) })
			if err != nil {
				return err
			}
			return tell(w, r, c)
		}},
		{Method: "POST", Path: "/large", MaxBody: 3 << 20, Serve: func(w http.ResponseWriter, r *http.Request, _ provisioning.Caller) error {
			var text string
			if err := (httpkit.JSON{Max: 3 << 20}).Read(w, r, &text); err != nil {
				return err
			}
			return httpkit.WriteJSON(w, 200, len(text))
		}},
		{Method: "GET", Path: "/own", Serve: tell, Errors: func(w http.ResponseWriter, _ *http.Request, err error) {
			_ = httpkit.WriteJSON(w, 299, provisioning.KindOf(err).String())
		}},
	}
	statuses := httpkit.StatusTable{
		provisioning.Unauthenticated: 401, provisioning.RateLimited: 429, provisioning.BadInput: 400, provisioning.TooLarge: 413, provisioning.Busy: 503,
	}
	return kit.Wrap(kit.Router(routes, httpkit.Problems(statuses)))
}

// from asks as somebody at an address.
func from(ctx context.Context, h http.Handler, address, name, body string) *httptest.ResponseRecorder {
	method, path := "GET", "/header"
	if body != "" {
		method, path = "POST", "/body"
	}
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.RemoteAddr = address
	r.Header.Set("Authorization", name)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestOwnAuthentication finds callers in a dialect's own way, in the header and in
// the body, and records them.
func TestOwnAuthentication(t *testing.T) {
	var recorded calls
	h := byName(&httpkit.Kit{Audit: &recorded})
	for _, c := range []struct {
		name, body, want string
		status           int
	}{
		{"ann", "", `"ann"`, 200}, {"Bearer ann", "", `"ann"`, 200}, {"mallory", "", "", 401}, {"", "", "", 401},
		{"", `"bob"`, `"bob"`, 200}, {"", `"mallory"`, "", 401}, {"ann", `"bob"`, `"bobann"`, 200}, {"", `{`, "", 400},
	} {
		w := from(t.Context(), h, "192.0.2.1:1", c.name, c.body)
		if w.Code != c.status || c.want != "" && strings.TrimSpace(w.Body.String()) != c.want {
			t.Errorf("%q %q: %d %s", c.name, c.body, w.Code, w.Body)
		}
		last := recorded[len(recorded)-1]
		if (last.Caller.Name == "") != (c.status != 200) || last.Status != c.status {
			t.Errorf("%q %q is recorded as %+v", c.name, c.body, last)
		}
	}
}

func TestOwnErrorsOfARoute(t *testing.T) {
	h := byName(&httpkit.Kit{})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/own", nil))
	if w.Code != 299 || strings.TrimSpace(w.Body.String()) != `"not authenticated"` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestLargeBodies(t *testing.T) {
	h := byName(&httpkit.Kit{})
	for size, status := range map[int]int{2 << 20: 200, 3<<20 - 2: 200, 3<<20 - 1: 413, 20 << 20: 413} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/large", io.NopCloser(strings.NewReader(`"`+strings.Repeat("x", size)+`"`)))
		r.ContentLength = -1 // no warning ahead
		r.Header.Set("Authorization", "ann")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%d bytes: %d %.80s", size, w.Code, w.Body)
		}
	}
}

// TestLimits counts callers, tenants and addresses, with a clock of its own.
func TestLimits(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	limits := httpkit.NewLimits(httpkit.Rates{
		Credential: httpkit.Rate{PerSecond: 1, Burst: 3}, Tenant: httpkit.Rate{PerSecond: 1, Burst: 4}, Failed: httpkit.Rate{PerSecond: 0.1, Burst: 2},
	}, func() time.Time { return now })
	h := byName(&httpkit.Kit{Limits: limits})
	try := func(address, name string, want int, retry string) {
		t.Helper()
		if w := from(t.Context(), h, address, name, ""); w.Code != want || w.Header().Get("Retry-After") != retry {
			t.Errorf("%q from %s: %d, retry after %q; want %d, %q", name, address, w.Code, w.Header().Get("Retry-After"), want, retry)
		}
	}
	const here, there = "192.0.2.1:1", "192.0.2.2:1"
	for range 3 {
		try(here, "ann@1", 200, "")
	}
	try(here, "ann@1", 429, "1")
	try(there, "ann@1", 429, "1") // the credential counts, not where it is used
	try(here, "bob@1", 200, "")
	try(here, "bob@1", 429, "1") // the tenant has had four
	try(here, "bob@2", 200, "")
	now = now.Add(time.Second)
	try(here, "ann@1", 200, "")

	try(here, "mallory", 401, "")
	try("192.0.2.1:2", "", 401, "")
	try(here, "mallory", 429, "10")
	try(here, "cyn@3", 200, "") // a good credential is served all the same
	try(there, "mallory", 401, "")
	try("[2001:db8::1]:1", "mallory", 401, "")
	try("[2001:db8::2%eth0]:1", "mallory", 401, "")
	try("[2001:db8::3:4]:1", "mallory", 429, "10") // the same network of 64 bits
	try("[2001:db8:0:1::1]:1", "mallory", 401, "")
	try("[::ffff:192.0.2.1]:1", "mallory", 429, "10") // the first address in other clothes
	now = now.Add(10 * time.Second)
	try(here, "mallory", 401, "")
	if w := from(t.Context(), h, here, "", `"mallory"`); w.Code != 429 {
		t.Errorf("an open route does not count: %d", w.Code)
	}
}

// Other rates apply to the next request, and what was counted stays counted.
func TestSetLimits(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	limits := httpkit.NewLimits(httpkit.Rates{Credential: httpkit.Rate{PerSecond: 1, Burst: 2}}, func() time.Time { return now })
	h := byName(&httpkit.Kit{Limits: limits})
	try := func(want ...int) {
		t.Helper()
		for _, code := range want {
			require.Equal(t, code, from(t.Context(), h, "192.0.2.1:1", "ann@1", "").Code)
		}
	}
	try(200, 200, 429)
	limits.Set(httpkit.Rates{Credential: httpkit.Rate{PerSecond: 1, Burst: 2}})
	try(429)
	limits.Set(httpkit.Rates{Credential: httpkit.Rate{PerSecond: 100, Burst: 200}})
	now = now.Add(20 * time.Millisecond)
	try(200, 200, 429)
	limits.Set(httpkit.Rates{})
	try(200, 200, 200)
	limits.Set(httpkit.Rates{Credential: httpkit.Rate{PerSecond: 0.5, Burst: 1}})
	now = now.Add(time.Minute)
	try(200, 429)
	limits.Set(httpkit.Rates{Tenant: httpkit.Rate{PerSecond: 1, Burst: 1}})
	try(200, 429)
}

func TestNoLimits(t *testing.T) {
	h := byName(&httpkit.Kit{Limits: httpkit.NewLimits(httpkit.Rates{}, nil)})
	for range 100 {
		if w := from(t.Context(), h, "192.0.2.1:1", "ann", ""); w.Code != 200 {
			t.Fatal(w.Code)
		}
	}
}

// TestLimitsAtOnce counts in many places, for more addresses than are kept.
func TestLimitsAtOnce(t *testing.T) {
	limits := httpkit.NewLimits(httpkit.Rates{Credential: httpkit.Rate{PerSecond: 1e-9, Burst: 100}, Failed: httpkit.Rate{PerSecond: 1e-9, Burst: 1}}, nil)
	h := byName(&httpkit.Kit{Limits: limits})
	var all sync.WaitGroup
	var mu sync.Mutex
	served := map[int]int{}
	for i := range 8 {
		all.Go(func() {
			for n := range 1500 {
				code := from(t.Context(), h, fmt.Sprintf("10.%d.%d.%d:1", i, n/250, n%250), "mallory", "").Code
				if n < 50 {
					code = from(t.Context(), h, "10.0.0.1:1", "ann", "").Code
				}
				mu.Lock()
				served[code]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if served[200] != 100 {
		t.Errorf("%v", served)
	}
}
