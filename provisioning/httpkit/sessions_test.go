package httpkit_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync"
	"testing"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// revocable are credentials that can be revoked, by name.
type revocable struct{ gone sync.Map }

func (r *revocable) Reauthenticate(_ context.Context, c provisioning.Credential) (provisioning.Credential, error) {
	if _, gone := r.gone.Load(c.Caller.Name); gone {
		return provisioning.Credential{}, provisioning.Errorf(provisioning.Unauthenticated, "revoked")
	}
	return c, nil
}

func credentialOf(name string) provisioning.Credential {
	return provisioning.Credential{Caller: provisioning.Caller{Name: name, Tenant: "t", Role: record.RoleAdmin}}
}

func wantKind(t *testing.T, err error, kind provisioning.Kind) {
	t.Helper()
	if err == nil || provisioning.KindOf(err) != kind {
		t.Errorf("%v, want %v", err, kind)
	}
}

func TestSessions(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	known := &revocable{}
	s := httpkit.NewSessions(known, 15*time.Minute, func() time.Time { return now })
	token, begins, ends := s.Begin(credentialOf("a"), record.MayView|record.MayAdd|record.MaySystem)
	if raw, err := base64.RawURLEncoding.DecodeString(string(token)); err != nil || len(raw) != 32 {
		t.Errorf("the token is not 256 bits (%v)", err)
	}
	if !begins.Equal(now) || !ends.Equal(now.Add(15*time.Minute)) {
		t.Errorf("from %v to %v", begins, ends)
	}
	c, err := s.Caller(t.Context(), token)
	if err != nil || c != (provisioning.Caller{Name: "a", Tenant: "t", Role: "view+add"}) {
		t.Errorf("%+v (%v)", c, err)
	}
	other, _, _ := s.Begin(credentialOf("a"), record.MayView)
	s.End(other)
	for _, bad := range []secret.Bytes{nil, secret.Bytes("x"), other, append(token[:len(token):len(token)], 'x'), make(secret.Bytes, 1<<20)} {
		_, err := s.Caller(t.Context(), bad)
		wantKind(t, err, provisioning.Unauthenticated)
	}
	now = ends.Add(-time.Second)
	if _, err := s.Caller(t.Context(), token); err != nil {
		t.Error(err)
	}
	now = ends
	_, err = s.Caller(t.Context(), token)
	wantKind(t, err, provisioning.Unauthenticated)
}

// TestSessionsEndWithTheirCredential: at once, and for good.
func TestSessionsEndWithTheirCredential(t *testing.T) {
	known := &revocable{}
	s := httpkit.NewSessions(known, time.Hour, nil)
	token, _, _ := s.Begin(credentialOf("a"), record.MayView)
	known.gone.Store("a", true)
	_, err := s.Caller(t.Context(), token)
	wantKind(t, err, provisioning.Unauthenticated)
	known.gone.Delete("a")
	_, err = s.Caller(t.Context(), token)
	wantKind(t, err, provisioning.Unauthenticated)
}

// TestSessionsAreBounded: of one credential the first ends for the next, and so it
// is for all together.
func TestSessionsAreBounded(t *testing.T) {
	s := httpkit.NewSessions(&revocable{}, time.Hour, nil)
	works := func(token secret.Bytes) bool {
		_, err := s.Caller(t.Context(), token)
		return err == nil
	}
	bystander, _, _ := s.Begin(credentialOf("bystander"), record.MayView)
	first, _, _ := s.Begin(credentialOf("a"), record.MayView)
	second, _, _ := s.Begin(credentialOf("a"), record.MayView)
	for range 63 {
		s.Begin(credentialOf("a"), record.MayView)
	}
	if works(first) || !works(second) || !works(bystander) {
		t.Errorf("first %v, second %v, another's %v", works(first), works(second), works(bystander))
	}
	for i := range 10_000 {
		s.Begin(credentialOf(fmt.Sprint("crowd ", i)), record.MayView)
	}
	if works(second) || works(bystander) {
		t.Error("there are more sessions than the bound")
	}
}

// TestSessionsAtOnce begins, uses and ends sessions in many places.
func TestSessionsAtOnce(t *testing.T) {
	known := &revocable{}
	s := httpkit.NewSessions(known, time.Hour, nil)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			name := fmt.Sprint(i % 4)
			for n := range 300 {
				token, _, _ := s.Begin(credentialOf(name), record.MayView)
				if c, err := s.Caller(t.Context(), token); err == nil && c.Name != name {
					t.Errorf("%q has the session of %q", name, c.Name)
				}
				if n%3 == 0 {
					s.End(token)
				}
				if n == 200 {
					known.gone.Store(name, true)
				}
			}
		})
	}
	all.Wait()
}
