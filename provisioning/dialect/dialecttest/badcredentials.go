package dialecttest

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// foreign is a tenant that nobody of the default tenant may learn about.
type foreign struct {
	tenant record.TenantID
	user   record.User
	token  provisioning.Token
}

func newForeign(t testing.TB, s *Server) foreign {
	t.Helper()
	ctx, system := t.Context(), provisioning.System("test")
	tenant, err := s.Core.CreateTenant(ctx, system, "foreign tenant")
	require.NoError(t, err)
	token, err := s.Core.CreateToken(ctx, system, provisioning.NewToken{Tenant: tenant.ID, User: "foreign.user", CreateUser: true})
	require.NoError(t, err)
	user, err := s.Core.User(ctx, system, tenant.ID, "foreign.user")
	require.NoError(t, err)
	return foreign{tenant.ID, user, token}
}

// remove deletes the tenant and the keys that were made for bad requests, so that lists
// in the good request do not contain them.
func (f *foreign) remove(t testing.TB, s *Server) {
	t.Helper()
	err := s.Store.Update(func(tx provisioning.Tx) error {
		for _, name := range []string{keyView, keyExpired} {
			if err := tx.DeleteAPIKey(s.Tenant, name); err != nil && !errors.Is(err, record.ErrNotFound) {
				return err
			}
		}
		return tx.DeleteTenant(f.tenant)
	})
	require.NoError(t, err)
}

// Names of the keys that are made for bad requests.
const (
	keyView    = "bad view"
	keyExpired = "bad expired"
	keyForeign = "bad foreign"
)

// things returns what parameters and fields with common names refer to, in lower case.
func things(name string) string {
	switch strings.ToLower(name) {
	case "tenantid":
		return "tenant"
	case "userid":
		return "user"
	case "tokenid":
		return "token"
	case "serial", "sernum", "serialnumber", "tokenserialnumber":
		return "serial"
	}
	return ""
}

// of returns values for a kind of thing: an unknown one, which names nothing, and a
// foreign one, which names something of another tenant.
func (f *foreign) of(thing string) (unknown, foreign string) {
	switch thing {
	case "tenant":
		return "11111111-2222-4333-8444-555555555555", string(f.tenant)
	case "user":
		return "nobody.of.this.name", f.user.Login
	case "token":
		return "11111111-2222-4333-8444-555555555555", string(f.token.ID)
	case "serial":
		return "0000000000000001", f.token.Serial
	}
	return "", ""
}

// strangers returns things that do not exist, and things of another tenant, which must be
// answered alike.
func (b *bad) strangers(c Class, name, good string, with func(string) message) []badCase {
	thing, ok := b.o.Things[name]
	if !ok {
		thing = things(name)
	}
	unknown, foreign := b.foreign.of(thing)
	if unknown == "" || good == "" {
		return nil
	}
	first := badCase{class: c, name: "unknown " + name, send: with(unknown)}
	return []badCase{first, {class: c, name: "foreign " + name, send: with(foreign), twin: &first, value: foreign, other: unknown}}
}

// credentials returns the request without a good credential.
func (b *bad) credentials(op *operation, m message) []badCase {
	if op.open {
		return nil
	}
	all := b.o.Credentials
	if all == nil {
		all = badKeys
	}
	reads := m.method == http.MethodGet && !slices.Contains(b.o.Manages, op.id) || slices.Contains(b.o.Reads, op.id)
	var list []badCase
	for _, c := range all(b.server) {
		if !c.Writes || !reads {
			list = append(list, badCase{class: Credential, name: c.Name, send: m, spoil: c.Spoil})
		}
	}
	return list
}

// badKeys returns invalid or insufficient API keys in Authorization.
func badKeys(s *Server) []BadCredential {
	set := func(name, value string) BadCredential {
		return BadCredential{Name: name, Spoil: func(r *http.Request) { r.Header.Set("Authorization", value) }}
	}
	view := set("only viewing", s.keyOnce(keyView, s.Tenant, record.RoleView, time.Time{}))
	view.Writes = true
	return []BadCredential{
		{Name: "none", Spoil: func(r *http.Request) { r.Header.Del("Authorization") }},
		set("empty", ""), set("empty bearer", "Bearer "), set("wrong", provisioning.APIKeyPrefix+"wrong"), set("basic", "Basic eDp5"),
		set("over-long", provisioning.APIKeyPrefix+strings.Repeat("x", 10_000)),
		set("expired", s.keyOnce(keyExpired, s.Tenant, record.RoleAdmin, time.Now().Add(-time.Second))),
		set("foreign", s.keyOnce(keyForeign, s.foreignTenant(), record.RoleAdmin, time.Time{})),
		set("unknown", provisioning.APIKeyPrefix+strings.Repeat("r", 43)),
		view,
	}
}

// foreignTenant returns the tenant of newForeign.
func (s *Server) foreignTenant() record.TenantID {
	s.t.Helper()
	tenant, err := s.Core.TenantNamed(s.t.Context(), provisioning.System("test"), "foreign tenant")
	require.NoError(s.t, err)
	return tenant.ID
}

// keyOnce returns an API key of that name, made on first use.
func (s *Server) keyOnce(name string, tenant record.TenantID, role record.Role, expires time.Time) string {
	s.t.Helper()
	key := secret.Bytes(provisioning.APIKeyPrefix + strings.ReplaceAll(name, " ", "-") + string(tenant))
	err := s.Store.Update(func(tx provisioning.Tx) error {
		if _, err := tx.APIKeyByHash(s.Store.HashAPIKey(key)); err == nil {
			return nil
		}
		return tx.PutAPIKey(&record.APIKey{Tenant: tenant, Name: name, Role: role, Hash: s.Store.HashAPIKey(key), CreatedAt: time.Now(), ExpiresAt: expires})
	})
	require.NoError(s.t, err)
	return string(key)
}
