package dualshield

import (
	"context"
	"fmt"
	"strings"

	"vtoken/provisioning"
	"vtoken/provisioning/seedfile"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// importTokens imports the seeds of a file into the inventory, all or none.
func (d *Dialect) importTokens(in *call) (any, error) {
	if err := in.only("attrs", "return"); err != nil {
		return nil, err
	}
	a, err := in.attrs()
	if err != nil {
		return nil, err
	}
	if err := a.only("product.id", "product.manufacturercode", "product.productcode", "repository.id", "data", "password"); err != nil {
		return nil, err
	}
	wanted, err := in.returns()
	if err != nil {
		return nil, err
	}
	f, err := readSeeds(in.ctx, a)
	if err != nil {
		return nil, err
	}
	defer f.Wipe()
	rows := provisioning.ImportRows(f)
	repository, err := a.text("repository.id")
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].Product.Repository = repository
	}
	report, err := d.core.ImportTokens(in.ctx, in.caller, in.caller.Tenant, rows, provisioning.BatchOptions{Refused: f.Problems})
	if err != nil {
		return nil, refused(err, report)
	}
	ids := make([]record.TokenID, len(report.Done))
	for i, done := range report.Done {
		ids[i] = done.ID
	}
	made, err := d.core.TokensByID(in.ctx, in.caller.WithView(), in.caller.Tenant, ids)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, t := range made {
		row, err := wanted.pick(tokenAttrs(t), collections(t))
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return map[string]any{"total": len(out), "rows": out}, nil
}

// readSeeds reads the file of an import. If the call names a product, the tokens in the
// file must be of it.
func readSeeds(ctx context.Context, a attrs) (*seedfile.File, error) {
	data, err := a.need("data")
	if err != nil {
		return nil, err
	}
	password, err := a.text("password")
	if err != nil {
		return nil, err
	}
	f, err := seedfile.Read(ctx, seedfile.SeedXML, []byte(data), seedfile.Options{Password: secret.Bytes(password)})
	if err != nil {
		return nil, provisioning.Errorf(provisioning.BadInput, "the file cannot be read: %v", err)
	}
	if err := ofProduct(a, f); err != nil {
		f.Wipe()
		return nil, err
	}
	return f, nil
}

// ofProduct refuses a file with tokens of another product than the call names, by its id
// or its codes.
func ofProduct(a attrs, f *seedfile.File) error {
	names := []string{"product.id", "product.manufacturercode", "product.productcode"}
	for i, of := range []func(seedfile.Token) string{
		func(t seedfile.Token) string { return t.Manufacturer + "/" + t.Model },
		func(t seedfile.Token) string { return t.Manufacturer },
		func(t seedfile.Token) string { return t.Model },
	} {
		want, err := a.text(names[i])
		if err != nil {
			return err
		}
		for _, t := range f.Tokens {
			if own := of(t); want != "" && own != want {
				return provisioning.Errorf(provisioning.BadInput, "the file has %.40q for %s, and not %.40q",
					own, names[i], want)
			}
		}
	}
	return nil
}

// batchAssign assigns the tokens of a CSV file to users, all or none.
func (d *Dialect) batchAssign(in *call) (any, error) {
	if err := in.only("attrs"); err != nil {
		return nil, err
	}
	a, err := in.attrs()
	if err != nil {
		return nil, err
	}
	if err := a.only("csv", "charset"); err != nil {
		return nil, err
	}
	csv, err := a.need("csv")
	if err != nil {
		return nil, err
	}
	charset, err := a.text("charset")
	if err != nil {
		return nil, err
	}
	f, err := seedfile.Read(in.ctx, seedfile.Batch, []byte(csv), seedfile.Options{Charset: charset})
	if err != nil {
		return nil, provisioning.Errorf(provisioning.BadInput, "the CSV file cannot be read: %v", err)
	}
	defer f.Wipe()
	rows, bad := provisioning.AssignRows(f)
	o := provisioning.BatchOptions{Share: true, Activation: record.Activated, Refused: append(bad, f.Problems...)}
	report, err := d.core.AssignTokens(in.ctx, in.caller, in.caller.Tenant, rows, o)
	return nil, refused(err, report)
}

// maxTold is how many refused rows an error lists.
const maxTold = 20

// refused adds the reasons of refused rows to an error.
func refused(err error, report provisioning.BatchReport) error {
	if err == nil || len(report.Refused) == 0 {
		return err
	}
	var lines []string
	for i, p := range report.Refused {
		if i == maxTold {
			lines = append(lines, fmt.Sprintf("and %d more", len(report.Refused)-maxTold))
			break
		}
		lines = append(lines, p.String())
	}
	return provisioning.Errorf(provisioning.KindOf(err), "nothing was changed, for these rows are refused: %s",
		strings.Join(lines, "; "))
}
