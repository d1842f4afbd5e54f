package keystore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/kv/mem"
	"vtoken/keystore/schema"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// TestStoreWalk does random operations on a store and on a model of it: records are made,
// changed and deleted, PINs tried, keys rotated and renewed; commits fail, the counter
// fails, the program is killed; the whole store, single records and single tokens are put
// back to what they were, while it is closed and while it is open. What was acknowledged is
// there, what failed is not, what was taken back is refused or told, and nothing else is.
//
// STORE_OPS is how many operations there are, STORE_TIME how long it goes on at least, and
// STORE_SEED repeats a walk.
func TestStoreWalk(t *testing.T) {
	ops, err := strconv.Atoi(cmpOr(os.Getenv("STORE_OPS"), "30000"))
	require.NoError(t, err)
	most, err := time.ParseDuration(cmpOr(os.Getenv("STORE_TIME"), "0s"))
	require.NoError(t, err)
	seed, err := strconv.ParseUint(cmpOr(os.Getenv("STORE_SEED"), strconv.FormatUint(rand.Uint64(), 10)), 10, 64)
	require.NoError(t, err)
	t.Logf("STORE_SEED=%d", seed)
	w := newStoreWalk(t, seed)
	begun := time.Now()
	for n := 0; n < ops || time.Since(begun) < most; n++ {
		w.step()
	}
	w.reopen()
	w.compare()
	w.abandon()
	t.Logf("%d operations in %v: %v", w.done, time.Since(begun).Round(time.Second), w.seen)
	if ops >= 30000 {
		for _, what := range storeSteps {
			require.Positive(t, w.seen[what.name], "nothing of: %s", what.name)
		}
		for _, what := range []string{"failed", "killed before the commit", "killed after the commit", "older copy refused", "record refused", "token refused", "buckets refused", "refused in use"} {
			require.Positive(t, w.seen[what], "nothing of: %s", what)
		}
	}
	if ops >= 1000000 { // an older copy of which nothing was taken away since is rare
		require.Positive(t, w.seen["older copy of what nobody minds"])
	}
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// storeModel is what a store has to hold.
type storeModel struct {
	users  map[record.UserID]string // login and whether enabled
	keys   map[string]string        // name of an API key, its secret
	tokens map[record.TokenID]*tokenModel
}

type tokenModel struct {
	owner   record.UserID
	label   string
	failed  int
	enabled bool
	objects map[object.ID]string // label and secret
}

func (m *storeModel) clone() *storeModel {
	c := &storeModel{users: maps.Clone(m.users), keys: maps.Clone(m.keys), tokens: map[record.TokenID]*tokenModel{}}
	for id, t := range m.tokens {
		own := *t
		own.objects = maps.Clone(t.objects)
		c.tokens[id] = &own
	}
	return c
}

// storePast is a state that the store had.
type storePast struct {
	raw   map[string]string
	model *storeModel
	count uint64 // of the counter
}

// storeWalk is one walk.
type storeWalk struct {
	t      *testing.T
	random *rand.Rand
	h      *hardware
	o      Options
	engine *lethal
	s      *Store
	tenant record.TenantID

	model  *storeModel
	past   []storePast
	serial int
	done   int
	seen   map[string]int
}

// lethal is an engine whose commits fail, or at one of which the program is killed.
type lethal struct {
	kvtest.Faulty
	mu    sync.Mutex
	left  int // commits until it is killed; 0 is never
	after bool
	kill  func()
}

func (e *lethal) Update(fn func(kv.Writer) error) error {
	e.mu.Lock()
	due := false
	if e.left > 0 {
		e.left--
		due = e.left == 0
	}
	after := e.after
	e.mu.Unlock()
	if due && !after {
		e.kill()
	}
	err := e.Faulty.Update(fn)
	if due && after {
		e.kill()
	}
	return err
}

func newStoreWalk(t *testing.T, seed uint64) *storeWalk {
	w := &storeWalk{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), h: newHardware(), seen: map[string]int{},
		model: &storeModel{users: map[record.UserID]string{}, keys: map[string]string{}, tokens: map[record.TokenID]*tokenModel{}},
	}
	w.o = w.h.on(t.TempDir()).withDefaults()
	w.o.Log = discard()
	root := secret.Bytes(make([]byte, 32))
	recipients, err := wrapRoot(t.Context(), w.o, w.o.KEKs, root)
	require.NoError(t, err)
	db := kv.Group(mem.New())
	require.NoError(t, initialize(db, w.o, root, recipients))
	raw := map[string]string{}
	require.NoError(t, db.View(func(r kv.Reader) error {
		return r.Scan(nil, nil, func(k, v []byte) error { raw[string(k)] = string(v); return nil })
	}))
	require.NoError(t, w.open(raw, w.o))
	view(t, w.s, func(tx *Tx) error {
		tenant, err := tx.TenantByName(record.DefaultTenant)
		w.tenant = tenant.ID
		return err
	})
	return w
}

