package main

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/directory"
	"vtoken/vtoken/record"
)

// manyTokens is how many tokens a large organisation has.
const manyTokens = 100_000

// BenchmarkManyTokens measures a real store of many tokens: how long the directory
// takes to fill when the daemon starts and what it needs of the memory, one page of
// several searches, and one change of a token.
func BenchmarkManyTokens(b *testing.B) {
	core, tenant := realCore(b)
	caller := provisioning.System("root")
	for at := 0; at < manyTokens; at += 10_000 {
		rows := make([]provisioning.ImportRow, 10_000)
		for i := range rows {
			n := at + i
			rows[i] = provisioning.ImportRow{
				Line: i + 1, Serial: fmt.Sprintf("%08d", n), Label: fmt.Sprintf("token %d of %d", n, n%977),
				Product: record.Product{Manufacturer: "DN", Model: []string{"MT", "ST", "SE"}[n%3]}, OTP: provisioning.NewOTP{Seed: importSeed, Period: 30},
			}
			if n%4 > 0 { // a quarter waits for a holder
				rows[i].User = fmt.Sprintf("user %d", n/2)
			}
		}
		if _, err := core.ImportTokens(b.Context(), caller, tenant, rows, importOptions); err != nil {
			b.Fatal(err)
		}
	}
	benchmarkFill(b, core)
	for _, q := range manySearches {
		q.search.Tenant, q.search.Limit = tenant, provisioning.DefaultPage
		b.Run(q.name, func(b *testing.B) {
			longest := time.Duration(0)
			for b.Loop() {
				began := time.Now()
				page, err := core.SearchTokens(b.Context(), caller, q.search)
				longest = max(longest, time.Since(began))
				if err != nil || len(page.Tokens) == 0 {
					b.Fatalf("%d tokens (%v)", len(page.Tokens), err)
				}
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest")
		})
	}
	b.Run("change", func(b *testing.B) { benchmarkChange(b, core, tenant) })
}

// manySearches are searches whose page is measured.
var manySearches = []struct {
	name   string
	search provisioning.TokenSearch
}{
	{"all", provisioning.TokenSearch{}},
	{"all by label, descending", provisioning.TokenSearch{OrderBy: directory.Label, Descending: true}},
	{"one serial", provisioning.TokenSearch{Where: where(directory.Serial, directory.Equals, "00054321")}},
	{"serials from", provisioning.TokenSearch{Where: where(directory.Serial, directory.GreaterThan, "00098765")}},
	{"part of a label", provisioning.TokenSearch{Where: where(directory.Label, directory.Contains, "oken 777")}},
	{"a rare part by time", provisioning.TokenSearch{Where: where(directory.Label, directory.EndsWith, " of 976"), OrderBy: directory.Created}},
	{"unassigned", provisioning.TokenSearch{Where: where(directory.State, directory.Equals, directory.StateUnassigned)}},
	{"a state and a model", provisioning.TokenSearch{Where: append(where(directory.State, directory.Equals, directory.StateActive), where(directory.Model, directory.Equals, "SE")...)}},
	{"far down the list", provisioning.TokenSearch{Skip: 50_000}},
	{"all with their number", provisioning.TokenSearch{Total: true}},
}

func where(f directory.Field, op directory.Operator, value string) []directory.Criterion {
	return []directory.Criterion{{Field: f, Op: op, Value: value}}
}

// benchmarkFill fills the directory, once, as a daemon that starts does.
func benchmarkFill(b *testing.B, core *provisioning.Service) {
	before, began := heap(), time.Now()
	require.NoError(b, core.Warm(b.Context()))
	took := time.Since(began)
	b.Run("fill", func(b *testing.B) {
		b.ReportMetric(float64(took.Milliseconds()), "ms")
		b.ReportMetric(float64(heap()-before)/manyTokens, "B/token")
	})
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what has finalizers goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// benchmarkChange switches one token off and on: the commit and the directory.
func benchmarkChange(b *testing.B, core *provisioning.Service, tenant record.TenantID) {
	on := false
	for b.Loop() {
		ref := provisioning.TokenRef{Tenant: tenant, Serial: "00050001"}
		if _, err := core.SetEnabled(b.Context(), provisioning.System("root"), ref, on, provisioning.EnableRule{}); err != nil {
			b.Fatal(err)
		}
		on = !on
	}
}
