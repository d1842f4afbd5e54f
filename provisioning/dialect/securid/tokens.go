package securid

import (
	"cmp"
	"net/http"
	"slices"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// The states of a token, and those of its switch.
const (
	stateUnassigned = "Unassigned"
	statePending    = "Activation Pending"
	stateActivated  = "Activated"
	statusEnabled   = "Enabled"
	statusDisabled  = "Disabled"
)

// The maximal lengths of strings, in characters.
const (
	maxSerial = 36
	maxName   = 255
)

func stateOf(t provisioning.Token) string {
	switch {
	case len(t.Holders) == 0:
		return stateUnassigned
	case t.Activation == record.Activated:
		return stateActivated
	}
	return statePending
}

func statusOf(t provisioning.Token) string {
	if t.Enabled && !t.Deceased {
		return statusEnabled
	}
	return statusDisabled
}

// named returns the token with a serial number, in the caller's tenant.
func named(c provisioning.Caller, serial string) (provisioning.TokenRef, error) {
	if serial == "" || len(serial) > maxSerial {
		return provisioning.TokenRef{}, provisioning.Errorf(provisioning.BadInput,
			"tokenSerialNumber has 1 to %d characters", maxSerial)
	}
	return provisioning.TokenRef{Tenant: c.Tenant, Serial: serial}, nil
}

// userOf returns the user in the path.
func (d *Dialect) userOf(r *http.Request, c provisioning.Caller, op provisioning.Operation) (record.User, error) {
	if err := d.core.Allowed(c, op, c.Tenant); err != nil {
		return record.User{}, err
	}
	id, err := provisioning.ParseID[record.UserID]("user", r.PathValue("userId"))
	if err != nil {
		return record.User{}, err
	}
	u, err := d.core.User(r.Context(), c.WithView(), c.Tenant, string(id))
	if err == nil && u.ID != id {
		err = provisioning.Errorf(provisioning.UserNotFound, "there is no user of this id")
	}
	return u, err
}

// held returns the token with a serial number that the user in the path holds: WrongState
// if nobody holds it, TokenNotFound if another user does.
func (d *Dialect) held(
	r *http.Request, c provisioning.Caller, op provisioning.Operation, serial string,
) (provisioning.TokenRef, record.User, error) {
	u, err := d.userOf(r, c, op)
	if err != nil {
		return provisioning.TokenRef{}, u, err
	}
	ref, err := named(c, serial)
	if err != nil {
		return ref, u, err
	}
	t, err := d.core.Token(r.Context(), c.WithView(), ref)
	switch {
	case err != nil:
	case len(t.Holders) == 0:
		err = provisioning.Errorf(provisioning.WrongState, "the token is not assigned to anybody")
	case !slices.ContainsFunc(t.Holders, func(h provisioning.Holder) bool { return h.User == u.ID }):
		err = provisioning.Errorf(provisioning.TokenNotFound, "the user has no token of this serial number")
	default:
		httpkit.NoteToken(r, t.Tenant, t.ID)
	}
	return ref, u, err
}

// assign assigns a token to a user, who activates it.
func (d *Dialect) assign(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in assignRequest
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	u, err := d.userOf(r, c, provisioning.OpTokenAssign)
	if err != nil {
		return err
	}
	ref, err := named(c, in.Serial)
	if err != nil {
		return err
	}
	label, err := d.nameOf(r, c, in, ref)
	if err != nil {
		return err
	}
	t, err := d.core.Assign(r.Context(), c, ref, provisioning.Assign{User: string(u.ID), Activation: record.ActivationPending, Label: label})
	if err != nil {
		return err
	}
	httpkit.NoteToken(r, t.Tenant, t.ID)
	h := t.Holders[0]
	return httpkit.WriteJSON(w, http.StatusOK, assigned{string(u.ID), t.Serial, stateOf(t), stamp{h.At}, h.By})
}

// nameOf returns the label that a token gets with its user: the serial number if the
// request has none. A complete card keeps its own then, for which it returns "".
func (d *Dialect) nameOf(
	r *http.Request, c provisioning.Caller, in assignRequest, ref provisioning.TokenRef,
) (string, error) {
	if in.Name != nil {
		if *in.Name == "" || len([]rune(*in.Name)) > maxName {
			return "", provisioning.Errorf(provisioning.BadInput, "tokenName has 1 to %d characters", maxName)
		}
		return *in.Name, nil
	}
	if t, err := d.core.Token(r.Context(), c.WithView(), ref); err == nil && t.Complete {
		return "", nil
	}
	return in.Serial, nil
}

func (d *Dialect) unassign(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in tokenName
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	ref, u, err := d.held(r, c, provisioning.OpTokenUnassign, in.Serial)
	if err != nil {
		return err
	}
	t, err := d.core.Unassign(r.Context(), c, ref, string(u.ID))
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, unassigned{t.Serial, stateOf(t)})
}