// open opens a store of raw records.
func (w *storeWalk) open(raw map[string]string, o Options) error {
	e := &lethal{Faulty: kvtest.Faulty{Engine: mem.New()}}
	require.NoError(w.t, e.Engine.Update(func(tx kv.Writer) error {
		for _, k := range slices.Sorted(maps.Keys(raw)) {
			if err := tx.Put([]byte(k), []byte(raw[k])); err != nil {
				return err
			}
		}
		return nil
	}))
	s, _, err := load(w.t.Context(), o, kv.Group(e), w.random.IntN(2) == 0)
	if err == nil {
		err = s.protect(context.Background(), o)
		if err == nil {
			err = errors.Join(s.resumeRotation(), s.resumeRenewal())
		}
		if err != nil {
			s.shut()
		}
	}
	if err != nil {
		return err
	}
	w.engine, w.s = e, s
	return nil
}

// shut ends the goroutines of a store as a kill does, without a last word.
func (s *Store) shut() {
	s.rewrap.stop()
	s.renewals.stop()
	s.scrubs.stop()
	s.patrols.stop()
	if g := s.guard.Load(); g != nil {
		_ = g.close()
	}
	_ = s.db.Close()
	s.wipe()
}

func (w *storeWalk) abandon() { w.s.shut() }

func (w *storeWalk) raw() map[string]string { return storedNow(w.t, w.s) }

// reopen stops the store and starts it.
func (w *storeWalk) reopen() {
	w.seen["restarted"]++
	if g := w.s.guard.Load(); g != nil && g.dirty.Load() {
		_ = g.settle()
	}
	raw := w.raw()
	w.abandon()
	w.heal()
	require.NoError(w.t, w.open(raw, w.o))
}

// heal has everything work again.
func (w *storeWalk) heal() {
	w.h.set(func() { w.h.deaf, w.h.mute, w.h.off = false, false, false })
	w.h.used = func() {}
}

// storeSteps are what a walk does, and how often.
var storeSteps = []struct {
	name   string
	weight int
	do     func(w *storeWalk)
}{
	{"write", 600, (*storeWalk).write},
	{"write that fails", 60, (*storeWalk).writeFailing},
	{"writes together", 20, (*storeWalk).writeTogether},
	{"read", 300, (*storeWalk).readOne},
	{"compare", 4, (*storeWalk).compare},
	{"patrol", 4, (*storeWalk).walkAll},
	{"restart", 3, (*storeWalk).reopen},
	{"remember", 8, (*storeWalk).remember},
	{"kill", 12, (*storeWalk).killed},
	{"counter fails", 6, (*storeWalk).counterFails},
	{"older copy", 4, (*storeWalk).olderCopy},
	{"records put back", 5, (*storeWalk).recordsBack},
	{"token put back", 5, (*storeWalk).tokenBack},
	{"buckets put back", 5, (*storeWalk).bucketsBack},
	{"records put back in use", 8, (*storeWalk).recordsBackInUse},
	{"new root key", 1, (*storeWalk).rotate},
	{"new keys", 1, (*storeWalk).renew},
}

