package provisioning_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/seedfile"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

const seedHex = "3132333435363738393031323334353637383930"

// importCSV reads a file and imports it.
func (w *world) importCSV(file string, o provisioning.BatchOptions) (provisioning.BatchReport, error) {
	w.t.Helper()
	f, err := seedfile.Read(w.t.Context(), seedfile.CSV, []byte(file), seedfile.Options{})
	require.NoError(w.t, err)
	o.Refused = f.Problems
	return w.core.ImportTokens(w.t.Context(), w.admin, w.tenant, provisioning.ImportRows(f), o)
}

func TestImportTokens(t *testing.T) {
	w := newWorld(t)
	const file = "serial,seed,period,digits,manufacturerCode,productCode,loginName,domain,pin,description\n" +
		"A1," + seedHex + ",30,8,DN,ST,,,,first\n" +
		"A2," + seedHex + ",,,DN,SE,bob,example.com,2468,\n"
	o := provisioning.BatchOptions{DryRun: true, CreateUsers: true, Activation: record.Activated}
	before := w.store.Commits()
	dry, err := w.importCSV(file, o)
	if err != nil || len(dry.Done) != 2 || dry.Done[1] != (provisioning.BatchToken{Line: 3, Serial: "A2"}) || w.store.Commits() != before {
		t.Fatalf("%+v, %v", dry, err)
	}
	steps := 0
	o.DryRun, o.Progress = false, func(done, total int) {
		if steps++; done < 0 || done > total || total != 2 {
			t.Errorf("%d of %d", done, total)
		}
	}
	got, err := w.importCSV(file, o)
	if err != nil || len(got.Done) != 2 || len(got.Refused) != 0 || steps == 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	first, err := w.core.Token(t.Context(), w.admin, provisioning.TokenRef{Tenant: w.tenant, Serial: "A1"})
	if err != nil || first.Label != "first" || first.OTP.Period != 30 || first.OTP.Digits != 8 || first.Product.Model != "ST" || !first.Product.Hardware || first.Holder != "" || first.Activation != record.ActivationNew {
		t.Errorf("%+v, %v", first, err)
	}
	second, err := w.core.Token(t.Context(), w.admin, provisioning.TokenRef{ID: got.Done[1].ID})
	if err != nil || second.Serial != "A2" || second.Login != "bob" || second.Activation != record.Activated || second.Holders[0].Domain != "example.com" {
		t.Errorf("%+v, %v", second, err)
	}
	if !w.store.HasPIN(second.ID, pin.User, secret.Bytes("2468")) {
		t.Error("the PIN is another one")
	}
	w.verify(provisioning.TokenRef{ID: second.ID}, rfcCode(t, 6, 0))
	again, err := w.importCSV(file, o)
	wantKind(t, err, provisioning.BadInput)
	if len(again.Refused) != 2 || len(again.Done) != 0 {
		t.Errorf("%+v", again)
	}
}

// One bad row refuses all, and the report has every bad one.
func TestImportIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	w.user("off", false)
	before := w.store.Commits()
	for _, dry := range []bool{true, false} {
		got, err := w.importCSV("serial,seed,digits,loginName,pin,expires,domain\n"+
			"B1,"+seedHex+",,,,,\n"+
			"B2,31,,,,,\n"+ // a short seed
			"B3,zz,,,,,\n"+ // no hexadecimal
			"B1,"+seedHex+",,,,,\n"+ // twice
			"B5,"+seedHex+",7,,,,\n"+
			"B6,"+seedHex+",,nobody,,,\n"+
			"B7,"+seedHex+",,alice,1,,\n"+ // a short PIN
			"B8,"+seedHex+",,,,2001-01-01T00:00:00Z,\n"+
			"B9,"+seedHex+",,off,,,\n"+
			strings.Repeat("x", 40)+","+seedHex+",,,,,\n", provisioning.BatchOptions{DryRun: dry})
		wantKind(t, err, provisioning.BadInput)
		var lines []string
		for _, p := range got.Refused {
			lines = append(lines, fmt.Sprint(p.Line))
		}
		if strings.Join(lines, " ") != "3 4 5 6 7 8 9 10 11" || len(got.Done) != 0 {
			t.Errorf("%v", got.Refused)
		}
		if text := fmt.Sprint(got, err); strings.Contains(text, seedHex[:10]) {
			t.Errorf("%s", text)
		}
	}
	if w.store.Commits() != before {
		t.Error("something changed")
	}
}

// user makes a user.
func (w *world) user(login string, enabled bool) {
	w.t.Helper()
	_, err := w.core.CreateUser(w.t.Context(), w.admin, w.tenant, login)
	require.NoError(w.t, err)
	_, err = w.core.SetUserEnabled(w.t.Context(), w.admin, w.tenant, login, enabled)
	require.NoError(w.t, err)
}

