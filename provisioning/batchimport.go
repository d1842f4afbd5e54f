package provisioning

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vtoken/provisioning/seedfile"
	"vtoken/provisioning/text"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// ImportRow is one OTP token of a batch.
type ImportRow struct {
	Line      int // for the report
	Serial    string
	Label     string // empty is the serial number
	Product   record.Product
	OTP       NewOTP
	ExpiresAt time.Time
	// User and Domain are the holder, or empty for a token that waits to be
	// assigned. PIN is its first user PIN, or nil.
	User, Domain string
	PIN          secret.Bytes
}

// ImportRows returns the rows of a file that was read. They share its seeds and PINs.
// Seeds in a file make hardware tokens: a device with the seed exists already.
func ImportRows(f *seedfile.File) []ImportRow {
	rows := make([]ImportRow, len(f.Tokens))
	for i, t := range f.Tokens {
		rows[i] = ImportRow{
			Line: t.Line, Serial: t.Serial, Label: t.Description, ExpiresAt: t.ExpiresAt, User: t.Login, Domain: t.Domain, PIN: t.PIN,
			Product: record.Product{Manufacturer: t.Manufacturer, Model: t.Model, Hardware: true},
			OTP:     NewOTP{Seed: t.Seed, Hash: t.Hash, Digits: t.Digits, Period: t.Period, Counter: t.Counter, Drift: t.Drift, Window: min(t.Window, MaxWindow)},
		}
	}
	return rows
}

// ImportTokens creates OTP tokens: all rows, or none where one is refused (BadInput, with
// the report). The caller keeps the seeds and PINs and wipes them.
func (s *Service) ImportTokens(
	ctx context.Context, c Caller, tenant record.TenantID, rows []ImportRow, o BatchOptions,
) (BatchReport, error) {
	if err := c.authorize(OpTokensImport, tenant); err != nil {
		return BatchReport{}, err
	}
	if err := checkBatch(len(rows)); err != nil {
		return BatchReport{}, err
	}
	b := &batch{s: s, ctx: ctx, options: o, report: BatchReport{Refused: slices.Clone(o.Refused)}, rows: len(rows),
		line: func(i int) (int, string) { return rows[i].Line, rows[i].Serial }}
	made := make([]preparedToken, len(rows))
	defer func() {
		for _, m := range made {
			m.wipe()
		}
	}()
	return b.outcome(b.importAll(c, tenant, rows, made))
}

// importAll tries the cheap checks of all rows first, and hashes PINs when nothing else
// is wrong.
func (b *batch) importAll(c Caller, tenant record.TenantID, rows []ImportRow, made []preparedToken) error {
	list, err := b.prepare(c, tenant, rows, made)
	if err != nil {
		return err
	}
	names, err := b.naming(c, tenant, func(i int) string { return rows[i].User })
	if err != nil {
		return err
	}
	pins := slices.ContainsFunc(rows, func(r ImportRow) bool { return r.PIN != nil })
	take := func(tx Tx, i int) (BatchToken, error) {
		if made[i].token == nil {
			return BatchToken{}, nil // refused already
		}
		t, err := b.s.importOne(tx, c, list[i], made[i], rows[i].Domain, names)
		if err != nil {
			return BatchToken{}, err
		}
		return BatchToken{rows[i].Line, t.ID, t.Serial}, nil
	}
	if b.options.DryRun || pins || len(b.report.Refused) > 0 {
		err := b.run(true, take)
		for i := range b.report.Done { // these ids will not be
			b.report.Done[i].ID = ""
		}
		if err != nil || b.options.DryRun || len(b.report.Refused) > 0 {
			return err
		}
	}
	if pins {
		b.done = 0
		err := b.parallel(func(i int) error {
			if rows[i].PIN == nil {
				return nil
			}
			return b.s.setPINs(b.ctx, c, made[i].token, map[pin.Role]secret.Bytes{pin.User: rows[i].PIN})
		})
		if err != nil {
			return err
		}
	}
	return b.run(false, take)
}

// prepare makes the records and keys of the rows, without their PINs.
func (b *batch) prepare(c Caller, tenant record.TenantID, rows []ImportRow, made []preparedToken) ([]NewToken, error) {
	list := make([]NewToken, len(rows))
	seen := make(map[string]int, len(rows))
	return list, b.each(func(i int) (err error) {
		r := &rows[i]
		list[i] = r.token(tenant, b.options)
		if first, twice := seen[r.Serial]; twice && r.Serial != "" {
			return Errorf(Conflict, "line %d has the same serial number", first)
		}
		seen[r.Serial] = r.Line
		if err := b.s.checkRowPIN(r.PIN); err != nil {
			return err
		}
		made[i], err = b.s.newToken(b.ctx, c, list[i])
		return err
	})
}

// checkRowPIN checks the user PIN of a row; nil is none.
func (s *Service) checkRowPIN(p secret.Bytes) error {
	policy := s.opt.UserPIN
	if p != nil && policy.Check(p) != nil {
		return Errorf(BadInput, "the PIN does not fit: it must be UTF-8 text of %d to %d characters",
			policy.MinLen, policy.MaxLen)
	}
	return nil
}

// token converts the row into a request for a new token, without its PIN.
func (r *ImportRow) token(tenant record.TenantID, o BatchOptions) NewToken {
	n := NewToken{
		Tenant: tenant, User: r.User, Unassigned: r.User == "", CreateUser: o.CreateUsers, Label: r.Label, Serial: r.Serial,
		Kind: record.KindOTP, Product: r.Product, OTP: &r.OTP, ExpiresAt: r.ExpiresAt,
	}
	if r.User != "" {
		n.Activation = o.Activation
	}
	return n
}

// importOne stores one token of a batch.
func (s *Service) importOne(
	tx Tx, c Caller, n NewToken, made preparedToken, domain string, names naming,
) (*record.Token, error) {
	t, err := s.storeNew(tx, c, n, made, names)
	if err != nil || domain == "" || t.Owner() == "" {
		return t, err
	}
	return t, s.checkDomain(tx, t.Owner(), domain)
}

// checkDomain sets the domain of a user who has none, and refuses a user of another
// domain.
func (s *Service) checkDomain(tx Tx, id record.UserID, domain string) error {
	old, err := tx.User(id)
	if err != nil {
		return fmt.Errorf("reading the holder: %w", err)
	}
	switch old.Domain {
	case domain:
		return nil
	case "":
		u := *old
		u.Domain = domain
		return tx.PutUser(&u)
	}
	return Errorf(UserNotFound, "there is a user %q, but of another domain than %q", text.Clip(old.Login), text.Clip(domain))
}