func (w *storeWalk) step() {
	sum := 0
	for _, s := range storeSteps {
		sum += s.weight
	}
	n := w.random.IntN(sum)
	for _, s := range storeSteps {
		if n -= s.weight; n < 0 {
			w.seen[s.name]++
			w.done++
			if g := w.s.guard.Load(); g != nil {
				g.budget = newBudgets() // what wears the counter out has a test of its own
			}
			s.do(w)
			return
		}
	}
}

// storeChange is one change: what it does to the store, and, when that succeeded, to the
// model. taken says that it takes something away.
type storeChange struct {
	what  string
	taken bool
	store func(tx *Tx) error
	model func(m *storeModel)
}

func pick[K cmpOrdered, V any](r *rand.Rand, m map[K]V) (key K, ok bool) {
	if len(m) == 0 {
		return key, false
	}
	keys := slices.Sorted(maps.Keys(m))
	return keys[r.IntN(len(keys))], true
}

type cmpOrdered interface{ ~string | ~uint64 }

// change draws a change.
func (w *storeWalk) change() storeChange {
	w.serial++
	name := fmt.Sprint("n", w.serial)
	user, hasUser := pick(w.random, w.model.users)
	id, hasToken := pick(w.random, w.model.tokens)
	switch n := w.random.IntN(20); {
	case !hasUser || n == 0 && len(w.model.users) < 6:
		u := record.User{Tenant: w.tenant, Login: name, Enabled: true, OSUsers: []string{name}}
		return storeChange{"user", false, func(tx *Tx) error { u.ID = ""; return tx.PutUser(&u) }, func(m *storeModel) { m.users[u.ID] = name + " true" }}
	case n == 1 && len(w.model.users) > 2:
		gone := []record.TokenID{}
		for id, tok := range w.model.tokens {
			if tok.owner == user {
				gone = append(gone, id)
			}
		}
		if len(gone) > 0 {
			break
		}
		return storeChange{"user gone", true, func(tx *Tx) error { return tx.DeleteUser(user) }, func(m *storeModel) { delete(m.users, user) }}
	case n == 2:
		on := w.random.IntN(2) == 0
		return storeChange{"user switched", false, func(tx *Tx) error {
			u, err := tx.User(user)
			if err != nil {
				return err
			}
			u.Enabled, u.Login, u.OSUsers = on, name, []string{name}
			return tx.PutUser(u)
		}, func(m *storeModel) { m.users[user] = fmt.Sprint(name, " ", on) }}
	case n == 3:
		key := fmt.Sprint("k", w.random.IntN(3))
		if _, is := w.model.keys[key]; is {
			return storeChange{"API key gone", true, func(tx *Tx) error { return tx.DeleteAPIKey(w.tenant, key) }, func(m *storeModel) { delete(m.keys, key) }}
		}
		return storeChange{"API key", false, func(tx *Tx) error {
			return tx.PutAPIKey(&record.APIKey{Tenant: w.tenant, Name: key, Role: record.RoleView, Hash: tx.s.HashAPIKey(secret.Bytes(name))})
		}, func(m *storeModel) { m.keys[key] = name }}
	case !hasToken || n == 4 && len(w.model.tokens) < 6:
		tok := record.Token{Tenant: w.tenant, Holders: record.HeldBy(user, time.Time{}, ""), Label: name, Complete: true, Enabled: true}
		return storeChange{"token", false, func(tx *Tx) error { tok.ID, tok.Serial = "", ""; return tx.NewToken(&tok) }, func(m *storeModel) {
			m.tokens[tok.ID] = &tokenModel{owner: user, label: name, enabled: true, objects: map[object.ID]string{}}
		}}
	case n == 5 && len(w.model.tokens) > 3 && w.random.IntN(3) == 0:
		return storeChange{"token gone", true, func(tx *Tx) error { return tx.DeleteToken(id) }, func(m *storeModel) { delete(m.tokens, id) }}
	case n < 8:
		return storeChange{"try", true, func(tx *Tx) error {
			tok, err := tx.Token(id)
			if err != nil {
				return err
			}
			tok.UserPIN.Failed++
			return tx.PutToken(tok)
		}, func(m *storeModel) { m.tokens[id].failed++ }}
	case n == 8:
		on := w.random.IntN(2) == 0
		return storeChange{"token switched", !on && w.model.tokens[id].enabled, func(tx *Tx) error {
			tok, err := tx.Token(id)
			if err != nil {
				return err
			}
			tok.Enabled = on
			return tx.PutToken(tok)
		}, func(m *storeModel) { m.tokens[id].enabled = on }}
	case n == 9:
		return storeChange{"label", false, func(tx *Tx) error {
			tok, err := tx.Token(id)
			if err != nil {
				return err
			}
			tok.Label = name
			return tx.PutToken(tok)
		}, func(m *storeModel) { m.tokens[id].label = name }}
	}
	return w.objectChange(id, name)
}

