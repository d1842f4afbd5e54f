package directory_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/directory"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// random is a token of few and similar values, so that criteria meet some.
func random(rng *rand.Rand, slot uint64) *record.Token {
	t := &record.Token{
		ID: record.TokenID(fmt.Sprint("id", slot)), Tenant: record.TenantID(fmt.Sprint("tenant", rng.IntN(2))),
		Slot: ck.SlotID(slot), Serial: fmt.Sprintf("%06d", rng.IntN(1000)), Label: []string{"Alice's card", "ALICE", "käse", "x"}[rng.IntN(4)],
		Initialized: true, Enabled: rng.IntN(3) > 0, Activation: []record.Activation{"", "pending", "activated"}[rng.IntN(3)],
		CreatedAt: epoch.Add(time.Duration(rng.IntN(50)) * time.Hour), Version: 1,
	}
	if rng.IntN(2) == 0 {
		t.LastUsedAt = epoch.Add(time.Duration(rng.IntN(50)) * time.Minute)
	}
	for range rng.IntN(3) {
		if u := record.UserID(fmt.Sprint("user", rng.IntN(4))); t.Assignment(u) == nil {
			t.Holders = append(t.Holders, record.Assignment{User: u, At: epoch.Add(time.Duration(rng.IntN(30)) * time.Minute)})
		}
	}
	if len(t.Holders) == 0 && rng.IntN(2) == 0 {
		t.Groups = []record.GroupID{record.GroupID(fmt.Sprint("group", rng.IntN(2)))}
	}
	return t
}

// criterion is a random condition and what it means.
func criterion(rng *rand.Rand) (directory.Criterion, func(*record.Token) bool) {
	serial := fmt.Sprintf("%06d", rng.IntN(1000))
	part := serial[rng.IntN(3):]
	user := fmt.Sprint("user", rng.IntN(4))
	at := epoch.Add(time.Duration(rng.IntN(50)) * time.Hour)
	lower := func(t *record.Token) string { return strings.ToLower(t.Label) }
	type c = directory.Criterion
	choices := []struct {
		c  c
		is func(*record.Token) bool
	}{
		{c{Field: directory.Serial, Op: directory.Equals, Value: serial}, func(t *record.Token) bool { return t.Serial == serial }},
		{c{Field: directory.Serial, Op: directory.NotEquals, Value: serial}, func(t *record.Token) bool { return t.Serial != serial }},
		{c{Field: directory.Serial, Op: directory.Contains, Value: part}, func(t *record.Token) bool { return strings.Contains(t.Serial, part) }},
		{c{Field: directory.Serial, Op: directory.NotContains, Value: part}, func(t *record.Token) bool { return !strings.Contains(t.Serial, part) }},
		{c{Field: directory.Serial, Op: directory.StartsWith, Value: part}, func(t *record.Token) bool { return strings.HasPrefix(t.Serial, part) }},
		{c{Field: directory.Serial, Op: directory.EndsWith, Value: part}, func(t *record.Token) bool { return strings.HasSuffix(t.Serial, part) }},
		{c{Field: directory.Serial, Op: directory.Like, Value: "0%" + part}, func(t *record.Token) bool { return t.Serial[0] == '0' && strings.HasSuffix(t.Serial[1:], part) }},
		{c{Field: directory.Label, Op: directory.Contains, Value: "lic"}, func(t *record.Token) bool { return strings.Contains(lower(t), "lic") }},
		{c{Field: directory.Label, Op: directory.Contains, Value: "ÄS"}, func(t *record.Token) bool { return strings.Contains(lower(t), "äs") }},
		{c{Field: directory.Label, Op: directory.Like, Value: "%a%c%"}, func(t *record.Token) bool {
			_, rest, found := strings.Cut(lower(t), "a")
			return found && strings.Contains(rest, "c")
		}},
		{c{Field: directory.Held, Value: "true"}, func(t *record.Token) bool { return len(t.Holders) > 0 }},
		{c{Field: directory.Holder, Value: user}, func(t *record.Token) bool { return t.Assignment(record.UserID(user)) != nil }},
		{c{Field: directory.Holder, Op: directory.In, Values: []string{user, "user0"}}, func(t *record.Token) bool {
			return t.Assignment(record.UserID(user)) != nil || t.Assignment("user0") != nil
		}},
		{c{Field: directory.Holder, Op: directory.NotEquals, Value: user}, func(t *record.Token) bool { return t.Assignment(record.UserID(user)) == nil }},
		{c{Field: directory.Group, Value: "group1"}, func(t *record.Token) bool { return len(t.Groups) == 1 && t.Groups[0] == "group1" }},
		{c{Field: directory.Group, Op: directory.Exists}, func(t *record.Token) bool { return len(t.Groups) > 0 }},
		{c{Field: directory.LastUsed, Op: directory.NotExists}, func(t *record.Token) bool { return t.LastUsedAt.IsZero() }},
		{c{Field: directory.Created, Op: directory.GreaterThan, Value: at.Format(time.RFC3339)}, func(t *record.Token) bool { return t.CreatedAt.After(at) }},
		{c{Field: directory.Created, Op: directory.GreaterThanOrEqual, Value: at.Format(time.RFC3339)}, func(t *record.Token) bool { return !t.CreatedAt.Before(at) }},
		{c{Field: directory.Created, Op: directory.LessThan, Value: at.Format(time.RFC3339)}, func(t *record.Token) bool { return t.CreatedAt.Before(at) }},
		{c{Field: directory.Created, Op: directory.LessThanOrEqual, Value: at.Format(time.RFC3339)}, func(t *record.Token) bool { return !t.CreatedAt.After(at) }},
		{c{Field: directory.Enabled, Value: "false"}, func(t *record.Token) bool { return !t.Enabled }},
		{c{Field: directory.Activation, Value: "pending"}, func(t *record.Token) bool { return t.Activation == record.ActivationPending }},
		{c{Field: directory.State, Value: directory.StateUnassigned}, func(t *record.Token) bool { return len(t.Holders) == 0 }},
	}
	one := choices[rng.IntN(len(choices))]
	return one.c, one.is
}

