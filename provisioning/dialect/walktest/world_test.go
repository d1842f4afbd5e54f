package walktest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	p "vtoken/provisioning"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/httpkit"
	"vtoken/provisioning/provtest"
	"vtoken/vtoken/record"
)

// user is somebody who may hold tokens.
type user struct {
	login, id string
	enabled   bool
}

// walk is a core on a store in memory with all dialects on it, and the model.
type walk struct {
	t        *testing.T
	rng      *rand.Rand
	now      time.Time // of the core; the clock of sessions stands still
	store    *provtest.Store
	core     *p.Service
	handler  http.Handler
	tenant   record.TenantID
	admin    p.Caller
	role     record.Role // of the credentials
	dialects []*spoken
	users    map[string]*user
	logins   []string
	group    string
	tokens   []*token
	keys     keys
	made     int  // tokens so far
	bindsNew bool // new cards of the tenant are PIN-bound

	count int
	trail []string
	seen  map[p.Operation][2]int // how often done, and refused
	did   map[string]int
}

const url = "https://tokens.example"

func newWalk(t *testing.T, rng *rand.Rand) *walk {
	t.Helper()
	return newWalkAs(t, rng, record.RoleAdmin)
}

// newWalkAs is newWalk with credentials of a role.
func newWalkAs(t *testing.T, rng *rand.Rand, role record.Role) *walk {
	t.Helper()
	start := time.Now().UTC().Truncate(time.Second)
	w := &walk{
		t: t, rng: rng, now: start, store: provtest.New(), seen: map[p.Operation][2]int{}, did: map[string]int{},
		users: map[string]*user{}, role: role,
	}
	w.core = p.New(w.store, p.Options{Now: func() time.Time { return w.now }, Wait: func(_ context.Context, long time.Duration) error {
		w.t.Errorf("a call waits %v, though nobody tried anything just now", long)
		return nil
	}})
	system := p.System("test")
	tenant, err := w.core.TenantNamed(t.Context(), system, record.DefaultTenant)
	require.NoError(w.t, err)
	w.tenant = tenant.ID
	w.admin = p.Caller{Name: "admin", Tenant: w.tenant, Role: record.RoleAdmin}
	for i := range 5 {
		login := fmt.Sprintf("user%d", i)
		u, err := w.core.CreateUser(t.Context(), system, w.tenant, login)
		require.NoError(w.t, err)
		w.users[login] = &user{login, string(u.ID), true}
		w.logins = append(w.logins, login)
	}
	group, err := w.core.CreateGroup(t.Context(), system, w.tenant, "spare")
	require.NoError(w.t, err)
	w.group = string(group.ID)
	w.keys = newKeys(t)
	kit := &httpkit.Kit{Keys: w.core, URL: url, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return start }}
	mux := http.NewServeMux()
	for _, d := range dialects {
		d := d
		if d.make != nil {
			dialect.Mount(mux, d.make(w.core, kit.ForDialect(d.name)))
		}
		w.dialects = append(w.dialects, &d)
	}
	w.handler = kit.Wrap(httpkit.Exact(mux))
	for _, d := range w.dialects {
		if d.enter != nil {
			d.authorization = d.enter(w)
		}
	}
	return w
}

// credential makes a credential for a dialect.
func (w *walk) credential(dialect string, kind p.CredentialKind) (p.APIKey, string) {
	w.t.Helper()
	k, key, err := w.core.CreateAPIKey(w.t.Context(), p.System("test"), w.tenant, p.NewAPIKey{Name: "walk " + dialect, Kind: kind, Role: w.role, Dialect: dialect})
	require.NoError(w.t, err)
	return k, string(key)
}

// form is a body of one file.
type form struct {
	field  string
	file   []byte
	header map[string]string
}

// encoded is a body of the form of HTML.
type encoded string

// do makes a request, or the call of a plan, and returns how it was answered.
func (w *walk) do(d *spoken, pl *plan) (code int, answer []byte) {
	w.t.Helper()
	if pl.call != nil {
		if err := pl.call(); err != nil {
			return int(p.KindOf(err)), []byte(err.Error())
		}
		return int(done), nil
	}
	status, answer := w.ask(d.authorization, pl.method, pl.path, pl.body)
	return d.answered(status, answer), answer
}

// ask makes a request.
func (w *walk) ask(authorization, method, path string, body any) (status int, answer []byte) {
	w.t.Helper()
	r := httptest.NewRequest(method, url+path, nil)
	kind := "application/json"
	var text []byte
	switch b := body.(type) {
	case nil:
	case encoded:
		text, kind = []byte(b), "application/x-www-form-urlencoded"
	case form:
		var buf bytes.Buffer
		f := multipart.NewWriter(&buf)
		part, err := f.CreateFormFile(b.field, "file")
		require.NoError(w.t, err)
		_, _ = part.Write(b.file)
		require.NoError(w.t, f.Close())
		text, kind = buf.Bytes(), f.FormDataContentType()
		for name, value := range b.header {
			r.Header.Set(name, value)
		}
	default:
		var err error
		text, err = json.Marshal(body)
		require.NoError(w.t, err)
	}
	if body != nil {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		r.Header.Set("Content-Type", kind)
	}
	r.Header.Set("Authorization", authorization)
	answers := httptest.NewRecorder()
	w.handler.ServeHTTP(answers, r)
	return answers.Code, answers.Body.Bytes()
}

// breathe lets so much time go by that the next PIN, code or password need not wait,
// however many wrong ones there were.
func (w *walk) breathe() { w.now = w.now.Add(2 * time.Second) }

// anybody is one of the users.
func (w *walk) anybody() *user { return w.users[w.logins[w.rng.IntN(len(w.logins))]] }

// holderOr is most often one of the holders, else anybody.
func (w *walk) holderOr(m *token) *user {
	if m.held() && w.rng.IntN(8) > 0 {
		return w.users[m.holders[w.rng.IntN(len(m.holders))].login]
	}
	return w.anybody()
}

func (w *walk) coin(n int) bool { return w.rng.IntN(n) == 0 }

func (w *walk) label() string { return fmt.Sprintf("label %d", w.rng.IntN(1000)) }

func (w *walk) drop(m *token) func([]byte) {
	return func([]byte) {
		for i := range w.tokens {
			if w.tokens[i] == m {
				w.tokens = append(w.tokens[:i], w.tokens[i+1:]...)
				return
			}
		}
	}
}

// room reports whether there may be one more token. Now and then there are few.
func (w *walk) room() bool { return len(w.tokens) < mostTokens }

// add takes a new token into the model: what the store chose for it is read.
func (w *walk) add(id string, m token) {
	w.t.Helper()
	got, err := w.core.Token(w.t.Context(), w.admin, p.TokenRef{ID: record.TokenID(id)})
	if err != nil {
		w.t.Errorf("the new token: %v", err)
		return
	}
	m.id, m.enabled = id, true
	if m.serial == "" {
		m.serial = got.Serial
	}
	if m.label == "" {
		m.label = m.serial
	}
	if m.maxRSA == 0 {
		m.maxRSA = 8192
	}
	m.policy, m.enrolled = got.Policy, m.otp && m.active()
	m.bound = m.bound || w.bindsNew && !m.otp
	if m.otp {
		set, err := w.store.OpenSecret(got.ID, objectID(got), nil)
		require.NoError(w.t, err)
		m.seed = bytes.Clone(set.Get(ckaValue))
	}
	w.tokens = append(w.tokens, &m)
	w.compare(w.tokens[len(w.tokens)-1])
}

// holds is the one holder of a new token.
func holds(login string) []holder { return []holder{{login: login}} }
