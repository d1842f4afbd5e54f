package provisioning

import (
	"cmp"
	"context"
	"strings"

	"vtoken/provisioning/oath"
	"vtoken/provisioning/text"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Enrolment asks for what sets up an authenticator app.
type Enrolment struct {
	// Issuer is the issuer that the app shows; empty is the tenant's name.
	Issuer string
	// Account is the name that the app shows; empty is the owner's login, or else
	// the token's label.
	Account string
	// Device is the device that the seed goes to, or empty.
	Device string
}

// Enrolled holds a seed that leaves the server. The caller wipes URI and Seed.
type Enrolled struct {
	URI     secret.Bytes // otpauth://
	PNG     []byte       // the QR code of URI
	Seed    secret.Bytes
	Issuer  string
	Account string
	Token   Token
}

// EnrolOTP returns the seed of a token, once. The token is confined before the answer
// leaves, so another call is WrongState until [Service.SetConfined] releases it. Where
// Device is set, the token is bound to that device instead, as [Service.Download] does,
// and the same device may ask again. After the token was activated, or one of its
// passwords was right, the seed never leaves (WrongState). The seed of a hardware token
// never leaves either (NotSupported).
//
// HOTP starts in the app at the counter that is verified next.
func (s *Service) EnrolOTP(ctx context.Context, c Caller, ref TokenRef, e Enrolment) (Enrolled, error) {
	if e.Device != "" {
		if err := checkName("device", e.Device); err != nil {
			return Enrolled{}, err
		}
	}
	var out Enrolled
	var t *record.Token
	view, err := s.changeIn(ctx, c, OpTokenSeed, ref, func(tx Tx, changed *record.Token) (err error) {
		t = changed
		if out.Issuer, out.Account, err = names(tx, t, e); err != nil {
			return err
		}
		switch {
		case e.Device == "":
			t.Confined = true
		case t.Device != "" && t.Device != e.Device:
			return Errorf(Conflict, "token %s is on another device already; release it first", t.ID)
		default:
			t.Device = e.Device
		}
		return nil
	})
	if err != nil {
		return Enrolled{}, err
	}
	set, err := s.seed(t)
	if err != nil {
		return Enrolled{}, err
	}
	defer set.Wipe()
	out.Seed, out.Token = secret.Bytes(set.Get(ck.CKA_VALUE)).Clone(), view
	key := oath.Key{Seed: out.Seed, Hash: t.OTP.Hash, Digits: t.OTP.Digits}
	out.URI, err = oath.Enrolment{Key: key, Period: t.OTP.Period, Counter: t.OTP.Next, Issuer: out.Issuer, Account: out.Account}.URI()
	if err == nil {
		out.PNG, err = oath.PNG(out.URI)
	}
	if err != nil {
		out.Seed.Wipe()
		return Enrolled{}, err
	}
	return out, nil
}

// ReseedOTP replaces the seed of a token that waits for its activation with that of its
// holder's device, and activates the token: the device uses that seed already. The caller
// keeps the seed and wipes it.
func (s *Service) ReseedOTP(ctx context.Context, c Caller, ref TokenRef, seed secret.Bytes) (Token, error) {
	var keys []*object.Object
	defer func() {
		for _, key := range keys {
			key.Secret.Wipe()
		}
	}()
	return s.changeIn(ctx, c, OpTokenReseed, ref, func(tx Tx, t *record.Token) error {
		key, otp, err := newOTPKey(NewOTP{Seed: seed, Hash: t.OTP.Hash, Digits: t.OTP.Digits, Period: t.OTP.Period, Window: t.OTP.Window}, t.Label)
		if err != nil {
			return err
		}
		keys = append(keys, key)
		if err := tx.DeleteObjects(t.ID); err != nil {
			return err
		}
		t.OTP, t.Confined = otp, true
		setActivation(t, record.Activated)
		return putOTPKey(tx, t, key)
	})
}

// names returns the issuer and the account that the app shows. Chosen names must fit;
// default names are shortened to fit.
func names(tx ReadTx, t *record.Token, e Enrolment) (issuer, account string, err error) {
	for what, name := range map[string]string{"issuer": e.Issuer, "account": e.Account} {
		if name == "" {
			continue
		}
		if err := checkName(what, name); err != nil {
			return "", "", err
		}
		if len(name) > oath.MaxName || strings.Contains(name, ":") {
			return "", "", Errorf(BadInput, "the %s has %d bytes, or a colon in it; give one of at most %d bytes without",
				what, len(name), oath.MaxName)
		}
	}
	tenant, err := tenantOf(tx, t.Tenant)
	if err != nil {
		return "", "", err
	}
	login := ""
	if owner := t.Owner(); owner != "" {
		u, err := tx.User(owner)
		if err != nil {
			return "", "", err
		}
		login = u.Login
	}
	issuer = cmp.Or(e.Issuer, fitName(tenant.Name))
	return issuer, cmp.Or(e.Account, fitName(login), fitName(t.Label), t.Serial), nil
}

// fitName makes a name fit for an app.
func fitName(s string) string {
	s = text.Label(strings.ReplaceAll(s, ":", " "))
	for len(s) > oath.MaxName {
		r := []rune(s)
		s = string(r[:len(r)-1])
	}
	return strings.TrimSpace(s)
}