// objectChange draws a change of the objects of a token.
func (w *storeWalk) objectChange(id record.TokenID, name string) storeChange {
	tok := w.model.tokens[id]
	number, has := pick(w.random, tok.objects)
	switch n := w.random.IntN(4); {
	case has && (n == 0 || len(tok.objects) > 8):
		return storeChange{"object gone", true, func(tx *Tx) error { return tx.DeleteObject(id, number) }, func(m *storeModel) { delete(m.tokens[id].objects, number) }}
	case has && n == 1:
		return storeChange{"object changed", true, func(tx *Tx) error {
			o := newObject(name, "hidden "+name)
			o.ID = number
			return tx.PutObject(id, o)
		}, func(m *storeModel) { m.tokens[id].objects[number] = name }}
	}
	var made object.ID
	return storeChange{"object", false, func(tx *Tx) error {
		o := newObject(name, "hidden "+name)
		err := tx.PutObject(id, o)
		made = o.ID
		return err
	}, func(m *storeModel) {
		for other, tok := range m.tokens {
			_, used := tok.objects[made]
			require.False(w.t, used, "object id %d of token %s was used before", made, other)
		}
		m.tokens[id].objects[made] = name
	}}
}

// apply does a change that succeeds.
func (w *storeWalk) apply(c storeChange) {
	count := w.h.value()
	require.NoError(w.t, w.s.Update(c.store), c.what)
	c.model(w.model)
	w.note(c, count)
}

// note remembers of the states before whether what was taken away since is counted.
func (w *storeWalk) note(c storeChange, count uint64) {
	if c.taken {
		require.Greater(w.t, w.h.value(), count, "%s was not counted", c.what)
	}
}

func (w *storeWalk) write() { w.apply(w.change()) }

// writeFailing has a call of the storage fail during a change: nothing is changed then.
func (w *storeWalk) writeFailing() {
	c := w.change()
	op := []kvtest.Op{kvtest.OpCommit, kvtest.OpPut, kvtest.OpGet, kvtest.OpDelete}[w.random.IntN(4)]
	cause := []error{kv.ErrNoSpace, errors.New("input/output error")}[w.random.IntN(2)]
	w.engine.Fail(op, 1+w.random.IntN(6), cause)
	err := w.s.Update(c.store)
	w.engine.Fail(op, 0, nil)
	w.engine.Fail(kvtest.OpCommit, 1<<30, nil)
	if err == nil {
		c.model(w.model)
		return
	}
	w.seen["failed"]++
	require.ErrorIs(w.t, err, cause, c.what)
}

// writeTogether has several clients write at the same time.
func (w *storeWalk) writeTogether() {
	w.prepare(4)
	var wg sync.WaitGroup
	ids := slices.Sorted(maps.Keys(w.model.tokens))
	changes := make([]storeChange, len(ids))
	for i, id := range ids { // each on a token of its own
		w.serial++
		changes[i] = w.objectChange(id, fmt.Sprint("n", w.serial))
	}
	failed := make([]error, len(changes))
	for i, c := range changes {
		wg.Go(func() { failed[i] = w.s.Update(c.store) })
	}
	wg.Wait()
	for i, c := range changes {
		require.NoError(w.t, failed[i], c.what)
		c.model(w.model)
	}
}

// prepare makes a few tokens.
func (w *storeWalk) prepare(n int) {
	for len(w.model.tokens) < n {
		w.write()
	}
}

