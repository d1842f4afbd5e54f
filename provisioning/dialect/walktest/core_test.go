package walktest

import (
	"time"

	p "vtoken/provisioning"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// coreActions are what happens beside the dialects: time, logins, users, and what
// callers without the right try.
var coreActions = []action{
	{"a clock", 3, func(w *walk, _ *token) *plan {
		return &plan{call: func() error {
			w.now = w.now.Add([]time.Duration{20 * time.Second, 45 * time.Second, 4 * time.Minute, time.Hour}[w.rng.IntN(4)])
			return nil
		}, want: done}
	}},
	{"wrong PINs", 4, func(w *walk, m *token) *plan {
		role := w.rng.IntN(2)
		if m == nil || m.pins[role] == "" {
			return nil
		}
		return &plan{call: func() error {
			m.tries[role] = w.rng.IntN(11)
			w.store.Tries(record.TokenID(m.id), pin.Role(role), m.tries[role]) // as the engine counts
			return nil
		}, want: done}
	}},
	{"a switch of a user", 1, func(w *walk, _ *token) *plan {
		u := w.users[w.logins[4]]
		on := !u.enabled
		return &plan{call: func() error {
			_, err := w.core.SetUserEnabled(w.t.Context(), w.admin, w.tenant, u.login, on)
			return err
		}, want: done, effect: func([]byte) { u.enabled = on }}
	}},
	{"a switch of the tenant", 1, func(w *walk, _ *token) *plan {
		on := !w.bindsNew
		return &plan{call: func() error {
			_, err := w.core.SetTenantPINBound(w.t.Context(), p.System("test"), w.tenant, on)
			return err
		}, want: done, effect: func([]byte) { w.bindsNew = on }}
	}},
	{"a download", 6, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		device := []string{"phone", "tablet"}[w.rng.IntN(2)]
		return &plan{
			op: p.OpTokenDownload, want: first(m.may(p.OpTokenDownload, w.now), unless(m.device == "" || m.device == device, p.Conflict)),
			call: func() error {
				_, err := w.core.Download(w.t.Context(), w.admin, p.TokenRef{ID: record.TokenID(m.id)}, device)
				return err
			},
			effect: func([]byte) { m.device = device },
		}
	}},
	{"a viewer's deletion", 2, func(w *walk, m *token) *plan {
		return refusal(m, p.OpTokenDelete, func(ref p.TokenRef) error {
			return w.core.DeleteToken(w.t.Context(), w.as(record.RoleView), ref)
		})
	}},
	{"an editor's deletion", 1, func(w *walk, m *token) *plan {
		return refusal(m, p.OpTokenDecease, func(ref p.TokenRef) error {
			_, err := w.core.Decease(w.t.Context(), w.as(record.RoleEdit), ref)
			return err
		})
	}},
	{"keys kept by who may not", 2, func(w *walk, m *token) *plan {
		return refusal(m, p.OpTokenKeep, func(ref p.TokenRef) error {
			_, err := w.core.Assign(w.t.Context(), w.as(record.RoleEdit), ref, p.Assign{User: "user1", KeepKeys: true})
			return err
		})
	}},
	{"somebody of another tenant", 1, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		other := p.Caller{Name: "other", Tenant: "00000000-0000-4000-8000-000000000001", Role: record.RoleAdmin}
		return &plan{op: p.OpTokenDelete, want: p.TokenNotFound, call: func() error {
			return w.core.DeleteToken(w.t.Context(), other, p.TokenRef{ID: record.TokenID(m.id)})
		}}
	}},
}

func (w *walk) as(role record.Role) p.Caller {
	return p.Caller{Name: string(role), Tenant: w.tenant, Role: role}
}

// refusal is something that the caller may not do.
func refusal(m *token, op p.Operation, call func(p.TokenRef) error) *plan {
	if m == nil {
		return nil
	}
	return &plan{op: op, want: p.Forbidden, call: func() error { return call(p.TokenRef{ID: record.TokenID(m.id)}) }}
}
