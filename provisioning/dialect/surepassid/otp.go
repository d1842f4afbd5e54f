package surepassid

import (
	"encoding/base64"
	"encoding/hex"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// provision returns the secret key of a device to the hardware that will hold it. The
// same hardware may ask again.
func (d *Dialect) provision(in *call) (answer, error) {
	hardware, err := in.fields.text("physicaldeviceid")
	if err == nil && hardware == "" {
		err = refuse(codeNoDevice, "the hardware is not named; give physicalDeviceId")
	}
	if err != nil {
		return answer{}, err
	}
	e, err := d.enrol(in, provisioning.Enrolment{Device: hardware})
	defer wipe(e)
	if err != nil {
		return answer{}, err
	}
	t := e.Token
	key := make(secret.Text, hex.EncodedLen(len(e.Seed)))
	hex.Encode(key, e.Seed)
	return answer{
		PSN: t.Serial, DeviceType: deviceType(t), OTPType: otpType(t), OTPLength: t.OTP.Digits, WindowSize: windowSize(t.OTP),
		Counter: counter(t.OTP), AccountName: e.Account, SecretKeyHex: key,
	}, nil
}

// counter returns the first counter of a HOTP device, nil for TOTP.
func counter(o record.OTP) *uint64 {
	if o.Period != 0 {
		return nil
	}
	return &o.Next
}

// qrCode returns the secret key of a device as a QR code for authenticator apps, once.
func (d *Dialect) qrCode(in *call) (answer, error) {
	account, err := in.fields.text("accountname")
	if err != nil {
		return answer{}, err
	}
	e, err := d.enrol(in, provisioning.Enrolment{Account: account})
	defer wipe(e)
	if err != nil {
		return answer{}, err
	}
	const scheme = "data:image/png;base64,"
	url := make(secret.Text, len(scheme)+base64.StdEncoding.EncodedLen(len(e.PNG)))
	copy(url, scheme)
	base64.StdEncoding.Encode(url[len(scheme):], e.PNG)
	return answer{DeviceType: deviceType(e.Token), QRCodeURL: url}, nil
}

// enrol returns the seed of the device that a call names by its id.
func (d *Dialect) enrol(in *call, e provisioning.Enrolment) (provisioning.Enrolled, error) {
	ref := provisioning.TokenRef{Tenant: in.caller.Tenant}
	id, err := in.fields.text("deviceid")
	if err != nil {
		return provisioning.Enrolled{}, err
	}
	if id == "" {
		return provisioning.Enrolled{}, refuse(codeNoDevice,
			"the device is not named; give the deviceId that add_oath_device answered")
	}
	if ref.User, err = in.fields.text("username"); err != nil {
		return provisioning.Enrolled{}, err
	}
	if ref.ID, err = provisioning.ParseID[record.TokenID]("token", id); err != nil {
		return provisioning.Enrolled{}, provisioning.Errorf(provisioning.TokenNotFound,
			"there is no token %.60q there; list the tokens and check the id", id)
	}
	d.note(in, ref)
	out, err := d.core.EnrolOTP(in.ctx, in.caller, ref, e)
	return out, d.explain(in, ref, true, err)
}

// wipe overwrites the secrets of an enrolment.
func wipe(e provisioning.Enrolled) {
	e.URI.Wipe()
	e.Seed.Wipe()
	clear(e.PNG)
}

// activate ends the activation of a device with two consecutive passwords.
func (d *Dialect) activate(in *call) (answer, error) {
	ref, first, next, err := d.pair(in)
	if err != nil {
		return answer{}, err
	}
	_, err = d.core.ActivateOTP(in.ctx, in.caller, ref, first, next)
	return answer{}, d.explain(in, ref, true, badCode(err))
}

// sync synchronises a device by two consecutive passwords.
func (d *Dialect) sync(in *call) (answer, error) {
	ref, first, next, err := d.pair(in)
	if err != nil {
		return answer{}, err
	}
	_, err = d.core.SyncOTP(in.ctx, in.caller, ref, first, next)
	return answer{}, d.explain(in, ref, true, badCode(err))
}

// pair returns the device in a call and its two passwords.
func (d *Dialect) pair(in *call) (ref provisioning.TokenRef, first, next provisioning.Code, err error) {
	if ref, err = d.device(in); err != nil {
		return ref, first, next, err
	}
	if first, err = in.fields.code("otp1"); err != nil {
		return ref, first, next, err
	}
	next, err = in.fields.code("otp2")
	return ref, first, next, err
}

// badCode gives a password with a wrong number of digits the code of a wrong password.
func badCode(err error) error {
	if err != nil && provisioning.KindOf(err) == provisioning.BadInput {
		return withCode(codeOTPInvalid, err)
	}
	return err
}
