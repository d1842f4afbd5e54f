package dualshield

import (
	"strings"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// createToken creates a token of a product and assigns it to the user, if one is named.
func (d *Dialect) createToken(in *call) (any, error) {
	if err := in.only("attrs", "return"); err != nil {
		return nil, err
	}
	a, err := in.attrs()
	if err != nil {
		return nil, err
	}
	known := append(userNames("user."), "product.id", "product.manufacturercode", "product.productcode", "pin", "serial", "description", "repository.id")
	if err := a.only(known...); err != nil {
		return nil, err
	}
	wanted, err := in.returns()
	if err != nil {
		return nil, err
	}
	n, err := d.newToken(in, a)
	defer n.UserPIN.Wipe()
	if err != nil {
		return nil, err
	}
	t, err := d.core.CreateToken(in.ctx, in.caller, n)
	if err != nil {
		return nil, err
	}
	httpkit.NoteToken(in.http, t.Tenant, t.ID)
	out, err := wanted.pick(tokenAttrs(t), collections(t))
	if err == nil {
		out["id"] = t.ID
	}
	return out, err
}

func (d *Dialect) newToken(in *call, a attrs) (provisioning.NewToken, error) {
	n := provisioning.NewToken{Tenant: in.caller.Tenant}
	p, err := productOf(a)
	if err != nil {
		return n, err
	}
	n.Product = record.Product{Manufacturer: p.manufacturer, Model: p.code, Hardware: p.hardware}
	n.Kind = record.KindCard
	if !p.card {
		otp := p.otp
		n.Kind, n.OTP = record.KindOTP, &otp
	}
	if p.hardware {
		n.Activation = record.Activated
	}
	u, named, err := d.user(in.ctx, in.caller, a, "user.")
	if err != nil {
		return n, err
	}
	n.User, n.Unassigned = string(u.ID), !named
	for name, to := range map[string]*string{"serial": &n.Serial, "description": &n.Label, "repository.id": &n.Product.Repository} {
		if *to, err = a.text(name); err != nil {
			return n, err
		}
	}
	code, err := a.digits("pin")
	if code != "" {
		n.UserPIN = secret.Bytes(code)
	}
	return n, err
}

// productOf finds the product that attributes name, by its id or its codes.
func productOf(a attrs) (product, error) {
	id, err := a.text("product.id")
	if err != nil {
		return product{}, err
	}
	if id == "" {
		manufacturer, err := a.need("product.manufacturercode")
		if err != nil {
			return product{}, err
		}
		code, err := a.need("product.productcode")
		if err != nil {
			return product{}, err
		}
		id = manufacturer + "/" + code
	}
	for _, p := range products {
		if p.id() == id {
			return p, nil
		}
	}
	return product{}, provisioning.Errorf(provisioning.BadInput, "there is no product %.40q; the products are %s",
		id, strings.Join(productIDs(), ", "))
}

func productIDs() []string {
	var ids []string
	for _, p := range products {
		ids = append(ids, p.id())
	}
	return ids
}

// getToken returns the one token that matches.
func (d *Dialect) getToken(in *call) (any, error) {
	if err := in.only("match", "return"); err != nil {
		return nil, err
	}
	page, wanted, err := d.find(in, "", provisioning.TokenSearch{Limit: 2})
	if err != nil {
		return nil, err
	}
	switch len(page.Tokens) {
	case 0:
		return nil, provisioning.Errorf(provisioning.TokenNotFound, "token not found")
	case 1:
		t := page.Tokens[0]
		return wanted.pick(tokenAttrs(t), collections(t))
	}
	return nil, provisioning.Errorf(provisioning.Conflict, "several tokens match; match by id or serial, or search")
}

// find runs the search of a call. Names of token attributes begin with prefix.
func (d *Dialect) find(in *call, prefix string, q provisioning.TokenSearch) (provisioning.TokenPage, returns, error) {
	wanted, err := in.returns()
	if err != nil {
		return provisioning.TokenPage{}, wanted, err
	}
	match, err := in.match()
	if err != nil {
		return provisioning.TokenPage{}, wanted, err
	}
	q.Tenant = in.caller.Tenant
	if q.Where, err = d.criteria(in.ctx, in.caller, match, prefix); err != nil {
		return provisioning.TokenPage{}, wanted, err
	}
	page, err := d.core.SearchTokens(in.ctx, in.caller, q)
	return page, wanted, err
}

// searchTokens returns the tokens that match, sorted.
func (d *Dialect) searchTokens(in *call) (any, error) {
	if err := in.only("match", "return", "sort", "order", "max", "offset"); err != nil {
		return nil, err
	}
	ordered, err := in.paging()
	if err != nil {
		return nil, err
	}
	q, err := ordered.tokens()
	if err != nil {
		return nil, err
	}
	page, wanted, err := d.find(in, "", q)
	if err != nil {
		return nil, err
	}
	rows := []map[string]any{}
	for _, t := range page.Tokens {
		row, err := wanted.pick(tokenAttrs(t), collections(t))
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return map[string]any{"total": page.Total, "rows": rows}, nil
}

// setToken changes the status and the description of a token, all that is named or
// nothing. An empty description removes it.
func (d *Dialect) setToken(in *call) (any, error) {
	if err := in.only("id", "attrs"); err != nil {
		return nil, err
	}
	ref, err := d.token(in.caller, in.some("id"), "")
	if err != nil {
		return nil, err
	}
	a, err := in.attrs()
	if err != nil {
		return nil, err
	}
	change, err := tokenChange(a)
	if err != nil {
		return nil, err
	}
	_, err = d.core.ChangeToken(in.ctx, in.caller, ref, change)
	return nil, err
}

func tokenChange(a attrs) (change provisioning.TokenChange, err error) {
	if err = a.only("status", "description"); err != nil {
		return change, err
	}
	if _, found := a["description"]; found {
		label, err := a.text("description")
		if err != nil {
			return change, err
		}
		change.Label = &label
	}
	if _, found := a["status"]; !found {
		return change, nil
	}
	state, err := a.text("status")
	enabled := state == statusActive
	switch {
	case err != nil:
	case enabled || state == statusDisabled:
		change.Enabled = &enabled
	case state == statusDeceased:
		change.Deceased = true
	default:
		err = provisioning.Errorf(provisioning.BadInput, "a token's status is ACTIVE, DISABLED or DECEASED, not %.40q",
			state)
	}
	return change, err
}

// deleteToken deletes a token, or unassigns it from the user, if one is named.
func (d *Dialect) deleteToken(in *call) (any, error) {
	if err := in.only("id", "user"); err != nil {
		return nil, err
	}
	a, err := in.parts()
	if err != nil {
		return nil, err
	}
	if err := a.only(append(userNames("user."), "id", "user")...); err != nil {
		return nil, err
	}
	ref, err := d.token(in.caller, in.some("id"), "")
	if err != nil {
		return nil, err
	}
	u, named, err := d.user(in.ctx, in.caller, a, "user.")
	switch {
	case err != nil:
		return nil, err
	case named:
		_, err = d.core.Unassign(in.ctx, in.caller, ref, string(u.ID))
		return nil, err
	case in.has("user"):
		return nil, provisioning.Errorf(provisioning.BadInput,
			"the user is not named; give id, or domain.name and loginName")
	}
	return nil, d.core.DeleteToken(in.ctx, in.caller, ref)
}

// resetToken resets the counter of a token.
func (d *Dialect) resetToken(in *call) (any, error) {
	ref, a, err := d.named(in, "attrs.counter")
	if err != nil {
		return nil, err
	}
	var counter *uint64
	if n, err := a.number("attrs.counter"); err != nil {
		return nil, err
	} else if n != nil {
		c := uint64(*n)
		counter = &c
	}
	_, err = d.core.ResetOTP(in.ctx, in.caller, ref, counter)
	return nil, err
}

// confine closes the download of a token, or opens it. A released token forgets the
// device that it was downloaded to.
func (d *Dialect) confine(confined bool) method {
	return func(in *call) (any, error) {
		ref, _, err := d.named(in)
		if err != nil {
			return nil, err
		}
		_, err = d.core.SetConfined(in.ctx, in.caller, ref, confined)
		return nil, err
	}
}

// named returns the token that a call names by token.serial or token.id, and its other
// attributes.
func (d *Dialect) named(in *call, others ...string) (provisioning.TokenRef, attrs, error) {
	a, err := in.parts()
	if err != nil {
		return provisioning.TokenRef{}, nil, err
	}
	if err := a.only(append(others, "token.serial", "token.id")...); err != nil {
		return provisioning.TokenRef{}, nil, err
	}
	ref, err := d.token(in.caller, a, "token.")
	return ref, a, err
}

// syncToken synchronises a token by two consecutive passwords.
func (d *Dialect) syncToken(in *call) (any, error) {
	ref, a, err := d.named(in, append(userNames("user."), "credential")...)
	if err != nil {
		return nil, err
	}
	u, named, err := d.user(in.ctx, in.caller, a, "user.")
	if err != nil {
		return nil, err
	}
	if named {
		ref.User = string(u.ID)
	}
	both, err := a.need("credential")
	if err != nil {
		return nil, err
	}
	first, second, ok := strings.Cut(both, ",")
	if !ok {
		return nil, provisioning.Errorf(provisioning.BadInput,
			"credential is two one-time passwords with a comma between them")
	}
	_, err = d.core.SyncOTP(in.ctx, in.caller, ref, provisioning.TextCode(strings.TrimSpace(first)), provisioning.TextCode(strings.TrimSpace(second)))
	return nil, err
}

// downloadURL returns the seed of a soft token, once, as a link for authenticator apps.
func (d *Dialect) downloadURL(in *call) (any, error) {
	ref, _, err := d.named(in)
	if err != nil {
		return nil, err
	}
	return d.enrolURL(in, ref)
}

// link is a link with a secret in it.
type link struct {
	ID  string      `json:"id,omitempty"`
	URL secret.Text `json:"url"`
}

func (d *Dialect) enrolURL(in *call, ref provisioning.TokenRef) (link, error) {
	e, err := d.core.EnrolOTP(in.ctx, in.caller, ref, provisioning.Enrolment{})
	e.Seed.Wipe()
	return link{URL: secret.Text(e.URI)}, err
}

// retrieveCredential is named in an older revision of the vendor's document, which does
// not say what it does.
func (d *Dialect) retrieveCredential(in *call) (any, error) {
	ref, _, err := d.named(in)
	if err != nil {
		return nil, err
	}
	if _, err := d.core.Token(in.ctx, in.caller, ref); err != nil {
		return nil, err
	}
	return nil, provisioning.Errorf(provisioning.NotSupported,
		"credentials do not leave the server; use token/getDownloadUrl while the token is new, or tokenAssignment/set for a PIN")
}
