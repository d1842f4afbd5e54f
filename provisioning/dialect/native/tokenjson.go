package native

import (
	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/vtoken/p11uri"
	"vtoken/vtoken/record"
)

// kinds and activations are their names in the API.
var (
	kinds       = map[record.Kind]string{record.KindCard: "card", record.KindOTP: "otp"}
	activations = map[record.Activation]string{
		record.ActivationNew: "new", record.ActivationPending: "pending", record.Activated: "activated",
	}
)

func tokenJSON(t provisioning.Token) api.Token {
	out := api.Token{
		ID: string(t.ID), Tenant: string(t.Tenant), Slot: uint64(t.Slot), Serial: t.Serial, Label: t.Label,
		User: t.Login, UserID: string(t.Holder), Complete: t.Complete, Enabled: t.Enabled, MaxRSABits: t.MaxRSABits,
		Policy: t.Policy, PINBound: t.PINBound, UserPIN: pinJSON(t.UserPIN), SOPIN: pinJSON(t.SOPIN), CreatedAt: t.CreatedAt,
		URI:  p11uri.Path{Serial: t.Serial}.String(),
		Kind: kinds[t.Kind], Holders: convert(t.Holders, holderJSON), Activation: activations[t.Activation],
		Deceased: t.Deceased, Confined: t.Confined, Device: t.Device,
		ExpiresAt: timeOrNil(t.ExpiresAt), LastUsedAt: timeOrNil(t.LastUsedAt), Actions: []string{},
	}
	if t.Product != (record.Product{}) {
		p := api.Product(t.Product)
		out.Product = &p
	}
	if t.Kind == record.KindOTP {
		otp := otpJSON(t.OTP)
		out.OTP = &otp
	}
	for _, g := range t.Groups {
		out.Groups = append(out.Groups, string(g))
	}
	for _, op := range t.Actions {
		out.Actions = append(out.Actions, op.Action())
	}
	return out
}

func holderJSON(h provisioning.Holder) api.Holder {
	return api.Holder{
		User: h.Login, UserID: string(h.User), At: h.At, By: h.By, Suspended: h.Suspended,
		Starts: timeOrNil(h.Starts), Expires: timeOrNil(h.Expires), UsageLimit: h.UsageLimit, Uses: h.Uses, Priority: h.Priority,
	}
}

func otpJSON(o record.OTP) api.OTP {
	out := api.OTP{Type: "totp", Hash: o.Hash, Digits: o.Digits, Period: o.Period, Drift: o.Drift, Failed: o.Failed, Locked: provisioning.OTPLocked(o)}
	if o.Period == 0 {
		out.Type, out.Counter = "hotp", o.Next
	}
	return out
}
