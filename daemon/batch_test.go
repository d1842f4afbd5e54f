package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/keystore"
	"vtoken/keystore/kek/all"
	"vtoken/provisioning"
	"vtoken/provisioning/oath"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// importRows are rows of TOTP tokens, two for each user.
func importRows(many int) []provisioning.ImportRow {
	rows := make([]provisioning.ImportRow, many)
	for i := range rows {
		rows[i] = provisioning.ImportRow{
			Line: i + 2, Serial: fmt.Sprintf("%08d", i), User: fmt.Sprintf("user %d", i/2),
			Product: record.Product{Manufacturer: "DN", Model: "ST"}, OTP: provisioning.NewOTP{Seed: importSeed, Period: 30},
		}
	}
	return rows
}

var (
	importSeed    = secret.Bytes("12345678901234567890")
	importOptions = provisioning.BatchOptions{CreateUsers: true, Activation: record.Activated}
)

// TestImport imports many tokens into a real store, first with one row that is
// refused: then nothing is there.
func TestImport(t *testing.T) {
	const many = 1500
	core, tenant := realCore(t)
	rows, caller := importRows(many), provisioning.System("root")
	rows[many-1].OTP.Digits = 7
	report, err := core.ImportTokens(t.Context(), caller, tenant, rows, importOptions)
	if provisioning.KindOf(err) != provisioning.BadInput || len(report.Refused) != 1 || report.Refused[0].Line != many+1 {
		t.Fatalf("%v, %v", report.Refused, err)
	}
	page, err := core.ListTokens(t.Context(), caller, provisioning.TokenFilter{Tenant: tenant})
	if err != nil || len(page.Tokens) != 0 {
		t.Fatalf("%d tokens, %v", len(page.Tokens), err)
	}
	rows[many-1].OTP.Digits = 6
	if report, err = core.ImportTokens(t.Context(), caller, tenant, rows, importOptions); err != nil || len(report.Done) != many {
		t.Fatalf("%d tokens, %v", len(report.Done), err)
	}
	code, err := oath.Key{Seed: importSeed, Hash: oath.SHA1, Digits: 6}.Code(oath.Step(time.Now(), 30))
	require.NoError(t, err)
	ref := provisioning.TokenRef{Tenant: tenant, Serial: rows[many/2].Serial, User: rows[many/2].User}
	if _, err := core.VerifyOTP(t.Context(), caller, ref, provisioning.Code{Text: code}); err != nil {
		t.Error(err)
	}
}

// BenchmarkImport imports ten thousand rows into an empty store.
func BenchmarkImport(b *testing.B) {
	rows := importRows(10_000)
	for b.Loop() {
		b.StopTimer()
		core, tenant := realCore(b)
		b.StartTimer()
		if _, err := core.ImportTokens(b.Context(), provisioning.System("root"), tenant, rows, importOptions); err != nil {
			b.Fatal(err)
		}
	}
}

// realCore is a core on a store on disk.
func realCore(t testing.TB) (*provisioning.Service, record.TenantID) {
	t.Helper()
	s, err := keystore.Open(t.Context(), keystore.Options{
		Dir: filepath.Join(t.TempDir(), "data"), Providers: all.Providers(), Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
	})
	core := provisioning.New(coreStore{s}, provisioning.Options{})
	tenant, err := core.TenantNamed(t.Context(), provisioning.System("root"), record.DefaultTenant)
	require.NoError(t, err)
	return core, tenant.ID
}

// BenchmarkImportWithPINs is what a row with a PIN costs.
func BenchmarkImportWithPINs(b *testing.B) {
	core, tenant := realCore(b)
	rows := make([]provisioning.ImportRow, b.N)
	for i := range rows {
		rows[i] = provisioning.ImportRow{Line: i + 2, Serial: fmt.Sprintf("%08d", i), PIN: secret.Bytes("123456"), OTP: provisioning.NewOTP{Seed: importSeed}}
	}
	b.ResetTimer()
	if _, err := core.ImportTokens(b.Context(), provisioning.System("root"), tenant, rows, provisioning.BatchOptions{}); err != nil {
		b.Fatal(err)
	}
}
