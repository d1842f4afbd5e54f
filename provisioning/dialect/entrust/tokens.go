package entrust

import (
	"net/http"
	"slices"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// maxLabel is the maximal length of a label in characters.
const maxLabel = 100

// empty answers a success without a body.
func empty(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusOK)
	return nil
}

// readOptional decodes an optional body; given says that there was one.
func readOptional(w http.ResponseWriter, r *http.Request, v any) (given bool, err error) {
	if r.ContentLength == 0 {
		return false, nil
	}
	return true, httpkit.ReadJSON(w, r, v)
}

// ref returns the token in the path. An id that is not a GUID is BadInput.
func ref(r *http.Request, c provisioning.Caller) (provisioning.TokenRef, error) {
	id, err := provisioning.ParseID[record.TokenID]("token", r.PathValue("tokenid"))
	return provisioning.TokenRef{Tenant: c.Tenant, ID: id}, err
}

// look reads the token in the path, for a caller who may do op.
func (d *Dialect) look(
	r *http.Request, c provisioning.Caller, op provisioning.Operation,
) (provisioning.TokenRef, provisioning.Token, error) {
	ref, err := ref(r, c)
	if err == nil {
		err = d.core.Allowed(c, op, c.Tenant)
	}
	if err != nil {
		return ref, provisioning.Token{}, err
	}
	t, err := d.core.Token(r.Context(), c.WithView(), ref)
	return ref, t, err
}

func (d *Dialect) getToken(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	_, t, err := d.look(r, c, provisioning.OpTokenGet)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, newToken(t))
}

func (d *Dialect) getTokenBySerial(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	t, err := d.core.Token(r.Context(), c, provisioning.TokenRef{Tenant: c.Tenant, Serial: r.PathValue("sernum")})
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, newToken(t))
}

// createToken creates a soft token for a user. Its activation begins unless it comes with
// its seed.
func (d *Dialect) createToken(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in tokenCreateParms
	if _, err := readOptional(w, r, &in); err != nil {
		return err
	}
	kind := r.PathValue("type")
	if !slices.Contains(types, kind) {
		return provisioning.Errorf(provisioning.BadInput, "there is no token type %.40q", kind)
	}
	if kind != softToken && kind != googleToken {
		return provisioning.Errorf(provisioning.NotSupported,
			"only soft tokens are created (%s, %s); tokens of type %s are loaded and assigned", softToken, googleToken, kind)
	}
	id, err := provisioning.ParseID[record.UserID]("user", r.PathValue("userid"))
	if err != nil {
		return err
	}
	n, err := newSoftToken(kind, in.ActivateParms)
	if in.ActivateParms != nil {
		defer in.ActivateParms.Secret.Wipe()
	}
	if err != nil {
		return err
	}
	defer n.OTP.Seed.Wipe()
	n.Tenant, n.User = c.Tenant, string(id)
	t, err := d.core.CreateToken(r.Context(), c, n)
	if err != nil {
		return err
	}
	httpkit.NoteToken(r, t.Tenant, t.ID)
	return httpkit.WriteJSON(w, http.StatusOK, newToken(t))
}

// newSoftToken describes a soft token: TOTP with eight digits, or six for Google's app,
// which supports no other.
func newSoftToken(kind string, p *activateParms) (provisioning.NewToken, error) {
	n := provisioning.NewToken{
		Kind: record.KindOTP, Product: record.Product{Model: kind}, Activation: record.ActivationPending,
		OTP: &provisioning.NewOTP{Hash: provisioning.HashSHA1, Digits: 8, Period: 30},
	}
	if kind == googleToken {
		n.OTP.Digits = 6
	}
	if p == nil {
		return n, nil
	}
	if _, err := activationTypes(p.Type); err != nil {
		return n, err
	}
	if len(p.Secret) == 0 {
		return n, nil
	}
	if kind != googleToken {
		return n, errNotGoogle
	}
	seed, err := decodeSeed(p.Secret)
	n.OTP.Seed, n.Activation = seed, record.Activated
	return n, err
}

func (d *Dialect) modifyToken(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in tokenParms
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	ref, _, err := d.look(r, c, provisioning.OpTokenGroups)
	if err != nil {
		return err
	}
	if in.Groups != nil {
		var groups []record.GroupID
		if groups, err = provisioning.ParseIDs[record.GroupID]("group", *in.Groups); err == nil {
			_, err = d.core.SetGroups(r.Context(), c, ref, groups)
		}
	}
	if err != nil {
		return err
	}
	return empty(w)
}

func (d *Dialect) modifyAssigned(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in assignedTokenParms
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	ref, t, err := d.look(r, c, provisioning.OpTokenLabel)
	if err != nil {
		return err
	}
	if len(t.Holders) == 0 {
		return provisioning.Errorf(provisioning.WrongState, "token %s is not assigned to anybody; assign it first", t.ID)
	}
	if in.Label != nil {
		if _, err := d.core.SetLabel(r.Context(), c, ref, *in.Label, provisioning.LabelRule{MaxChars: maxLabel}); err != nil {
			return err
		}
	}
	return empty(w)
}

func (d *Dialect) deleteToken(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	ref, err := ref(r, c)
	if err != nil {
		return err
	}
	if err := d.core.DeleteToken(r.Context(), c, ref); err != nil {
		return err
	}
	return empty(w)
}

// changeState changes ACTIVE to INACTIVE and back.
func (d *Dialect) changeState(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in changeStateParms
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	all := []string{stateNew, stateActivating, stateActive, stateInactive, stateUnassigned}
	if !slices.Contains(all, in.State) {
		return provisioning.Errorf(provisioning.BadInput, "there is no state %.40q; a token becomes %s or %s",
			in.State, stateActive, stateInactive)
	}
	ref, _, err := d.look(r, c, provisioning.OpTokenEnable)
	if err != nil {
		return err
	}
	if in.State != stateActive && in.State != stateInactive {
		return provisioning.Errorf(provisioning.WrongState, "a token goes from %s to %s and back, not to %s",
			stateActive, stateInactive, in.State)
	}
	rule := provisioning.EnableRule{Held: true, Activated: true, Change: true}
	if _, err := d.core.SetEnabled(r.Context(), c, ref, in.State == stateActive, rule); err != nil {
		return err
	}
	return empty(w)
}

// reset synchronises the counter or the clock: by a response of the token if there is
// one, else by forgetting its drift.
func (d *Dialect) reset(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in resetParms
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	defer in.Response.Wipe()
	ref, err := ref(r, c)
	if err != nil {
		return err
	}
	if len(in.Response) == 0 {
		_, err = d.core.ResetOTP(r.Context(), c, ref, nil)
	} else {
		_, err = d.core.FindOTP(r.Context(), c, ref, provisioning.Code{Text: secret.Bytes(in.Response)})
	}
	if err != nil {
		return err
	}
	return empty(w)
}

// unlock answers a challenge with the code for the holder.
func (d *Dialect) unlock(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in unlockParms
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	ref, err := ref(r, c)
	if err != nil {
		return err
	}
	code, _, err := d.core.UnlockByChallenge(r.Context(), c, ref, in.UnlockChallenge)
	if err != nil {
		return err
	}
	defer code.Wipe()
	return httpkit.WriteJSON(w, http.StatusOK, unlockResult{secret.Text(code)})
}
