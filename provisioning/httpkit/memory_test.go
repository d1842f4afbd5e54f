package httpkit_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/httpkit"
)

// memory has so much for each owner.
type memory struct {
	mu   sync.Mutex
	each int
	held map[string]int
	seen map[string]int // the most that an owner had
}

func (m *memory) Charge(owner string, n int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[owner]+n > m.each {
		return errors.New("too much")
	}
	m.held[owner] += n
	m.seen[owner] = max(m.seen[owner], m.held[owner])
	return nil
}

func (m *memory) Refund(owner string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[owner] -= n; m.held[owner] == 0 {
		delete(m.held, owner)
	}
}

// TestBodiesAreCharged to who sends them, before they are read, and given back.
func TestBodiesAreCharged(t *testing.T) {
	m := &memory{each: 4 << 20, held: map[string]int{}, seen: map[string]int{}}
	h := byName(&httpkit.Kit{Memory: m})
	send := func(name string, size int, known bool) *httptest.ResponseRecorder {
		var body io.Reader = strings.NewReader(`"` + strings.Repeat("x", size) + `"`)
		if !known {
			body = io.MultiReader(body)
		}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/large", body)
		r.RemoteAddr = "192.0.2.7:1"
		r.Header.Set("Authorization", name)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Empty(t, m.held)
		return w
	}
	const mib = 1 << 20
	for _, known := range []bool{true, false} {
		require.Equal(t, 200, send("ann@1", mib, known).Code)
		w := send("ann@1", 5*mib/2, known)
		require.Equal(t, http.StatusServiceUnavailable, w.Code, w.Body)
		require.NotEmpty(t, w.Header().Get("Retry-After"))
		require.Contains(t, w.Body.String(), `"busy"`)
	}
	require.Equal(t, 401, send("mallory", mib, true).Code)
	require.LessOrEqual(t, m.seen["credential t1/ann"], 4*mib)
	require.Len(t, m.seen, 1, "a body of somebody unknown was read")

	// One that still sends keeps what it has announced, and only for itself.
	body, feed := io.Pipe()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/large", body)
	r.ContentLength = 3 * mib / 2
	r.Header.Set("Authorization", "ann@1")
	var slow sync.WaitGroup
	slow.Go(func() { h.ServeHTTP(httptest.NewRecorder(), r) })
	_, err := feed.Write([]byte(`"x`))
	require.NoError(t, err)
	busy := httptest.NewRequestWithContext(t.Context(), "POST", "/large", strings.NewReader(`"`+strings.Repeat("x", mib)+`"`))
	for name, want := range map[string]int{"ann@1": http.StatusServiceUnavailable, "ann@2": 200, "bob@1": 200} {
		r := busy.Clone(t.Context())
		r.Body = io.NopCloser(strings.NewReader(`"` + strings.Repeat("x", mib) + `"`))
		r.Header.Set("Authorization", name)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, name)
	}
	feed.Close()
	slow.Wait()
	require.Empty(t, m.held)
	// Nobody who is known yet is counted by the address.
	require.Equal(t, 200, from(t.Context(), h, "192.0.2.9:1", "", `"bob"`).Code)
	require.Positive(t, m.seen["address 192.0.2.9"])
}
