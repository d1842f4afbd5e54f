package provisioning

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"vtoken/provisioning/text"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// CreateToken creates an enabled token, for a user or without a holder. A serial number
// that another token of the tenant has is a Conflict.
func (s *Service) CreateToken(ctx context.Context, c Caller, n NewToken) (Token, error) {
	if err := c.authorize(OpTokenCreate, n.Tenant); err != nil {
		return Token{}, err
	}
	bound, err := s.bindNew(ctx, n)
	if err != nil {
		return Token{}, err
	}
	n.PINBound = bound
	made, err := s.newToken(ctx, c, n)
	if err != nil {
		return Token{}, err
	}
	defer made.wipe()
	var names naming
	if n.CreateUser {
		if names, err = s.naming(ctx, c, n.Tenant, n.User); err != nil {
			return Token{}, err
		}
	}
	var view Token
	err = s.update(ctx, func(tx Tx) error {
		stored, err := s.storeNew(tx, c, n, made, names)
		if err != nil {
			return err
		}
		view, err = s.tokenView(tx, stored, nil)
		return err
	})
	if err == nil && !view.Complete {
		s.fresh.keep(c, view.ID, made.bound, s.now())
	}
	return view, err
}

// preparedToken is a token that is not stored yet: its record, the key of an OTP token, and
// the key that the PINs of a PIN-bound token open.
type preparedToken struct {
	token *record.Token
	key   *object.Object
	bound boundKey
}

// wipe overwrites the seed and the private key.
func (n preparedToken) wipe() {
	n.bound.private.Wipe()
	if n.key != nil {
		n.key.Secret.Wipe()
	}
}

// storeNew stores a token that newToken made, with its holder.
func (s *Service) storeNew(tx Tx, c Caller, n NewToken, made preparedToken, names naming) (*record.Token, error) {
	t := made.token.Clone()
	if err := checkGroups(tx, n.Tenant, n.Groups); err != nil {
		return nil, err
	}
	if n.Unassigned {
		if _, err := tenantOf(tx, n.Tenant); err != nil {
			return nil, err
		}
	} else {
		u, err := s.holderOf(tx, c, n, names)
		if err != nil {
			return nil, err
		}
		t.Holders = record.HeldBy(u.ID, s.now(), c.Name)
	}
	if err := tx.NewToken(t); err != nil {
		return nil, orConflict(err, "there is a token with the serial number %q already; give another one", text.Clip(t.Serial))
	}
	if made.key == nil {
		return t, nil
	}
	return t, putOTPKey(tx, t, made.key)
}

// newToken makes the record of a new token, checked and with its PINs hashed, but without
// a holder. Hashing PINs is slow, so it is not called in a transaction.
func (s *Service) newToken(ctx context.Context, c Caller, n NewToken) (preparedToken, error) {
	if err := s.checkNewToken(n); err != nil {
		return preparedToken{}, err
	}
	t := &record.Token{
		ID: newID[record.TokenID](), Tenant: n.Tenant, Serial: n.Serial, Label: n.Label, Kind: n.Kind, Product: n.Product,
		Initialized: true, Activation: n.Activation, Complete: n.Complete, Enabled: true, Confined: n.Confined,
		ExpiresAt: n.ExpiresAt.UTC(), Groups: n.Groups, MaxRSABits: n.MaxRSABits, PINBound: n.PINBound,
		UserPIN: pin.State{Policy: s.opt.UserPIN}, SOPIN: pin.State{Policy: s.opt.SOPIN}, CreatedAt: s.now(),
	}
	if t.Serial == "" {
		var serial [8]byte
		_, _ = rand.Read(serial[:]) // never fails: it stops the process instead
		t.Serial = fmt.Sprintf("%X", serial)
	}
	if t.Complete {
		t.Activation = record.Activated
	}
	if t.Label == "" {
		t.Label = t.Serial
	}
	if t.MaxRSABits == 0 {
		t.MaxRSABits = object.MaxRSABits
	}
	bound, err := s.firstPINs(ctx, c, t, map[pin.Role]secret.Bytes{pin.User: n.UserPIN, pin.SO: n.SOPIN})
	made := preparedToken{token: t, bound: bound}
	if err != nil {
		made.wipe()
		return preparedToken{}, err
	}
	if n.OTP != nil {
		if made.key, t.OTP, err = newOTPKey(*n.OTP, t.Label); err != nil {
			made.wipe()
			return preparedToken{}, err
		}
		t.OTP.Enrolled = t.Activation == record.Activated
	}
	return made, nil
}

