package native

import (
	"encoding/hex"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// addOTP makes a new token an OTP token. The caller wipes the seed.
func addOTP(n *provisioning.NewToken, in api.NewToken) error {
	o := in.OTP
	n.Kind, n.OTP = record.KindOTP, &provisioning.NewOTP{Hash: o.Hash, Digits: o.Digits, Period: o.Period, Counter: o.Counter, Window: o.Window}
	if !in.Inactive && !in.Unassigned {
		n.Activation = record.Activated
	}
	if o.SeedHex == nil {
		return nil
	}
	seed := make(secret.Bytes, hex.DecodedLen(len(o.SeedHex)))
	if _, err := hex.Decode(seed, o.SeedHex); err != nil {
		seed.Wipe()
		return provisioning.Errorf(provisioning.BadInput, "the seed is not an even number of hexadecimal digits")
	}
	n.OTP.Seed = seed
	return nil
}

// code converts a one-time password of a request.
func code(s api.Secret) provisioning.Code { return provisioning.Code{Text: s.Bytes()} }

func (h *Handler) verifyOTP(r *request) (any, error) {
	in, err := read[api.Code](r)
	defer in.Code.Wipe()
	if err != nil {
		return nil, err
	}
	return h.onToken(r, func(ref provisioning.TokenRef) (provisioning.Token, error) {
		if in.User != "" {
			t, err := h.core.Token(r.ctx, r.caller, ref) // a user is one of a tenant
			if err != nil {
				return t, err
			}
			ref.Tenant, ref.User = t.Tenant, in.User
		}
		return h.core.VerifyOTP(r.ctx, r.caller, ref, code(in.Code))
	})
}

func (h *Handler) syncOTP(r *request) (any, error) {
	in, err := read[api.Codes](r)
	defer in.First.Wipe()
	defer in.Next.Wipe()
	if err != nil {
		return nil, err
	}
	return h.onToken(r, func(ref provisioning.TokenRef) (provisioning.Token, error) {
		if in.Activate {
			return h.core.ActivateOTP(r.ctx, r.caller, ref, code(in.First), code(in.Next))
		}
		return h.core.SyncOTP(r.ctx, r.caller, ref, code(in.First), code(in.Next))
	})
}

func (h *Handler) resetOTP(r *request) (any, error) {
	in, err := read[api.ResetCounter](r)
	if err != nil {
		return nil, err
	}
	return h.onToken(r, func(ref provisioning.TokenRef) (provisioning.Token, error) {
		return h.core.ResetOTP(r.ctx, r.caller, ref, in.Counter)
	})
}

func (h *Handler) enrolOTP(r *request) (any, error) {
	in, err := read[api.NewEnrolment](r)
	if err != nil {
		return nil, err
	}
	ref, err := refOf(r)
	if err != nil {
		return nil, err
	}
	e, err := h.core.EnrolOTP(r.ctx, r.caller, ref, provisioning.Enrolment(in))
	if err != nil {
		return nil, err
	}
	e.Seed.Wipe()
	r.w.Header().Set("Cache-Control", "no-store")
	return api.Enrolment{URI: api.Secret(e.URI), PNG: e.PNG, Issuer: e.Issuer, Account: e.Account}, nil
}
