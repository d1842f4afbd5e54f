package surepassid

import (
	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// The types of devices. A card is ours; the vendor's other types, such as 12 for
// U2F, are not served.
const (
	typeSoft     = 0
	typeHardware = 1
	typeCard     = 2
)

// The types of one-time passwords. The vendor's others, such as 8 for U2F, are not
// served.
const (
	otpHOTP = 0
	otpTOTP = 1
)

func deviceType(t provisioning.Token) *int {
	n := typeSoft
	switch {
	case t.Kind != record.KindOTP:
		n = typeCard
	case t.Product.Hardware:
		n = typeHardware
	}
	return &n
}

// otpType returns nil for a card, which has no one-time passwords.
func otpType(t provisioning.Token) *int {
	if t.Kind != record.KindOTP {
		return nil
	}
	n := otpHOTP
	if t.OTP.Period != 0 {
		n = otpTOTP
	}
	return &n
}

// windowSize returns the look-ahead window of a HOTP device, and the time step in seconds
// of a TOTP one.
func windowSize(o record.OTP) int {
	switch {
	case o.Period != 0:
		return o.Period
	case o.Window != 0:
		return o.Window
	}
	return provisioning.DefaultWindow
}

// bit returns 0 or 1.
func bit(b bool) *int {
	n := 0
	if b {
		n = 1
	}
	return &n
}
