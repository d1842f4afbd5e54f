package walktest

import (
	"fmt"
	neturl "net/url"

	p "vtoken/provisioning"
)

func (w *walk) idprime(version string, u *user) string {
	return fmt.Sprintf("/IDPrimeVirtual/Provisioning/%s/Tenants/%s/Users/%s/Tokens", version, w.tenant, u.login)
}

// idprimeOn is a plan on a token under the name of a user, who has to hold it. own
// is what else the model asks.
func idprimeOn(w *walk, m *token, op p.Operation, method, path string, body any, effect func(u *user)) *plan {
	u := w.holderOr(m)
	return &plan{
		op: op, method: method, path: w.idprime("V2.0", u) + "/" + m.id + path, body: body,
		want:   first(unless(m.part(u.login) != nil, p.TokenNotFound), m.may(op, w.now)),
		effect: func([]byte) { effect(u) },
	}
}

func idprimePIN(w *walk, m *token, role int, name, text string) *plan {
	pl := idprimeOn(w, m, p.OpTokenResetPIN, "POST", "/Role/"+name+"/ResetPin", text, func(*user) { m.reset("idprime", w.now, role, text) })
	return pl.also(m.mayReset("idprime", w.now))
}

var idprimeActions = []action{
	{"create", 12, func(w *walk, _ *token) *plan {
		if !w.room() {
			return nil
		}
		u, version, bits := w.anybody(), "V2.0", 4096
		if w.coin(3) {
			version, bits = "V1.0", 2048
		}
		return &plan{
			op: p.OpTokenCreate, method: "POST", path: w.idprime(version, u), want: unless(u.enabled, p.WrongState),
			effect: func(answer []byte) {
				w.add(decode[string](w, answer), token{holders: holds(u.login), maxRSA: bits, product: "/"})
			},
		}
	}},
	{"label", 6, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		label := w.label()
		return idprimeOn(w, m, p.OpTokenLabel, "PUT", "/Label/"+neturl.PathEscape(label), nil, func(*user) { m.label = label })
	}},
	{"user PIN", 8, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		return idprimePIN(w, m, 0, "User", fmt.Sprintf("pin %06d", w.rng.IntN(1e6)))
	}},
	{"admin PIN", 6, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		return idprimePIN(w, m, 1, "Admin", fmt.Sprintf("%048x", w.rng.Uint64()))
	}},
	{"complete", 4, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		return idprimeOn(w, m, p.OpTokenComplete, "PUT", "/Complete", nil, func(*user) { m.finished() })
	}},
	{"PFX", 3, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		pl := idprimeOn(w, m, p.OpTokenImport, "POST", "/Certificate",
			form{"pfxCertificate", w.keys.pfx, map[string]string{"X-IDPrimeVirtual-CertificatePassword": password}}, func(*user) { m.pfx = true })
		pl.want = first(pl.want, unless(!m.pfx, p.Conflict))
		return pl
	}},
	{"certificate of a request", 2, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		u := w.holderOr(m)
		id := w.pending(u.id)
		path := fmt.Sprintf("%s/%s/Keys/%s/Certificate", w.idprime("V2.0", u), m.id, id)
		return &plan{
			op: p.OpTokenCertificate, method: "PUT", path: path, body: form{"signedCertificate", w.keys.certificate, nil},
			want:    first(unless(m.part(u.login) != nil, p.TokenNotFound), m.may(p.OpTokenCertificate, w.now), unless(!m.csr, p.Conflict)),
			effect:  func([]byte) { m.csr = true },
			cleanup: func() { w.forget(id) },
		}
	}},
	{"delete", 3, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		pl := idprimeOn(w, m, p.OpTokenDelete, "DELETE", "", nil, nil)
		pl.effect = w.drop(m)
		return pl
	}},
}

// idprimeProject looks for the token in the list of each user: a token is in those
// of its holders and in no other.
func idprimeProject(w *walk, d *spoken, m *token) {
	w.t.Helper()
	u := w.holderOr(m)
	status, answer := w.ask(d.authorization, "GET", w.idprime("V2.0", u), nil)
	if status != 200 {
		w.t.Errorf("idprime lists with %d: %s", status, answer)
		return
	}
	type row struct {
		TokenID, Label, Status string
		MaxRSAKeySize          int
	}
	found := false
	for _, r := range decode[[]row](w, answer) {
		if r.TokenID != m.id {
			continue
		}
		found = true
		want := row{m.id, m.label, "Open", m.maxRSA}
		switch {
		case !m.enabled || m.deceased:
			want.Status = "Disabled"
		case m.complete:
			want.Status = "Complete"
		}
		if r != want {
			w.t.Errorf("idprime has %+v, want %+v", r, want)
		}
	}
	if found != (m.part(u.login) != nil) {
		w.t.Errorf("idprime lists token %s of %s: %v: %s", m.id, u.login, found, w.tell(m))
	}
}