func (w *storeWalk) readOne() {
	id, ok := pick(w.random, w.model.tokens)
	if !ok {
		return
	}
	view(w.t, w.s, func(tx *Tx) error { return w.compareToken(tx, id) })
}

func (w *storeWalk) compareToken(tx *Tx, id record.TokenID) error {
	want := w.model.tokens[id]
	tok, err := tx.Token(id)
	if err != nil {
		return err
	}
	require.Equal(w.t, []any{want.label, want.failed, want.enabled, want.owner}, []any{tok.Label, tok.UserPIN.Failed, tok.Enabled, tok.Owner()})
	list, err := tx.Objects(id)
	if err != nil {
		return err
	}
	require.Len(w.t, list, len(want.objects))
	for _, o := range list {
		require.Equal(w.t, want.objects[o.ID], labelOf(o))
		set, err := tx.secretOf(id, o.ID, nil)
		if err != nil {
			return err
		}
		require.Equal(w.t, "hidden "+labelOf(o), string(set.Get(ck.CKA_VALUE)))
	}
	return nil
}

// compare compares all of the store with the model.
func (w *storeWalk) compare() {
	view(w.t, w.s, func(tx *Tx) error {
		users, err := tx.Users(w.tenant)
		if err != nil {
			return err
		}
		got := map[record.UserID]string{}
		for _, u := range users {
			got[u.ID] = fmt.Sprint(u.Login, " ", u.Enabled)
		}
		require.Equal(w.t, w.model.users, got)
		keys, err := tx.APIKeys(w.tenant)
		if err != nil {
			return err
		}
		require.Len(w.t, keys, len(w.model.keys))
		for _, k := range keys {
			require.Equal(w.t, w.s.HashAPIKey(secret.Bytes(w.model.keys[k.Name])), k.Hash)
		}
		tokens, err := tx.TokensOfTenant(w.tenant, 0, 0)
		if err != nil {
			return err
		}
		require.Len(w.t, tokens, len(w.model.tokens))
		for _, tok := range tokens {
			if err := w.compareToken(tx, tok.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *storeWalk) walkAll() {
	require.NoError(w.t, w.s.walkOnce())
	r, err := w.s.Check(w.t.Context())
	require.NoError(w.t, err)
	require.Empty(w.t, r.Problems)
}

// remember keeps the state for later.
func (w *storeWalk) remember() {
	p := storePast{raw: w.raw(), model: w.model.clone(), count: w.h.value()}
	if len(w.past) < 8 {
		w.past = append(w.past, p)
	} else {
		w.past[w.random.IntN(len(w.past))] = p
	}
}

// killed kills the program at a moment of a change: the change is there as a whole or not
// at all, and it is there where it was acknowledged.
func (w *storeWalk) killed() {
	c := w.change()
	var raw map[string]string
	var h *hardware
	freeze := func() {
		if raw == nil {
			raw, h = kvtest.Dump(w.t, &w.engine.Faulty), w.h.copy()
		}
	}
	switch w.random.IntN(3) {
	case 0:
		uses := w.random.IntN(8)
		w.h.used = func() {
			if uses--; uses == 0 {
				freeze()
			}
		}
	default:
		w.engine.mu.Lock()
		w.engine.left, w.engine.after, w.engine.kill = 1+w.random.IntN(2), w.random.IntN(2) == 0, freeze
		after := w.engine.after
		w.engine.mu.Unlock()
		w.seen[map[bool]string{false: "killed before the commit", true: "killed after the commit"}[after]]++
	}
	before := w.model.clone()
	require.NoError(w.t, w.s.Update(c.store), c.what)
	c.model(w.model)
	w.heal()
	if raw == nil { // after it was acknowledged
		raw, h = w.raw(), w.h.copy()
		before = w.model
	}
	w.abandon()
	w.h.set(func() { w.h.counters, w.h.top = h.counters, h.top })
	require.NoError(w.t, w.open(raw, w.o), "killed during: %s", c.what)
	// It is the one or the other; the model follows.
	after := w.model
	w.model = before
	if !w.agrees() {
		w.model = after
	}
	w.compare()
}

// agrees reports whether the store is that of the model.
func (w *storeWalk) agrees() (same bool) {
	probe := &storeWalk{t: &testing.T{}, s: w.s, model: w.model, tenant: w.tenant}
	done := make(chan struct{})
	go func() { // a failed comparison ends its goroutine
		defer close(done)
		probe.compare()
		same = true
	}()
	<-done
	return same
}

// counterFails stops the counter: updates that must be counted are refused or go on, and
// afterwards everything works.
func (w *storeWalk) counterFails() {
	counters := map[string]uint64{}
	w.h.set(func() {
		switch w.random.IntN(3) {
		case 0:
			w.h.deaf = true
		case 1:
			w.h.mute = true
		default: // reading it is refused
			counters, w.h.counters = w.h.counters, counters
		}
	})
	for range 3 {
		c := w.change()
		before := w.model.clone()
		after := w.model
		err := w.s.Update(c.store)
		if err == nil {
			c.model(w.model)
			continue
		}
		require.Equal(w.t, ck.CKR_DEVICE_ERROR, ck.CodeOf(err), c.what)
		c.model(after) // it may be stored, and was not acknowledged
		w.model = before
		if !w.agrees() {
			w.model = after
		}
	}
	w.h.set(func() {
		if len(w.h.counters) == 0 {
			w.h.counters = counters
		}
	})
	w.heal()
	id, ok := pick(w.random, w.model.tokens)
	if !ok {
		return
	}
	require.NoError(w.t, try(w.s, id)) // counts what was not
	w.model.tokens[id].failed++
	w.past = nil // of some nobody knows whether what came since is counted
}

// olderCopy puts the whole store back to a state before, while it is closed.
func (w *storeWalk) olderCopy() {
	if len(w.past) == 0 {
		return
	}
	p := w.past[w.random.IntN(len(w.past))]
	now := w.raw()
	w.abandon()
	counted := w.h.value() > p.count
	err := w.open(p.raw, w.o)
	if counted {
		w.seen["older copy refused"]++
		require.ErrorIs(w.t, err, ErrRollback)
		require.NoError(w.t, w.open(now, w.o))
		return
	}
	w.seen["older copy of what nobody minds"]++
	require.NoError(w.t, err)
	w.model = p.model.clone()
	w.past = nil
	w.compare()
}

// mix is the store of now with some records as they were before.
func (w *storeWalk) mix(p storePast, now map[string]string, take func(key string) bool) (mixed map[string]string, differ []string) {
	mixed = maps.Clone(now)
	for _, from := range []map[string]string{p.raw, now} {
		for key := range from {
			was, had := p.raw[key]
			is, has := now[key]
			if had == has && was == is || !take(key) {
				continue
			}
			if _, there := now["k"+key[1:min(17, len(key))]]; key[0] == schema.PrefixObject && !there {
				continue // an object of a token that is not there is never read
			}
			differ = append(differ, key)
			if had {
				mixed[key] = was
			} else {
				delete(mixed, key)
			}
		}
	}
	slices.Sort(differ)
	return mixed, slices.Compact(differ)
}

// found opens a store that must be refused by Open, at a use, or by the patrol.
func (w *storeWalk) found(mixed map[string]string, what string) {
	top := w.h.copy()
	err := w.open(mixed, w.o)
	if err == nil {
		err = w.s.walkOnce()
		w.abandon()
	}
	require.True(w.t, errors.Is(err, ErrTampered) || errors.Is(err, ErrRollback) || errors.Is(err, ErrNoKEK), "%s: %v", what, err)
	w.h.set(func() { w.h.counters, w.h.top = top.counters, top.top }) // as if it had not been started
}

// recordsBack puts one record or some back while the store is closed.
func (w *storeWalk) recordsBack() {
	w.putBack("record refused", func(differ []string) func(string) bool {
		some := map[string]bool{}
		for range 1 + w.random.IntN(3) {
			some[differ[w.random.IntN(len(differ))]] = true
		}
		return func(key string) bool { return some[key] }
	})
}

// tokenBack puts all records of a token back, with its sums or without.
func (w *storeWalk) tokenBack() {
	id, ok := pick(w.random, w.model.tokens)
	if !ok {
		return
	}
	raw, _ := parseID("token", id)
	sums := w.random.IntN(3)
	w.putBack("token refused", func([]string) func(string) bool {
		return func(key string) bool {
			switch {
			case key[0] == schema.PrefixNode:
				return sums == 2
			case key[0] == schema.PrefixAccumulator:
				return sums >= 1
			}
			return len(key) >= 17 && key[1:17] == string(raw[:])
		}
	})
}

// bucketsBack puts whole buckets back, each with its sum, and with the objects whose
// tokens are in it: each of them is right by itself.
func (w *storeWalk) bucketsBack() {
	w.putBack("buckets refused", func(differ []string) func(string) bool {
		share := 1 + w.random.IntN(4)
		some := map[schema.Bucket]bool{}
		for _, key := range differ {
			if b, summed := schema.BucketOf([]byte(key)); summed && w.random.IntN(4) < share {
				some[b] = true
			}
		}
		return func(key string) bool {
			if _, b, ok := schema.ParseAccumulator([]byte(key)); ok {
				return some[b]
			}
			if key[0] == schema.PrefixObject {
				b, _ := schema.BucketOf([]byte(string(schema.PrefixSummary) + key[1:17]))
				return some[b]
			}
			b, summed := schema.BucketOf([]byte(key))
			return summed && some[b]
		}
	})
}

// putBack puts records back that are not the same as now. What is all that differs is an
// older copy of the whole store.
func (w *storeWalk) putBack(what string, choose func(differ []string) func(string) bool) {
	if len(w.past) == 0 {
		return
	}
	p := w.past[w.random.IntN(len(w.past))]
	now := w.raw()
	_, all := w.mix(p, now, func(string) bool { return true })
	if len(all) == 0 {
		return
	}
	mixed, differ := w.mix(p, now, choose(all))
	if len(differ) == 0 || len(differ) == len(all) {
		return
	}
	w.seen[what]++
	w.abandon()
	w.found(mixed, fmt.Sprintf("%d of %d records put back: %q", len(differ), len(all), differ))
	require.NoError(w.t, w.open(now, w.o))
}

// recordsBackInUse puts records back while the store is open: the patrol tells, no use
// believes them, and nothing wrong goes into a sum.
func (w *storeWalk) recordsBackInUse() {
	if len(w.past) == 0 {
		return
	}
	require.NoError(w.t, w.s.walkOnce()) // it knows what there is
	p := w.past[w.random.IntN(len(w.past))]
	now := w.raw()
	_, all := w.mix(p, now, func(string) bool { return true })
	if len(all) == 0 {
		return
	}
	wrong, right := map[string][]byte{}, map[string][]byte{}
	for range 1 + w.random.IntN(3) {
		key := all[w.random.IntN(len(all))]
		wrong[key], right[key] = nil, nil
		if was, had := p.raw[key]; had {
			wrong[key] = []byte(was)
		}
		if is, has := now[key]; has {
			right[key] = []byte(is)
		}
	}
	w.seen["refused in use"]++
	behind(w.t, w.s, wrong)
	require.ErrorIs(w.t, w.s.walkOnce(), ErrTampered, "%q", slices.Collect(maps.Keys(wrong)))
	for id := range w.model.tokens {
		err := w.s.View(func(tx *Tx) error { return w.compareToken(tx, id) })
		require.True(w.t, err == nil || errors.Is(err, ErrTampered), "%v", err)
	}
	behind(w.t, w.s, right)
	require.NoError(w.t, w.s.walkOnce())
}

func (w *storeWalk) rotate() {
	require.NoError(w.t, w.s.RotateRoot(w.t.Context()))
	w.waitFor((*Store).RotationLeft)
}

func (w *storeWalk) renew() {
	require.NoError(w.t, w.s.RenewKeys(w.t.Context(), ""))
	w.waitFor((*Store).RenewalLeft)
}

func (w *storeWalk) waitFor(left func(*Store) (int, error)) {
	require.Eventually(w.t, func() bool {
		n, err := left(w.s)
		require.NoError(w.t, err)
		return n == 0
	}, time.Minute, time.Millisecond)
}