// enable switches a token on or off. A token in that state already is no error.
func (d *Dialect) enable(on bool) httpkit.Handler {
	return func(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
		var in tokenName
		if err := httpkit.ReadJSON(w, r, &in); err != nil {
			return err
		}
		ref, u, err := d.held(r, c, provisioning.OpTokenEnable, in.Serial)
		if err != nil {
			return err
		}
		t, err := d.core.SetEnabled(r.Context(), c, ref, on, provisioning.EnableRule{Held: true})
		if err != nil {
			return err
		}
		return httpkit.WriteJSON(w, http.StatusOK, switched{string(u.ID), t.Serial, statusOf(t), t.EnabledBy, stampOf(t.EnabledAt)})
	}
}

func (d *Dialect) clearPIN(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in tokenName
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	ref, u, err := d.held(r, c, provisioning.OpTokenClearPIN, in.Serial)
	if err != nil {
		return err
	}
	t, err := d.core.ClearPIN(r.Context(), c, ref, pin.User)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, cleared{string(u.ID), t.Serial, "false"})
}

func (d *Dialect) rename(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in renameRequest
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	ref, u, err := d.held(r, c, provisioning.OpTokenLabel, in.Serial)
	if err != nil {
		return err
	}
	t, err := d.core.SetLabel(r.Context(), c, ref, in.Name, provisioning.LabelRule{MaxChars: maxName})
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, renamed{t.Serial, t.Label, string(u.ID), stamp{d.kit.Clock()()}})
}

func (d *Dialect) lookup(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in tokenName
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	ref, err := named(c, in.Serial)
	if err != nil {
		return err
	}
	t, err := d.core.Token(r.Context(), c, ref)
	if err != nil {
		return err
	}
	httpkit.NoteToken(r, t.Tenant, t.ID)
	return httpkit.WriteJSON(w, http.StatusOK, detailsOf(t))
}

// detailsOf returns all that is shown of a token.
func detailsOf(t provisioning.Token) details {
	out := details{
		Serial: t.Serial, State: stateOf(t), Status: statusOf(t), ExpiryDate: stampOf(t.ExpiresAt), StatusChangedAt: stampOf(t.EnabledAt),
		DeviceType: cmp.Or(t.Product.Model, "vtoken"), Name: t.Label, PINSet: t.UserPIN.Set,
	}
	if len(t.Holders) > 0 {
		h := t.Holders[0]
		id := string(h.User)
		out.UserID, out.AssignedAt, out.AssignedBy = &id, stampOf(h.At), &h.By
	}
	if stateOf(t) == stateActivated {
		out.RegisteredDate = out.AssignedAt
	}
	return out
}

func (d *Dialect) delete(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in tokenName
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	if err := d.core.Allowed(c, provisioning.OpTokenDelete, c.Tenant); err != nil {
		return err
	}
	ref, err := named(c, in.Serial)
	if err != nil {
		return err
	}
	t, err := d.core.Token(r.Context(), c.WithView(), ref)
	if err != nil {
		return err
	}
	httpkit.NoteToken(r, t.Tenant, t.ID)
	if err := d.core.DeleteToken(r.Context(), c, ref); err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, tokenName{t.Serial})
}