// The directory against a plain filter and sort, over random tokens, changes and
// searches, page by page in both directions.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 1))
		d, model := directory.New(), map[record.TokenID]*record.Token{}
		for slot := range uint64(300) {
			tok := random(rng, slot+1)
			model[tok.ID] = tok
			d.Add(tok)
		}
		d.Full()
		for range 300 {
			change(rng, d, model)
			compare(t, rng, d, model)
			compareUses(t, rng, d, model)
		}
	}
}

// change replaces or deletes a token.
func change(rng *rand.Rand, d *directory.Directory, model map[record.TokenID]*record.Token) {
	slot := uint64(rng.IntN(320) + 1)
	id := record.TokenID(fmt.Sprint("id", slot))
	old := model[id]
	if old != nil && rng.IntN(8) == 0 {
		delete(model, id)
		d.Apply([]record.Change{{TokenID: id, Deleted: true}})
		return
	}
	tok := random(rng, slot)
	if old != nil {
		tok.Tenant, tok.Version = old.Tenant, old.Version+1
	}
	model[id] = tok
	d.Apply([]record.Change{{TokenID: id, Token: tok}})
	stale := *tok
	stale.Serial, stale.Version = "stale", tok.Version-1
	d.Add(&stale)
}

func compare(t *testing.T, rng *rand.Rand, d *directory.Directory, model map[record.TokenID]*record.Token) {
	t.Helper()
	q := directory.Query{
		Tenant: "tenant1", OrderBy: []directory.Field{directory.Slot, directory.Serial, directory.Created, directory.LastUsed}[rng.IntN(4)],
		Descending: rng.IntN(2) == 0, Limit: 1 + rng.IntN(20),
	}
	var is []func(*record.Token) bool
	for range rng.IntN(3) {
		c, fits := criterion(rng)
		q.Where, is = append(q.Where, c), append(is, fits)
	}
	var want []*record.Token
	for _, tok := range model {
		fits := tok.Tenant == q.Tenant && (q.OrderBy != directory.LastUsed || !tok.LastUsedAt.IsZero())
		for _, f := range is {
			fits = fits && f(tok)
		}
		if fits {
			want = append(want, tok)
		}
	}
	slices.SortFunc(want, func(a, b *record.Token) int {
		n := map[directory.Field]int{
			directory.Slot: 0, directory.Serial: cmp.Compare(a.Serial, b.Serial),
			directory.Created: a.CreatedAt.Compare(b.CreatedAt), directory.LastUsed: a.LastUsedAt.Compare(b.LastUsedAt),
		}[q.OrderBy]
		n = cmp.Or(n, cmp.Compare(a.Slot, b.Slot))
		if q.Descending {
			n = -n
		}
		return n
	})
	if n, err := d.Count(q); err != nil || n != len(want) {
		t.Fatalf("%+v: %d tokens fit, want %d (%v)", q, n, len(want), err)
	}
	got := []record.TokenID{}
	if q.Skip = rng.IntN(5); q.Skip <= len(want) {
		want = want[q.Skip:]
	} else {
		want = nil
	}
	for {
		hits, err := d.Search(q)
		require.NoError(t, err)
		for _, h := range hits {
			got = append(got, h.ID)
		}
		if len(hits) < q.Limit {
			break
		}
		q.After, q.Skip = &hits[len(hits)-1].Place, 0
	}
	ids := []record.TokenID{}
	for _, tok := range want {
		ids = append(ids, tok.ID)
	}
	if !slices.Equal(got, ids) {
		t.Fatalf("%+v: found %v, want %v", q, got, ids)
	}
}

