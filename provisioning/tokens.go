package provisioning

import (
	"context"
	"strconv"
	"unicode/utf8"

	"vtoken/provisioning/text"
	"vtoken/vtoken/record"
)

// Token returns one token.
func (s *Service) Token(ctx context.Context, c Caller, ref TokenRef) (Token, error) {
	var view Token
	err := s.view(ctx, func(tx ReadTx) error {
		t, err := s.token(tx, c, OpTokenGet, ref)
		if err == nil {
			view, err = s.tokenView(tx, t, nil)
		}
		return err
	})
	return view, err
}

// TokensByID returns the tokens with these ids, in their order. One that does not exist
// is TokenNotFound.
func (s *Service) TokensByID(ctx context.Context, c Caller, tenant record.TenantID, ids []record.TokenID) ([]Token, error) {
	list := make([]Token, 0, len(ids))
	err := s.view(ctx, func(tx ReadTx) error {
		list = list[:0]
		users := map[record.UserID]*record.User{}
		for _, id := range ids {
			t, err := s.token(tx, c, OpTokenGet, TokenRef{Tenant: tenant, ID: id})
			if err != nil {
				return err
			}
			view, err := s.tokenView(tx, t, users)
			if err != nil {
				return err
			}
			list = append(list, view)
		}
		return nil
	})
	return list, err
}

// TokensOf lists all tokens that a user holds, alone or with others, by slot id.
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
		users := map[record.UserID]*record.User{u.ID: u}
		for _, t := range all {
			if isBlank(t) {
				continue
			}
			view, err := s.tokenView(tx, t, users)
			if err != nil {
				return err
			}
			list = append(list, view)
		}
		return err
	})
	return list, err
}

// SetLabel sets the label of a token.
func (s *Service) SetLabel(ctx context.Context, c Caller, ref TokenRef, label string, rule LabelRule) (Token, error) {
	return s.changeToken(ctx, c, OpTokenLabel, ref, func(t *record.Token) error {
		t.Label = label
		return checkLabel(label, rule)
	})
}

// LabelRule is what a dialect requires of labels beyond the core's rule: 1 to 255 bytes
// of UTF-8 without deceptive characters.
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
	case len(label) < 1 || len(label) > text.MaxName:
		return Errorf(BadInput, "the label has %d bytes; give one of 1 to %d", len(label), text.MaxName)
	}
	return checkClear("label", label)
}

// Complete ends the provisioning of a token, for good: its holder's applications see it
// from now on, and administrators no longer change its contents. A token without a user
// PIN is refused (WrongState) unless withoutPIN is set, because nobody could ever log in
// to it.
func (s *Service) Complete(ctx context.Context, c Caller, ref TokenRef, withoutPIN bool) (Token, error) {
	view, err := s.changeToken(ctx, c, OpTokenComplete, ref, func(t *record.Token) error {
		if !t.UserPIN.Set() && !withoutPIN {
			return Errorf(WrongState,
				"token %s has no user PIN, and cannot get one after it is complete; set one first with `vtoken token reset-pin`",
				t.ID)
		}
		t.Complete = true
		setActivation(t, record.Activated)
		return nil
	})
	if err == nil {
		s.fresh.drop(view.ID)
	}
	return view, err
}

// DeleteToken deletes a token with its keys and certificates.
func (s *Service) DeleteToken(ctx context.Context, c Caller, ref TokenRef) error {
	return s.update(ctx, func(tx Tx) error {
		t, err := s.token(tx, c, OpTokenDelete, ref)
		if err != nil {
			return err
		}
		return tx.DeleteToken(t.ID)
	})
}

// changeToken applies change to a copy of a token's record and stores it.
func (s *Service) changeToken(
	ctx context.Context, c Caller, op Operation, ref TokenRef, change func(*record.Token) error,
) (Token, error) {
	return s.changeIn(ctx, c, op, ref, func(_ Tx, t *record.Token) error { return change(t) })
}

// changeIn is changeToken for changes that need the transaction.
func (s *Service) changeIn(
	ctx context.Context, c Caller, op Operation, ref TokenRef, change func(Tx, *record.Token) error,
) (Token, error) {
	return s.changeFound(ctx, c, op, ref, func(tx Tx, t *record.Token) error {
		if err := op.allowed(t, s.now()); err != nil {
			return err
		}
		return change(tx, t)
	})
}

// changeFound is changeIn without a check of the token's state.
func (s *Service) changeFound(
	ctx context.Context, c Caller, op Operation, ref TokenRef, change func(Tx, *record.Token) error,
) (Token, error) {
	var view Token
	err := s.update(ctx, func(tx Tx) error {
		t, err := s.find(tx, c, op, ref)
		if err != nil {
			return err
		}
		t = t.Clone()
		if err := change(tx, t); err != nil {
			return err
		}
		if err := tx.PutToken(t); err != nil {
			return err
		}
		view, err = s.tokenView(tx, t, nil)
		return err
	})
	return view, err
}

// token reads the token that ref names, for an operation. It checks, in this order, the
// caller, that everything in ref exists and belongs together, and the state of the token.
func (s *Service) token(tx ReadTx, c Caller, op Operation, ref TokenRef) (*record.Token, error) {
	t, err := s.find(tx, c, op, ref)
	if err != nil {
		return nil, err
	}
	return t, op.allowed(t, s.now())
}

// find is token without a check of the token's state.
func (s *Service) find(tx ReadTx, c Caller, op Operation, ref TokenRef) (*record.Token, error) {
	if err := c.mayDo(op); err != nil {
		return nil, err
	}
	var holder record.UserID
	if ref.Tenant != "" {
		if err := c.authorize(op, ref.Tenant); err != nil {
			return nil, err
		}
		if _, err := tenantOf(tx, ref.Tenant); err != nil {
			return nil, err
		}
		if ref.User != "" {
			u, err := userOf(tx, ref.Tenant, ref.User)
			if err != nil {
				return nil, err
			}
			holder = u.ID
		}
	}
	t, err := ref.read(tx)
	if found, err := exists(err); err != nil {
		return nil, err
	} else if !found || isBlank(t) || !c.sees(t.Tenant) || ref.Tenant != "" && t.Tenant != ref.Tenant || holder != "" && t.Assignment(holder) == nil {
		return nil, Errorf(TokenNotFound, "there is no token %s there; list the tokens and check the id", ref)
	}
	return t, nil
}

// read reads the token by its id, or else by its serial number.
func (r TokenRef) read(tx ReadTx) (*record.Token, error) {
	if r.ID == "" && r.Serial != "" && r.Tenant != "" {
		return tx.TokenBySerial(r.Tenant, r.Serial)
	}
	return tx.Token(r.ID)
}

// String returns the id or the serial number, for messages.
func (r TokenRef) String() string {
	if r.ID == "" {
		return strconv.Quote(text.Clip(r.Serial))
	}
	return string(r.ID)
}
