package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"vtoken/keystore"
	"vtoken/keystore/kek/all"
	"vtoken/provisioning"
	"vtoken/provisioning/oath"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// TestImportOfTenThousand imports ten thousand tokens into a real store, first
// with one row that is refused: then nothing is there.
func TestImportOfTenThousand(t *testing.T) {
	const many = 10_000
	core, tenant := realCore(t)
	seed := secret.Bytes("12345678901234567890")
	rows := make([]provisioning.ImportRow, many)
	for i := range rows {
		rows[i] = provisioning.ImportRow{
			Line: i + 2, Serial: fmt.Sprintf("%08d", i), User: fmt.Sprintf("user %d", i/2), PIN: nil,
			Product: record.Product{Manufacturer: "DN", Model: "ST"}, OTP: provisioning.NewOTP{Seed: seed, Period: 30},
		}
	}
	o := provisioning.BatchOptions{CreateUsers: true, Activation: record.Activated}
	caller := provisioning.System("root")
	rows[many-1].OTP.Digits = 7
	began := time.Now()
	report, err := core.ImportTokens(t.Context(), caller, tenant, rows, o)
	if provisioning.KindOf(err) != provisioning.BadInput || len(report.Refused) != 1 || report.Refused[0].Line != many+1 {
		t.Fatalf("%v, %v", report.Refused, err)
	}
	t.Logf("%d rows of which one is refused: %v", many, time.Since(began).Round(time.Millisecond))
	page, err := core.ListTokens(t.Context(), caller, provisioning.TokenFilter{Tenant: tenant})
	if err != nil || len(page.Tokens) != 0 {
		t.Fatalf("%d tokens, %v", len(page.Tokens), err)
	}
	rows[many-1].OTP.Digits = 6
	began = time.Now()
	if report, err = core.ImportTokens(t.Context(), caller, tenant, rows, o); err != nil || len(report.Done) != many {
		t.Fatalf("%d tokens, %v", len(report.Done), err)
	}
	t.Logf("%d rows: %v", many, time.Since(began).Round(time.Millisecond))
	code, err := oath.Key{Seed: seed, Hash: oath.SHA1, Digits: 6}.Code(oath.Step(time.Now(), 30))
	if err != nil {
		t.Fatal(err)
	}
	ref := provisioning.TokenRef{Tenant: tenant, Serial: rows[many/2].Serial, User: rows[many/2].User}
	if _, err := core.VerifyOTP(t.Context(), caller, ref, provisioning.Code{Text: code}); err != nil {
		t.Error(err)
	}
}

// realCore is a core on a store on disk.
func realCore(t testing.TB) (*provisioning.Service, record.TenantID) {
	t.Helper()
	s, err := keystore.Open(t.Context(), keystore.Options{
		Dir: filepath.Join(t.TempDir(), "data"), Providers: all.Providers(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	core := provisioning.New(coreStore{s}, provisioning.Options{})
	tenant, err := core.TenantNamed(t.Context(), provisioning.System("root"), record.DefaultTenant)
	if err != nil {
		t.Fatal(err)
	}
	return core, tenant.ID
}

// BenchmarkImportWithPINs is what a row with a PIN costs.
func BenchmarkImportWithPINs(b *testing.B) {
	core, tenant := realCore(b)
	rows := make([]provisioning.ImportRow, b.N)
	for i := range rows {
		rows[i] = provisioning.ImportRow{Line: i + 2, Serial: fmt.Sprintf("%08d", i), PIN: secret.Bytes("123456"), OTP: provisioning.NewOTP{Seed: secret.Bytes("12345678901234567890")}}
	}
	b.ResetTimer()
	if _, err := core.ImportTokens(b.Context(), provisioning.System("root"), tenant, rows, provisioning.BatchOptions{}); err != nil {
		b.Fatal(err)
	}
}
