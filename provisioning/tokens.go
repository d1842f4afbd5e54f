package provisioning

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"unicode/utf8"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// CreateToken makes an enabled token for a user.
func (s *Service) CreateToken(ctx context.Context, c Caller, n NewToken) (Token, error) {
	if err := c.authorize(OpTokenCreate, n.Tenant); err != nil {
		return Token{}, err
	}
	t, err := s.newToken(n)
	if err != nil {
		return Token{}, err
	}
	var view Token
	err = s.update(ctx, func(tx Tx) error {
		u, err := s.holderOf(tx, n)
		if err != nil {
			return err
		}
		stored := t.Clone()
		stored.Holders = record.HeldBy(u.ID, s.now(), c.Name)
		if err := tx.NewToken(stored); err != nil {
			return err
		}
		view = tokenView(stored, u.Login)
		return nil
	})
	return view, err
}

// newToken is the record of a new token, checked and with its PINs hashed, but
// without a holder.
func (s *Service) newToken(n NewToken) (*record.Token, error) {
	if err := checkNewToken(n); err != nil {
		return nil, err
	}
	var serial [8]byte
	_, _ = rand.Read(serial[:]) // never fails: it stops the process instead
	t := &record.Token{
		ID: newID[record.TokenID](), Tenant: n.Tenant, Serial: fmt.Sprintf("%X", serial), Label: n.Label,
		Initialized: true, Activation: activationOf(n.Complete), Complete: n.Complete, Enabled: true, MaxRSABits: n.MaxRSABits,
		UserPIN: pin.State{Policy: s.opt.UserPIN}, SOPIN: pin.State{Policy: s.opt.SOPIN}, CreatedAt: s.now(),
	}
	if t.Label == "" {
		t.Label = t.Serial
	}
	if t.MaxRSABits == 0 {
		t.MaxRSABits = 4096
	}
	for role, p := range map[pin.Role]secret.Bytes{pin.User: n.UserPIN, pin.SO: n.SOPIN} {
		if p == nil {
			continue
		}
		if err := s.setPIN(t, role, p); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// activationOf is the activation of a card: it is its holder's to use when it is
// complete.
func activationOf(complete bool) record.Activation {
	if complete {
		return record.Activated
	}
	return record.ActivationNew
}

func checkNewToken(n NewToken) error {
	if err := checkName("login", n.User); err != nil {
		return err
	}
	if n.Label != "" {
		if err := checkLabel(n.Label, LabelRule{}); err != nil {
			return err
		}
	}
	if n.MaxRSABits != 0 && n.MaxRSABits != 2048 && n.MaxRSABits != 4096 {
		return Errorf(BadInput, "a token is made for RSA keys of up to 2048 or 4096 bits, not %d", n.MaxRSABits)
	}
	if n.Complete && n.UserPIN == nil {
		return Errorf(BadInput, "a token that is complete from the start needs a user PIN, because it cannot be given one later")
	}
	return nil
}

// holderOf finds or makes the user who is to hold the token.
func (s *Service) holderOf(tx Tx, n NewToken) (*record.User, error) {
	u, err := userOf(tx, n.Tenant, n.User)
	switch {
	case err == nil && !u.Enabled:
		return nil, Errorf(WrongState, "user %q is disabled; enable the user first", clip(u.Login))
	case err == nil || !n.CreateUser || KindOf(err) != UserNotFound:
		return u, err
	}
	u = newUser(n.Tenant, n.User)
	return u, tx.PutUser(u)
}

// Token is one token.
func (s *Service) Token(ctx context.Context, c Caller, ref TokenRef) (Token, error) {
	var view Token
	err := s.view(ctx, func(tx ReadTx) error {
		t, u, err := c.token(tx, OpTokenGet, ref)
		if err == nil {
			view = tokenView(t, u.Login)
		}
		return err
	})
	return view, err
}

// TokensOf lists all tokens that a user holds, by slot id.
func (s *Service) TokensOf(ctx context.Context, c Caller, tenant record.TenantID, user string) ([]Token, error) {
	if err := c.authorize(OpTokenList, tenant); err != nil {
		return nil, err
	}
	list := []Token{}
	err := s.view(ctx, func(tx ReadTx) error {
		u, err := userOf(tx, tenant, user)
		if err != nil {
			return err
		}
		all, err := tx.TokensOf(u.ID)
		for _, t := range all {
			if !blank(t) {
				list = append(list, tokenView(t, u.Login))
			}
		}
		return err
	})
	return list, err
}

// SetLabel names a token.
func (s *Service) SetLabel(ctx context.Context, c Caller, ref TokenRef, label string, rule LabelRule) (Token, error) {
	return s.changeToken(ctx, c, OpTokenLabel, ref, func(t *record.Token) error {
		t.Label = label
		return checkLabel(label, rule)
	})
}

// LabelRule is what a dialect asks of labels beyond the core's rule of 1 to 255
// bytes of UTF-8 without control characters.
type LabelRule struct {
	MaxChars int // 0 is no rule
}

func checkLabel(label string, rule LabelRule) error {
	n := utf8.RuneCountInString(label)
	switch {
	case !utf8.ValidString(label):
		return Errorf(BadInput, "the label is not UTF-8 text")
	case rule.MaxChars > 0 && (n < 1 || n > rule.MaxChars):
		return Errorf(BadInput, "the label has %d characters; give one of 1 to %d", n, rule.MaxChars)
	case len(label) < 1 || len(label) > maxName:
		return Errorf(BadInput, "the label has %d bytes; give one of 1 to %d", len(label), maxName)
	case strings.ContainsFunc(label, isControl):
		return Errorf(BadInput, "the label has a control character in it; leave it out")
	}
	return nil
}

// Complete ends the provisioning of a token, for good: its holder's applications
// see it from now on, and administrators no longer change what is on it. A token
// without a user PIN is refused (WrongState) unless withoutPIN is set, because
// nobody could ever log in to it.
func (s *Service) Complete(ctx context.Context, c Caller, ref TokenRef, withoutPIN bool) (Token, error) {
	return s.changeToken(ctx, c, OpTokenComplete, ref, func(t *record.Token) error {
		if !t.UserPIN.Set() && !withoutPIN {
			return Errorf(WrongState, "token %s has no user PIN, and cannot get one after it is complete; set one first with `vtoken token reset-pin`", t.ID)
		}
		t.Complete, t.Activation = true, record.Activated
		return nil
	})
}

// SetEnabled switches a token on or off. Applications do not see a token that is
// off. It is no error if the token is so already.
func (s *Service) SetEnabled(ctx context.Context, c Caller, ref TokenRef, on bool) (Token, error) {
	op := OpTokenDisable
	if on {
		op = OpTokenEnable
	}
	return s.changeToken(ctx, c, op, ref, func(t *record.Token) error {
		t.Enabled = on
		return nil
	})
}

// DeleteToken removes a token with its keys and certificates, for good.
func (s *Service) DeleteToken(ctx context.Context, c Caller, ref TokenRef) error {
	return s.update(ctx, func(tx Tx) error {
		t, _, err := c.token(tx, OpTokenDelete, ref)
		if err != nil {
			return err
		}
		return tx.DeleteToken(t.ID)
	})
}

// changeToken replaces the record of a token by what change makes of a copy.
func (s *Service) changeToken(ctx context.Context, c Caller, op Operation, ref TokenRef, change func(*record.Token) error) (Token, error) {
	var view Token
	err := s.update(ctx, func(tx Tx) error {
		t, u, err := c.token(tx, op, ref)
		if err != nil {
			return err
		}
		t = t.Clone()
		if err := change(t); err != nil {
			return err
		}
		if err := tx.PutToken(t); err != nil {
			return err
		}
		view = tokenView(t, u.Login)
		return nil
	})
	return view, err
}

// token reads the token that ref names and its holder, for an operation. It
// checks the caller, that all of ref exists and belongs together, and the state
// of the token, in this order.
func (c Caller) token(tx ReadTx, op Operation, ref TokenRef) (*record.Token, *record.User, error) {
	if err := c.mayDo(op); err != nil {
		return nil, nil, err
	}
	var holder record.UserID
	if ref.Tenant != "" {
		if err := c.authorize(op, ref.Tenant); err != nil {
			return nil, nil, err
		}
		if _, err := tenantOf(tx, ref.Tenant); err != nil {
			return nil, nil, err
		}
		if ref.User != "" {
			u, err := userOf(tx, ref.Tenant, ref.User)
			if err != nil {
				return nil, nil, err
			}
			holder = u.ID
		}
	}
	missing := Errorf(TokenNotFound, "there is no token %s there; list the tokens and check the id", ref.ID)
	t, err := tx.Token(ref.ID)
	if there, err := exists(err); err != nil {
		return nil, nil, err
	} else if !there || blank(t) || !c.sees(t.Tenant) || ref.Tenant != "" && t.Tenant != ref.Tenant || holder != "" && t.Assignment(holder) == nil {
		return nil, nil, missing
	}
	u, err := ownerOf(tx, t)
	if err != nil {
		return nil, nil, err
	}
	return t, u, op.allowed(t)
}

// ownerOf is the user who holds the token first, or a user without id and login
// where nobody does.
func ownerOf(tx ReadTx, t *record.Token) (*record.User, error) {
	if t.Owner() == "" {
		return &record.User{}, nil
	}
	u, err := tx.User(t.Owner())
	if err != nil {
		return nil, fmt.Errorf("reading the holder of token %s: %w", t.ID, err)
	}
	return u, nil
}