// What makes no sense is refused.
// compareUses compares when users last used a token with a walk through all.
func compareUses(t *testing.T, rng *rand.Rand, d *directory.Directory, model map[record.TokenID]*record.Token) {
	t.Helper()
	since := epoch.Add(time.Duration(rng.IntN(50)) * time.Minute)
	if rng.IntN(4) == 0 {
		since = time.Time{}
	}
	want := map[record.UserID]time.Time{}
	for _, token := range model {
		at := token.LastUsedAt
		if token.Tenant != "tenant0" || at.IsZero() || at.Before(since) {
			continue
		}
		for _, a := range token.Holders {
			if !at.Before(a.At) && at.After(want[a.User]) {
				want[a.User] = at
			}
		}
	}
	if got := d.LastUses("tenant0", since); !maps.Equal(got, want) {
		t.Fatalf("since %v users were there at %v, want %v", since, got, want)
	}
}

func TestBadQueries(t *testing.T) {
	d := directory.New()
	for _, q := range []directory.Query{
		{OrderBy: directory.Holder, Limit: 1},
		{Limit: 0},
		{Limit: 1, Where: []directory.Criterion{{Field: -1}}},
		{Limit: 1, Where: []directory.Criterion{{Field: directory.Serial, Op: 99}}},
		{Limit: 1, Where: []directory.Criterion{{Field: directory.Created, Value: "yesterday"}}},
		{Limit: 1, Where: []directory.Criterion{{Field: directory.Slot, Value: "-1"}}},
	} {
		if hits, err := d.Search(q); err == nil {
			t.Errorf("%+v: %v", q, hits)
		}
	}
}

// A token that was deleted while the directory is filled does not come back.
func TestDeletedMeanwhile(t *testing.T) {
	d := directory.New()
	tok := random(rand.New(rand.NewPCG(1, 1)), 1)
	d.Apply([]record.Change{{TokenID: tok.ID, Deleted: true}})
	d.Add(tok)
	d.Full()
	if hits, err := d.Search(directory.Query{Tenant: tok.Tenant, Limit: 1}); err != nil || len(hits) > 0 {
		t.Errorf("found %v, %v", hits, err)
	}
}

func BenchmarkSearch(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	d := directory.New()
	for slot := range uint64(100_000) {
		tok := random(rng, slot+1)
		tok.Tenant, tok.Serial = "t", fmt.Sprintf("%016X", rng.Uint64())
		d.Add(tok)
	}
	d.Full()
	for name, where := range map[string][]directory.Criterion{
		"all":             nil,
		"serial":          {{Field: directory.Serial, Value: "0123456789ABCDEF"}},
		"part of serial":  {{Field: directory.Serial, Op: directory.Contains, Value: "ABCDE"}},
		"short part":      {{Field: directory.Serial, Op: directory.Contains, Value: "AB"}},
		"state":           {{Field: directory.State, Value: directory.StateActive}},
		"nothing":         {{Field: directory.State, Value: directory.StateDeceased}},
		"two large sets":  {{Field: directory.State, Value: directory.StateActive}, {Field: directory.Serial, Op: directory.EndsWith, Value: "000"}},
		"created, no hit": {{Field: directory.Created, Op: directory.GreaterThan, Value: "2030-01-01T00:00:00Z"}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := d.Search(directory.Query{Tenant: "t", Where: where, OrderBy: directory.Serial, Limit: 101})
				require.NoError(b, err)
			}
		})
	}
}
