package provisioning

import (
	"context"
	"slices"

	"vtoken/provisioning/seedfile"
	"vtoken/provisioning/text"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// AssignRow assigns one existing token to a user.
type AssignRow struct {
	Line   int // for the report
	Serial string
	// Product must be that of the token, where it is set.
	Product record.Product
	// User is a login, an alias or an id; Domain is that user's domain, or empty.
	User, Domain string
	// Suspended makes an assignment that is switched off.
	Suspended bool
	PIN       secret.Bytes // of the user role; nil leaves it
}

// AssignTokens assigns tokens to users as [Service.Assign] does: all rows, or none where
// one is refused (BadInput, with the report). The caller keeps the PINs and wipes them.
func (s *Service) AssignTokens(
	ctx context.Context, c Caller, tenant record.TenantID, rows []AssignRow, o BatchOptions,
) (BatchReport, error) {
	if err := c.authorize(OpTokenAssign, tenant); err != nil {
		return BatchReport{}, err
	}
	if o.CreateUsers {
		if err := c.authorize(OpUserCreate, tenant); err != nil {
			return BatchReport{}, err
		}
	}
	if err := checkBatch(len(rows)); err != nil {
		return BatchReport{}, err
	}
	b := &batch{s: s, ctx: ctx, options: o, report: BatchReport{Refused: slices.Clone(o.Refused)}, rows: len(rows),
		line: func(i int) (int, string) { return rows[i].Line, rows[i].Serial }}
	return b.outcome(b.assignAll(c, tenant, rows))
}

// assignAll tries all rows without PINs first, where that can save hashing PINs in vain.
func (b *batch) assignAll(c Caller, tenant record.TenantID, rows []AssignRow) error {
	hashed := make([]*record.Token, len(rows)) // with the new PIN, where there is one
	names, err := b.naming(c, tenant, func(i int) string { return rows[i].User })
	if err != nil {
		return err
	}
	take := func(tx Tx, i int) (BatchToken, error) {
		t, err := b.s.assignOne(tx, c, tenant, &rows[i], b.options, hashed[i], names)
		if err != nil {
			return BatchToken{}, err
		}
		return BatchToken{rows[i].Line, t.ID, t.Serial}, nil
	}
	if slices.ContainsFunc(rows, func(r AssignRow) bool { return r.PIN != nil }) || b.options.DryRun || len(b.report.Refused) > 0 {
		if err := b.run(true, take); err != nil || b.options.DryRun || len(b.report.Refused) > 0 {
			return err
		}
		done := b.report.Done
		err := b.parallel(func(i int) error {
			if rows[i].PIN == nil {
				return nil
			}
			hashed[i] = &record.Token{ID: done[i].ID, UserPIN: pin.State{Policy: b.s.opt.UserPIN}}
			return b.s.setPINs(b.ctx, c, hashed[i], map[pin.Role]secret.Bytes{pin.User: rows[i].PIN})
		})
		if err != nil {
			return err
		}
	}
	return b.run(false, take)
}

// assignOne assigns one token of a batch. hashed is a token with the new PIN, or nil.
func (s *Service) assignOne(
	tx Tx, c Caller, tenant record.TenantID, r *AssignRow, o BatchOptions, hashed *record.Token, names naming,
) (*record.Token, error) {
	old, err := s.find(tx, c, OpTokenAssign, TokenRef{Tenant: tenant, Serial: r.Serial})
	if err != nil {
		return nil, err
	}
	t := old.Clone()
	if p := r.Product; p.Manufacturer != "" && p.Manufacturer != t.Product.Manufacturer || p.Model != "" && p.Model != t.Product.Model {
		return nil, Errorf(TokenNotFound, "the token is a %q of %q and not a %q of %q",
			text.Clip(t.Product.Model), text.Clip(t.Product.Manufacturer), text.Clip(p.Model), text.Clip(p.Manufacturer))
	}
	u, err := s.holderOf(tx, c, NewToken{Tenant: tenant, User: r.User, CreateUser: o.CreateUsers}, names)
	if err != nil {
		return nil, err
	}
	if r.Domain != "" {
		if err := s.checkDomain(tx, u.ID, r.Domain); err != nil {
			return nil, err
		}
	}
	if err := s.assign(tx, c, t, Assign{User: r.User, Share: o.Share && len(t.Holders) > 0, Activation: o.Activation}); err != nil {
		return nil, err
	}
	t.Assignment(u.ID).Suspended = r.Suspended
	if err := s.batchPIN(t, r.PIN, hashed); err != nil {
		return nil, err
	}
	return t, tx.PutToken(t)
}

// batchPIN sets the PIN of a row on its token.
func (s *Service) batchPIN(t *record.Token, p secret.Bytes, hashed *record.Token) error {
	if p == nil {
		return nil
	}
	if err := s.checkRowPIN(p); err != nil {
		return err
	}
	if err := OpTokenResetPIN.allowed(t, s.now()); err != nil {
		return err
	}
	if t.PINBound {
		return Errorf(NotSupported, "the token is PIN-bound; set its PIN by itself")
	}
	if hashed != nil {
		t.UserPIN = t.UserPIN.Change(hashed.UserPIN.Verifier, s.now())
	}
	return nil
}

// AssignRows returns the rows of an assignment file. They share its PINs. Status is
// ACTIVE or empty, or INACTIVE or DISABLED for an assignment that is switched off; other
// rows are among the refused.
func AssignRows(f *seedfile.File) (rows []AssignRow, refused []seedfile.Problem) {
	for _, a := range f.Assignments {
		off, known := statuses[a.Status]
		if !known {
			refused = append(refused, seedfile.Problem{Line: a.Line, Serial: a.Serial, Reason: "there is no status " + text.Clip(a.Status) + "; it is ACTIVE, INACTIVE or DISABLED"})
			continue
		}
		rows = append(rows, AssignRow{
			Line: a.Line, Serial: a.Serial, Product: record.Product{Manufacturer: a.Manufacturer, Model: a.Model},
			User: a.Login, Domain: a.Domain, Suspended: off, PIN: a.PIN,
		})
	}
	return rows, refused
}

// statuses are the words for the state of an assignment, and whether it is
// switched off.
var statuses = map[string]bool{"": false, "ACTIVE": false, "INACTIVE": true, "DISABLED": true}
