package entrust

import (
	"net/http"
	"slices"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// assignByID assigns the token in the path to the user in the body.
func (d *Dialect) assignByID(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in assignParms
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	defer in.Response.Wipe()
	ref, t, err := d.look(r, c, provisioning.OpTokenAssign)
	if err != nil {
		return err
	}
	if in.UserID == "" {
		return provisioning.Errorf(provisioning.BadInput, "userId is missing; name the user by login or alias")
	}
	return d.assign(w, r, c, ref, t, in)
}

// assignBySerial assigns the token in the body to the user in the path.
func (d *Dialect) assignBySerial(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in assignParms
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	defer in.Response.Wipe()
	id, err := provisioning.ParseID[record.UserID]("user", r.PathValue("id"))
	if err != nil {
		return err
	}
	if in.SerialNumber == "" {
		return provisioning.Errorf(provisioning.BadInput, "serialNumber is missing; name the token by it")
	}
	if in.UserID != "" {
		return provisioning.Errorf(provisioning.BadInput, "the user is in the path; leave userId out")
	}
	if err := d.core.Allowed(c, provisioning.OpTokenAssign, c.Tenant); err != nil {
		return err
	}
	in.UserID = string(id)
	ref := provisioning.TokenRef{Tenant: c.Tenant, Serial: in.SerialNumber}
	t, err := d.core.Token(r.Context(), c.WithView(), ref)
	if err != nil {
		return err
	}
	httpkit.NoteToken(r, t.Tenant, t.ID)
	return d.assign(w, r, c, ref, t, in)
}

// maxSerial is the maximal length of a serial number.
const maxSerial = 100

// assign assigns a hardware token. It checks a response of the token, if there is one,
// before it changes anything.
func (d *Dialect) assign(
	w http.ResponseWriter, r *http.Request, c provisioning.Caller, ref provisioning.TokenRef, t provisioning.Token, in assignParms,
) error {
	if kind := in.TokenType; kind != nil && !slices.Contains(types, *kind) {
		return provisioning.Errorf(provisioning.BadInput, "there is no token type %.40q", *kind)
	} else if kind != nil && *kind != typeOf(t) {
		return provisioning.Errorf(provisioning.TokenNotFound, "there is no token of type %s with that serial number", *kind)
	}
	if len(in.SerialNumber) > maxSerial {
		return provisioning.Errorf(provisioning.BadInput, "serialNumber has %d characters; it has at most %d",
			len(in.SerialNumber), maxSerial)
	}
	if _, err := d.core.User(r.Context(), c.WithView(), c.Tenant, in.UserID); err != nil {
		return err
	}
	if err := hardwareOnly(t, "assigned"); err != nil {
		return err
	}
	if len(in.Response) > 0 {
		if _, err := d.core.FindOTP(r.Context(), c, ref, provisioning.Code{Text: secret.Bytes(in.Response)}); err != nil {
			return err
		}
	}
	_, err := d.core.Assign(r.Context(), c, ref, provisioning.Assign{User: in.UserID, Activation: record.Activated})
	if err != nil {
		return err
	}
	return empty(w)
}

func (d *Dialect) unassign(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	ref, t, err := d.look(r, c, provisioning.OpTokenUnassign)
	if err != nil {
		return err
	}
	if err := hardwareOnly(t, "unassigned"); err != nil {
		return err
	}
	if _, err := d.core.Unassign(r.Context(), c, ref, ""); err != nil {
		return err
	}
	return empty(w)
}

// softOnly refuses to activate hardware, which is in use from its assignment on and keeps
// its secret.
func softOnly(t provisioning.Token, done string) error {
	if isHardware(t) {
		return provisioning.Errorf(provisioning.NotSupported,
			"token %s is a hardware token, which is assigned and keeps its secret, and is not %s", t.ID, done)
	}
	return nil
}

func hardwareOnly(t provisioning.Token, done string) error {
	if !isHardware(t) {
		return provisioning.Errorf(provisioning.NotSupported,
			"token %s is a soft token, which is created for its user and deleted, not %s", t.ID, done)
	}
	return nil
}
