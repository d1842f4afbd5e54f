package surepassid

import (
	"encoding/base64"
	"encoding/hex"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// add creates a device, for a user if one is named.
func (d *Dialect) add(in *call) (answer, error) {
	n, err := in.newToken()
	defer n.UserPIN.Wipe()
	if n.OTP != nil {
		defer n.OTP.Seed.Wipe()
	}
	if err != nil {
		return answer{}, err
	}
	t, err := d.core.CreateToken(in.ctx, in.caller, n)
	if err != nil {
		return answer{}, err
	}
	httpkit.NoteToken(in.http, t.Tenant, t.ID)
	return answer{PSN: t.Serial, DeviceID: string(t.ID)}, nil
}

// newToken converts a call to a new token. The caller wipes its PIN and seed.
func (c *call) newToken() (n provisioning.NewToken, err error) {
	n = provisioning.NewToken{Tenant: c.caller.Tenant, Kind: record.KindOTP, OTP: &provisioning.NewOTP{}}
	kind, err := c.fields.number("devicetype")
	if err != nil {
		return n, err
	}
	if kind != typeSoft && kind != typeHardware {
		return n, refuse(codeDeviceType, "deviceType %d is not served; it is 0 for a soft token, or 1 for hardware", kind)
	}
	n.Product.Hardware = kind == typeHardware
	if err = c.readOTP(n.OTP); err != nil {
		return n, err
	}
	if n.UserPIN, err = c.fields.pin("otppin"); err != nil {
		return n, err
	}
	if n.Serial, err = c.fields.text("psn"); err != nil {
		return n, err
	}
	n.User, err = c.fields.text("username")
	n.Unassigned = n.User == ""
	return n, err
}

// readOTP parses the parameters of one-time passwords.
func (c *call) readOTP(o *provisioning.NewOTP) error {
	kind, err := c.fields.number("otptype")
	if err != nil {
		return err
	}
	if kind != otpHOTP && kind != otpTOTP {
		return refuse(codeOTPType, "OtpType %d is not served; it is 0 for passwords by counter, or 1 by time", kind)
	}
	if o.Digits, err = c.fields.number("otplength"); err != nil {
		return err
	}
	if o.Seed, err = c.seed(); err != nil {
		return err
	}
	return c.windows(o, kind)
}

// defaultPeriod is the default time step of TOTP devices, in seconds.
const defaultPeriod = 30

// windows parses windowSize, which is the look-ahead window of HOTP and the time step of
// TOTP, and timeDrift, the steps that a clock may be off.
func (c *call) windows(o *provisioning.NewOTP, kind int) error {
	size, err := c.fields.number("windowsize")
	if err != nil {
		return err
	}
	drift, err := c.fields.number("timedrift")
	switch {
	case err != nil:
		return err
	case drift < 0 || drift > provisioning.MaxWindow || kind == otpHOTP && drift != 0:
		return refuse(codeDrift,
			"a timeDrift of %d is out of bounds: it is for passwords by time, 1 to %d steps, or 0 for the default",
			drift, provisioning.MaxWindow)
	case kind == otpHOTP:
		o.Window = size
	case size == 0:
		o.Period, o.Window = defaultPeriod, drift
	default:
		o.Period, o.Window = size, drift
	}
	return nil
}

// seed returns the secret key in a call, nil for none. The caller wipes it.
func (c *call) seed() (secret.Bytes, error) {
	text, err := c.fields.secret("secretkeyhex")
	defer text.Wipe()
	if err != nil {
		return nil, err
	}
	text64, err := c.fields.secret("secretkeyhexbase64")
	defer text64.Wipe()
	if err != nil {
		return nil, err
	}
	var seed secret.Bytes
	var n int
	switch {
	case len(text) > 0 && len(text64) > 0:
		return nil, provisioning.Errorf(provisioning.BadInput,
			"the secret key is there twice; give secretKeyHex or secretKeyHexBase64")
	case len(text) > 0:
		seed = make(secret.Bytes, hex.DecodedLen(len(text)))
		n, err = hex.Decode(seed, text)
	case len(text64) > 0:
		seed = make(secret.Bytes, base64.StdEncoding.DecodedLen(len(text64)))
		n, err = base64.StdEncoding.Decode(seed, text64)
	}
	if err != nil {
		seed.Wipe()
		return nil, provisioning.Errorf(provisioning.BadInput,
			"the secret key is not of the form that its field says: hexadecimal, or base64")
	}
	return seed[:n], nil
}