func TestImportBounds(t *testing.T) {
	w := newWorld(t)
	_, err := w.core.ImportTokens(t.Context(), w.admin, w.tenant, make([]provisioning.ImportRow, provisioning.MaxBatch+1), provisioning.BatchOptions{})
	wantKind(t, err, provisioning.TooLarge)
	_, err = w.core.AssignTokens(t.Context(), w.admin, w.tenant, make([]provisioning.AssignRow, provisioning.MaxBatch+1), provisioning.BatchOptions{})
	wantKind(t, err, provisioning.TooLarge)
	w.store.FillDisk()
	rows := []provisioning.ImportRow{{Line: 1, Serial: "1", OTP: provisioning.NewOTP{Seed: rfcSeed}}}
	report, err := w.core.ImportTokens(t.Context(), w.admin, w.tenant, rows, provisioning.BatchOptions{})
	wantKind(t, err, provisioning.StorageFull)
	if len(report.Done) != 0 {
		t.Errorf("%+v", report)
	}
	w.store.Fail(nil)
	ctx, cancel := context.WithCancel(t.Context())
	rows[0].PIN, rows = secret.Bytes("123456"), append(rows, provisioning.ImportRow{Line: 2, Serial: "2", OTP: provisioning.NewOTP{Seed: rfcSeed}})
	before := w.store.Commits()
	_, err = w.core.ImportTokens(ctx, w.admin, w.tenant, rows, provisioning.BatchOptions{Progress: func(int, int) { cancel() }})
	if err == nil || w.store.Commits() != before {
		t.Errorf("an import that was given up: %v", err)
	}
}

// assignCSV reads a file in the vendor's form and assigns it.
func (w *world) assignCSV(file string, o provisioning.BatchOptions) (provisioning.BatchReport, error) {
	w.t.Helper()
	f, err := seedfile.Read(w.t.Context(), seedfile.Batch, []byte("domain,loginName,manufacturerCode,productCode,serial,status,pin\n"+file), seedfile.Options{})
	require.NoError(w.t, err)
	rows, refused := provisioning.AssignRows(f)
	o.Refused = append(f.Problems, refused...)
	return w.core.AssignTokens(w.t.Context(), w.admin, w.tenant, rows, o)
}

func TestAssignTokens(t *testing.T) {
	w := newWorld(t)
	_, err := w.importCSV("serial,seed,manufacturerCode,productCode\nC1,"+seedHex+",DN,ST\nC2,"+seedHex+",DN,ST\nC3,"+seedHex+",DN,ST\n", provisioning.BatchOptions{})
	require.NoError(t, err)
	w.user("bob", true)
	o := provisioning.BatchOptions{Activation: record.Activated}
	before := w.store.Commits()
	bad, err := w.assignCSV(`"", "bob", "DN", "ST", "C1", "ACTIVE", "1234"
"", "bob", "DN", "MT", "C2", "", ""
"", "nobody", "DN", "ST", "C2", "", ""
"", "bob", "DN", "ST", "C9", "", ""
"", "bob", "DN", "ST", "C2", "BROKEN", ""
"", "bob", "DN", "ST", "C2", "", "1"
"", "", "DN", "ST", "C2", "", ""
`, o)
	wantKind(t, err, provisioning.BadInput)
	if len(bad.Refused) != 6 || bad.Refused[0].Line != 3 || w.store.Commits() != before {
		t.Errorf("%v", bad.Refused)
	}
	good := `"", "bob", "DN", "ST", "C1", "ACTIVE", "1234"` + "\n" + `"example.com", "alice", "", "", "C2", "DISABLED", ""` + "\n"
	o.DryRun = true
	dry, err := w.assignCSV(good, o)
	if err != nil || len(dry.Done) != 2 || w.store.Commits() != before {
		t.Fatalf("%+v, %v", dry, err)
	}
	o.DryRun = false
	got, err := w.assignCSV(good, o)
	if err != nil || len(got.Done) != 2 || w.store.Commits() != before+1 {
		t.Fatalf("%+v, %v", got, err)
	}
	one, err := w.core.Token(t.Context(), w.admin, provisioning.TokenRef{Tenant: w.tenant, Serial: "C1"})
	if err != nil || one.Login != "bob" || one.Activation != record.Activated || !w.store.HasPIN(one.ID, pin.User, secret.Bytes("1234")) {
		t.Errorf("%+v, %v", one, err)
	}
	two, err := w.core.Token(t.Context(), w.admin, provisioning.TokenRef{Tenant: w.tenant, Serial: "C2"})
	if err != nil || two.Login != "alice" || !two.Holders[0].Suspended || two.Holders[0].Domain != "example.com" {
		t.Errorf("%+v, %v", two, err)
	}
	if _, err = w.assignCSV(`"", "alice", "DN", "ST", "C1", "", ""`+"\n", o); provisioning.KindOf(err) != provisioning.BadInput {
		t.Errorf("a token that is held: %v", err)
	}
	o.Share = true
	if _, err = w.assignCSV(`"", "alice", "DN", "ST", "C1", "", ""`+"\n", o); err != nil {
		t.Error(err)
	}
	if _, err = w.assignCSV(`"elsewhere", "alice", "DN", "ST", "C3", "", ""`+"\n", o); provisioning.KindOf(err) != provisioning.BadInput {
		t.Errorf("a user of another domain: %v", err)
	}
}
