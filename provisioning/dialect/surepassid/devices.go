package surepassid

import (
	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
)

// device returns the token with the serial number, held by the user if the call names
// one. It reads with the right to view, and does not reveal what it reads.
func (d *Dialect) device(in *call) (provisioning.TokenRef, error) {
	ref, err := in.serial()
	if err == nil {
		ref.User, err = in.fields.text("username")
	}
	d.note(in, ref)
	return ref, err
}

// note records for the audit log which token a call is about. The method refuses one that
// does not exist.
func (d *Dialect) note(in *call, ref provisioning.TokenRef) {
	if t, err := d.core.Token(in.ctx, in.caller.WithView(), ref); err == nil {
		httpkit.NoteToken(in.http, t.Tenant, t.ID)
	}
}

// serial returns the token that psn names, for any holder.
func (c *call) serial() (provisioning.TokenRef, error) {
	ref := provisioning.TokenRef{Tenant: c.caller.Tenant}
	psn, err := c.fields.text("psn")
	if err == nil && psn == "" {
		err = refuse(codeNoSerial, "the device is not named; give its serial number in psn")
	}
	ref.Serial = psn
	return ref, err
}

// find returns the properties and the state of a device.
func (d *Dialect) find(in *call) (answer, error) {
	ref, err := d.device(in)
	if err != nil {
		return answer{}, err
	}
	t, err := d.core.Token(in.ctx, in.caller, ref)
	if err != nil {
		return answer{}, err
	}
	return answer{
		DeviceType: deviceType(t), OTPType: otpType(t), DeviceStatus: bit(!t.Enabled || t.Deceased), Assigned: bit(len(t.Holders) > 0),
	}, nil
}

// assign assigns a device to a user. With force 1 it takes a device from its holders. A
// device is used from its activation on; a card, which this API does not activate, at
// once.
func (d *Dialect) assign(in *call) (answer, error) {
	ref, err := in.serial()
	if err != nil {
		return answer{}, err
	}
	force, err := in.fields.number("force")
	if err != nil {
		return answer{}, err
	}
	if force != 0 && force != 1 {
		return answer{}, provisioning.Errorf(provisioning.BadInput, "force is 0, or 1 to take the device from its holder")
	}
	a := provisioning.Assign{Take: force == 1}
	if a.User, err = in.fields.text("username"); err != nil {
		return answer{}, err
	}
	if a.User == "" {
		return answer{}, refuse(codeUser, "the user is not named; give username")
	}
	if t, e := d.core.Token(in.ctx, in.caller.WithView(), ref); e == nil && t.Kind == record.KindCard {
		a.Activation = record.Activated
	}
	d.note(in, ref)
	_, err = d.core.Assign(in.ctx, in.caller, ref, a)
	return answer{}, d.explain(in, ref, false, err)
}

// unassign takes a device from the named user, or else from all holders.
func (d *Dialect) unassign(in *call) (answer, error) {
	ref, err := d.device(in)
	if err != nil {
		return answer{}, err
	}
	_, err = d.core.Unassign(in.ctx, in.caller, ref, ref.User)
	return answer{}, d.explain(in, ref, false, err)
}

// enable switches a device on or off.
func (d *Dialect) enable(on bool) func(*call) (answer, error) {
	return func(in *call) (answer, error) {
		ref, err := d.device(in)
		if err != nil {
			return answer{}, err
		}
		_, err = d.core.SetEnabled(in.ctx, in.caller, ref, on, provisioning.EnableRule{})
		return answer{}, d.explain(in, ref, false, err)
	}
}

// remove deletes a device.
func (d *Dialect) remove(in *call) (answer, error) {
	ref, err := d.device(in)
	if err != nil {
		return answer{}, err
	}
	return answer{}, d.core.DeleteToken(in.ctx, in.caller, ref)
}

// explain gives an error of a state the code for its reason: the device is off, or, for
// operations on one-time passwords, it has none or accepts no more.
func (d *Dialect) explain(in *call, ref provisioning.TokenRef, otp bool, err error) error {
	if err == nil || provisioning.KindOf(err) != provisioning.WrongState {
		return err
	}
	t, e := d.core.Token(in.ctx, in.caller.WithView(), ref)
	switch {
	case e != nil:
		return err
	case otp && t.Kind != record.KindOTP:
		return withCode(codeDeviceType, err)
	case otp && provisioning.OTPLocked(t.OTP):
		return withCode(codeTooMany, err)
	case !t.Enabled:
		return withCode(codeDisabled, err)
	}
	return err
}
