package surepassid

import (
	"context"
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
)

// path is the one path of the API.
const path = "/AuthServer/REST/U2F/U2FServer.aspx"

// call is one call of a method by an authenticated caller.
type call struct {
	ctx    context.Context
	http   *http.Request
	caller provisioning.Caller
	fields fields
}

// method is a method of the API.
type method struct {
	// do serves a call and returns the answer without the envelope.
	do func(*call) (answer, error)
	// fields are the method's own, beside those of every call.
	fields []string
}

// common returns the fields of every call.
func common() []string {
	return []string{"type", "username", "spaccountloginname", "spaccountloginkey"}
}

// methods returns all methods of the API, by type.
func (d *Dialect) methods() map[string]method {
	activate := method{d.activate, []string{"psn", "otp1", "otp2"}}
	return map[string]method{
		"add_oath_device": {d.add, []string{"devicetype", "otptype", "otplength", "windowsize", "otppin", "timedrift", "psn",
			"secretkeyhex", "secretkeyhexbase64"}},
		"provision_oath_device":  {d.provision, []string{"deviceid", "physicaldeviceid"}},
		"get_oath_device_qrcode": {d.qrCode, []string{"deviceid", "accountname"}},
		"find_device":            {d.find, []string{"psn"}},
		"assign_device":          {d.assign, []string{"psn", "force"}},
		"unassign_device":        {d.unassign, []string{"psn"}},
		"active_oath_device":     activate,
		"activate_device":        activate, // its name in older revisions of the document
		"sync_oath_device":       {d.sync, []string{"psn", "otp1", "otp2"}},
		"enable_device":          {d.enable(true), []string{"psn"}},
		"disable_device":         {d.enable(false), []string{"psn"}},
		"delete_device":          {d.remove, []string{"psn"}},
	}
}

func (d *Dialect) routes() []httpkit.Route {
	return []httpkit.Route{{Method: http.MethodPost, Path: path, Serve: d.serve, Open: true}}
}

// serve reads the body, authenticates the caller, calls the method and writes the
// envelope.
func (d *Dialect) serve(w http.ResponseWriter, r *http.Request, _ provisioning.Caller) error {
	in, err := readFields(w, r)
	defer in.wipe()
	if err != nil {
		return err
	}
	name, err := in.text("type")
	if err != nil {
		return err
	}
	out, err := d.call(r, in, name)
	if err != nil {
		return &failure{method: name, err: err}
	}
	defer out.wipe()
	out.Type, out.ErrorMessage = name, "OK"
	return httpkit.WriteJSON(w, http.StatusOK, out)
}

// call authenticates the account in the fields of a call and serves the method.
func (d *Dialect) call(r *http.Request, in fields, name string) (answer, error) {
	c, err := d.kit.Admit(r, func(r *http.Request) (provisioning.Caller, error) { return d.account(r.Context(), in) })
	if err != nil {
		return answer{}, err
	}
	m, ok := d.methods()[name]
	if !ok {
		return answer{}, provisioning.Errorf(provisioning.BadInput,
			"there is no method %.60q here; the API's document under /docs has the types", name)
	}
	if err := in.only(append(common(), m.fields...)); err != nil {
		return answer{}, err
	}
	return m.do(&call{ctx: r.Context(), http: r, caller: c, fields: in})
}

// account returns the account that sent a call.
func (d *Dialect) account(ctx context.Context, in fields) (provisioning.Caller, error) {
	name, err := in.text("spaccountloginname")
	if err != nil {
		return provisioning.Caller{}, err
	}
	key, err := in.secret("spaccountloginkey")
	defer key.Wipe()
	if err != nil {
		return provisioning.Caller{}, err
	}
	found, err := d.core.AuthenticateSecret(ctx, Name, name, key)
	return found.Caller, err
}