func (s *Service) checkNewToken(n NewToken) error {
	if !n.Unassigned || n.User != "" {
		if err := checkKnownName("login", n.User); err != nil {
			return err
		}
	}
	if n.Label != "" {
		if err := checkLabel(n.Label, LabelRule{}); err != nil {
			return err
		}
	}
	for _, text := range []string{n.Serial, n.Product.Manufacturer, n.Product.Model, n.Product.Repository} {
		if text == "" {
			continue
		}
		if err := checkShortName(text); err != nil {
			return err
		}
	}
	switch {
	case n.Unassigned && n.User != "":
		return Errorf(BadInput, "a token without a holder is for no user; leave one of them out")
	case len(n.Groups) > 0 && !n.Unassigned:
		return Errorf(BadInput, "groups are for tokens without a holder; leave them out")
	case len(n.Serial) > maxSerial:
		return Errorf(BadInput, "the serial number has %d bytes; give one of at most %d", len(n.Serial), maxSerial)
	case !slices.Contains([]int{0, 2048, 4096, object.MaxRSABits}, n.MaxRSABits):
		return Errorf(BadInput, "a token is made for RSA keys of up to 2048, 4096 or %d bits, not %d",
			object.MaxRSABits, n.MaxRSABits)
	case n.Complete && n.UserPIN == nil:
		return Errorf(BadInput,
			"a token that is complete from the start needs a user PIN, because it cannot be given one later")
	case n.Complete && n.Unassigned:
		return Errorf(BadInput, "a token that is complete from the start needs a holder; name a user")
	case !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(s.now()):
		return Errorf(BadInput, "the token would be expired from the start; give a time in the future")
	case (n.Kind == record.KindOTP) != (n.OTP != nil):
		return Errorf(BadInput, "a token for one-time passwords comes with what they are to be, and no other does")
	}
	return nil
}

// maxSerial is the length in bytes that a serial number may have, and maxShort
// that of other short names.
const (
	maxSerial = 36
	maxShort  = 64
)

// checkShortName refuses short names that are too long, not printable ASCII, or that begin or
// end with a blank.
func checkShortName(s string) error {
	for _, r := range s {
		if r < ' ' || r > '~' {
			return Errorf(BadInput, "%q has a character that is not printable ASCII; leave it out", text.Clip(s))
		}
	}
	if len(s) > maxShort || strings.TrimSpace(s) != s {
		return Errorf(BadInput, "%q is too long, or begins or ends with a blank; give at most %d characters",
			text.Clip(s), maxShort)
	}
	return nil
}

// holderOf finds or creates the user who is to hold the token. A user that it creates in
// the default tenant is mapped by name, if the caller may map that operating system user.
func (s *Service) holderOf(tx Tx, c Caller, n NewToken, names naming) (*record.User, error) {
	u, err := userOf(tx, n.Tenant, n.User)
	switch {
	case err == nil && !u.Enabled:
		return nil, Errorf(WrongState, "user %q is disabled; enable the user first", text.Clip(u.Login))
	case err == nil || !n.CreateUser || KindOf(err) != UserNotFound:
		return u, err
	}
	if err := checkName("login", n.User); err != nil {
		return nil, err
	}
	u = newUser(n.Tenant, n.User)
	if err := c.isMappedByName(tx, u, names); err != nil {
		return nil, err
	}
	return u, tx.PutUser(u)
}
