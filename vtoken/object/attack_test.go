package object

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// This is the model test of what wrapping gives away: an attacker who may call every
// function of a session, in any order and as often as he likes, against the rules of
// this package as they are in the code. He knows the values that he brought and all that
// ever left the token, and looks for the value of a key that was made sensitive.
//
// What a key may do is its state: the attributes that the rules look at, the byte that
// remembers its past included. First the states that can be reached at all, and what
// leads from one to another, are computed with Build, Join, Change and Copy. Then, for
// every state in which a victim T, a further secret key G and a pair R may have been
// generated, everything that the attacker can bring about is computed until nothing new
// turns up. That covers sequences of every length: no call takes anything from him, so
// their order is no matter.
//
// A derived key counts as known, because who may derive a key may derive it
// readable. The security officer marks as trusted every secret key that the rules let
// him, and every public key that was made on the token, but none that came from outside.
// MACs are no way out: CMAC is no encryption for who does not know the key.

// rules are those that the attack is against.
type rules struct {
	mayWrap, maySeal func(o, key *Object) bool
}

var ours = rules{
	mayWrap: func(o, key *Object) bool { return o.MayWrap(key) == nil },
	maySeal: func(o, key *Object) bool { return o.MaySeal(key) == nil },
}

// What an attacker can do with a value: the union of what all objects of that value can.
type powers struct {
	uses uses
	// rows are the ways in which its objects wrap, columns those in which they are
	// wrapped; see ways.
	rows, columns uint64
}

type uses byte

const (
	unwraps uses = 1 << iota
	encrypts
	opens
	reads
	isPair
)

func (p powers) with(q powers) powers {
	return powers{p.uses | q.uses, p.rows | q.rows, p.columns | q.columns}
}

// automaton is the states of keys and what leads from one to another.
type automaton struct {
	t      *testing.T
	keys   []*Object
	number map[string]int
	next   [][]int // by set and copy

	secrets, createdSecrets, knownSecrets []int // as C_GenerateKey and so on make them
	unwrappedSecrets, unwrappedPrivates   []int
	createdPublics, createdPrivates       []int
	pairs                                 [][2]int

	// By state, and by way of wrapping.
	can   []powers
	ways  []uint64 // for each row the columns that it wraps
	seals []uint64 // in a counter mode
}

var (
	secretFlags = []ck.AttributeType{
		ck.CKA_SENSITIVE, ck.CKA_EXTRACTABLE, ck.CKA_WRAP_WITH_TRUSTED, ck.CKA_WRAP, ck.CKA_UNWRAP, ck.CKA_ENCRYPT, ck.CKA_DECRYPT,
	}
	privateFlags = []ck.AttributeType{
		ck.CKA_SENSITIVE, ck.CKA_EXTRACTABLE, ck.CKA_WRAP_WITH_TRUSTED, ck.CKA_UNWRAP, ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_SIGN_RECOVER,
	}
	publicFlags = []ck.AttributeType{ck.CKA_WRAP, ck.CKA_VERIFY}
)

func templates(flags []ck.AttributeType) (all []ck.Template) {
	for bits := range 1 << len(flags) {
		var t ck.Template
		for i, f := range flags {
			t = append(t, ck.Bool(f, bits>>i&1 == 1))
		}
		all = append(all, t)
	}
	return all
}

// changes are the templates of set and copy: one attribute or two at once.
func changes(flags []ck.AttributeType) (all []ck.Template) {
	var single []ck.Attribute
	for _, f := range flags {
		single = append(single, ck.Bool(f, false), ck.Bool(f, true))
	}
	for i, a := range single {
		all = append(all, ck.Template{a})
		for _, b := range single[i+1:] {
			if a.Type != b.Type {
				all = append(all, ck.Template{a, b})
			}
		}
	}
	return all
}

func newAutomaton(t *testing.T) *automaton {
	a := &automaton{t: t, number: map[string]int{}}
	secret := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES)}
	value := ck.Template{ck.Bytes(ck.CKA_VALUE, make([]byte, 16))}
	build := func(list *[]int, src Source, parts ...ck.Template) {
		var all ck.Template
		for _, p := range parts {
			all = append(all, p...)
		}
		if o, err := Build(src, all); err == nil {
			*list = append(*list, a.state(o))
		}
	}
	length := ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))}
	for _, tpl := range templates(secretFlags) {
		build(&a.secrets, Source{Origin: Generate, Mechanism: ck.CKM_AES_KEY_GEN, Made: value}, secret, tpl, length)
		build(&a.createdSecrets, Source{Origin: Create}, secret, tpl, value)
		build(&a.knownSecrets, Source{Origin: Derive, Made: value}, secret, tpl, length)
		build(&a.knownSecrets, Source{Origin: Generate, Mechanism: ck.CKM_PKCS5_PBKD2, Made: value}, secret, tpl, length)
		build(&a.unwrappedSecrets, Source{Origin: Unwrap, Made: value}, secret, tpl)
	}
	a.addPairs()
	a.explore()
	return a
}

func (a *automaton) addPairs() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(a.t, err)
	pub, err := PublicTemplate(&key.PublicKey)
	require.NoError(a.t, err)
	priv, err := PrivateTemplate(key)
	require.NoError(a.t, err)
	generated := func(made, given ck.Template) *Object {
		o, err := Build(Source{Origin: Generate, Mechanism: ck.CKM_RSA_PKCS_KEY_PAIR_GEN, Made: made}, given)
		require.NoError(a.t, err)
		return o
	}
	for _, t := range templates(publicFlags) {
		o, err := Build(Source{Origin: Create}, append(t, pub...))
		require.NoError(a.t, err)
		a.createdPublics = append(a.createdPublics, a.state(o))
	}
	var halves []*Object
	for _, public := range templates(publicFlags) {
		halves = append(halves, generated(pub, append(public, ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048)))))
	}
	for _, private := range templates(privateFlags) {
		other := generated(priv, private)
		for _, half := range halves {
			one, two := *half, *other
			Join(&one, &two)
			a.pairs = append(a.pairs, [2]int{a.state(&one), a.state(&two)})
		}
		o, err := Build(Source{Origin: Create}, append(private[:len(private):len(private)], priv...))
		require.NoError(a.t, err)
		a.createdPrivates = append(a.createdPrivates, a.state(o))
		if o, err = Build(Source{Origin: Unwrap, Made: priv}, append(private[:len(private):len(private)], priv[:2]...)); err == nil {
			a.unwrappedPrivates = append(a.unwrappedPrivates, a.state(o))
		}
	}
}

// state is the number of a key's state, a new one where it was not met before.
func (a *automaton) state(o *Object) int {
	key := fmt.Sprint(o.Class(), pastOf(o.Attrs), o.Bool(ck.CKA_TRUSTED))
	for _, f := range flagsOf(o) {
		key += fmt.Sprint(o.Bool(f))
	}
	n, known := a.number[key]
	if !known {
		n = len(a.keys)
		a.number[key] = n
		a.keys = append(a.keys, o)
	}
	return n
}

func flagsOf(o *Object) []ck.AttributeType {
	return map[ck.ObjectClass][]ck.AttributeType{
		ck.CKO_SECRET_KEY: secretFlags, ck.CKO_PRIVATE_KEY: privateFlags, ck.CKO_PUBLIC_KEY: publicFlags,
	}[o.Class()]
}

func (a *automaton) explore() {
	all := map[ck.ObjectClass][]ck.Template{
		ck.CKO_SECRET_KEY: changes(secretFlags), ck.CKO_PRIVATE_KEY: changes(privateFlags), ck.CKO_PUBLIC_KEY: changes(publicFlags),
	}
	for n := 0; n < len(a.keys); n++ {
		o, seen := a.keys[n], map[int]bool{}
		for _, t := range all[o.Class()] {
			for _, revise := range []func(ck.Template, bool) (*Object, error){o.Change, o.Copy} {
				if to, err := revise(t, false); err == nil {
					seen[a.state(to)] = true
				}
			}
		}
		if o.Class() != ck.CKO_PUBLIC_KEY || !pastOf(o.Attrs).has(pastVouched) {
			if to, err := o.Change(ck.Template{ck.Bool(ck.CKA_TRUSTED, true)}, true); err == nil {
				seen[a.state(to)] = true
			}
		}
		a.next = append(a.next, nil)
		for s := range seen {
			a.next[n] = append(a.next[n], s)
		}
	}
}

// against computes what each state, and those that follow, can under the rules.
func (a *automaton) against(r rules) {
	a.can = make([]powers, len(a.keys))
	columns := map[string]int{} // states that are wrapped by the same keys
	var wrappers []*Object
	for _, o := range a.keys {
		if o.Bool(ck.CKA_WRAP) {
			wrappers = append(wrappers, o)
		}
	}
	wrappers = distinct(wrappers, func(o *Object) any { // by how they wrap some of the keys
		var row []byte
		for i := 0; i < len(a.keys); i += 29 {
			row = append(row, wrapping(r, o, a.keys[i]))
		}
		return string(row)
	})
	var sample []*Object
	for i, key := range a.keys {
		var column []byte
		for _, o := range wrappers {
			column = append(column, wrapping(r, o, key))
		}
		n, known := columns[string(column)]
		if !known {
			n = len(columns)
			columns[string(column)] = n
			sample = append(sample, key)
		}
		a.can[i] = powers{columns: 1 << n}
	}
	rows := map[[2]uint64]int{}
	a.ways, a.seals = nil, nil
	for i, o := range a.keys {
		a.can[i].uses = usesIn(o)
		if !o.Bool(ck.CKA_WRAP) {
			continue
		}
		var row [2]uint64
		for n, key := range sample {
			w := wrapping(r, o, key)
			row[0] |= uint64(w&1) << n
			row[1] |= uint64(w>>1) << n
		}
		n, known := rows[row]
		if !known {
			n = len(rows)
			rows[row] = n
			a.ways, a.seals = append(a.ways, row[0]), append(a.seals, row[1])
		}
		a.can[i].rows = 1 << n
	}
	require.Less(a.t, max(len(columns), len(rows)), 64)
	for changed := true; changed; {
		changed = false
		for i := range a.can {
			sum := a.can[i]
			for _, n := range a.next[i] {
				sum = sum.with(a.can[n])
			}
			changed = changed || sum != a.can[i]
			a.can[i] = sum
		}
	}
}

// wrapping is 1 where o wraps the key, and 2 more where it does in a counter mode.
func wrapping(r rules, o, key *Object) (way byte) {
	if !r.mayWrap(o, key) {
		return 0
	}
	if o.Class() == ck.CKO_SECRET_KEY && r.maySeal(o, key) {
		return 3
	}
	return 1
}

func usesIn(o *Object) (u uses) {
	if o.Class() != ck.CKO_SECRET_KEY {
		u |= isPair
	}
	if o.Bool(ck.CKA_UNWRAP) {
		u |= unwraps
	}
	if o.Bool(ck.CKA_ENCRYPT) {
		u |= encrypts
	}
	for _, t := range []ck.AttributeType{ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_SIGN_RECOVER} {
		if o.Bool(t) && (t == ck.CKA_DECRYPT || o.Class() == ck.CKO_PRIVATE_KEY) {
			u |= opens // a raw signature of RSA, too
		}
	}
	if readable(o) {
		u |= reads
	}
	return u
}

func readable(o *Object) bool {
	v := ck.CKA_VALUE
	if o.Class() == ck.CKO_PRIVATE_KEY {
		v = ck.CKA_PRIVATE_EXPONENT
	}
	_, err := o.Read(v)
	return err == nil
}

// The values of the attack: T is the victim where it is a secret key, and R where it is
// the private half of a pair. K and Q stand for every secret key and every pair whose
// value the attacker knows.
const (
	valueT = iota
	valueG
	valueR
	valueK
	valueQ
	values
)

// attack is what the attacker has brought about so far.
type attack struct {
	*automaton
	has       [values]powers
	blob, ctr [values][values]bool // [v][u]: v, wrapped with u
	known     [values]bool
	changed   bool
}

func (a *automaton) attack(t, g int, pair [2]int) *attack {
	at := &attack{automaton: a}
	at.known[valueK], at.known[valueQ] = true, true
	at.reach(valueT, t)
	at.reach(valueG, g)
	at.reach(valueR, pair[:]...)
	at.reach(valueR, a.createdPublics...)
	at.reach(valueK, a.createdSecrets...)
	at.reach(valueK, a.knownSecrets...)
	at.reach(valueQ, a.createdPublics...)
	at.reach(valueQ, a.createdPrivates...)
	return at
}

// reach notes that there are objects of value v in the states, and in those that follow.
func (at *attack) reach(v int, states ...int) {
	for _, s := range states {
		sum := at.has[v].with(at.can[s])
		at.changed = at.changed || sum != at.has[v]
		at.has[v] = sum
	}
}

func (at *attack) may(v int, u uses) bool { return at.has[v].uses&u != 0 }

// run goes on until nothing new turns up.
func (at *attack) run() {
	for at.changed = true; at.changed; {
		at.changed = false
		for v := range values {
			at.learn(v, at.may(v, reads))
			for u := range values {
				at.step(v, u)
			}
		}
	}
}

// step is what can be done with v under u.
func (at *attack) step(v, u int) {
	wraps, seals := at.wrapped(at.ways, v, u), at.wrapped(at.seals, v, u)
	forges := at.known[v] && (at.known[u] || at.may(u, encrypts|isPair))
	at.note(&at.blob[v][u], wraps || forges)
	at.note(&at.ctr[v][u], seals)
	if !at.blob[v][u] {
		return
	}
	if at.may(u, unwraps) {
		if at.may(v, isPair) {
			at.reach(v, at.unwrappedPrivates...)
		} else {
			at.reach(v, at.unwrappedSecrets...)
		}
	}
	at.learn(v, at.known[u] || at.may(u, opens))
	at.learn(v, at.ctr[v][u] && at.may(u, encrypts)) // what hides a key in a counter mode is what encryption puts out
}

// wrapped reports whether an object of u wraps one of v in one of the ways.
func (at *attack) wrapped(ways []uint64, v, u int) bool {
	for n, columns := range ways {
		if at.has[u].rows>>n&1 == 1 && columns&at.has[v].columns != 0 {
			return true
		}
	}
	return false
}

func (at *attack) note(what *bool, so bool) {
	at.changed = at.changed || so && !*what
	*what = *what || so
}

func (at *attack) learn(v int, learnt bool) { at.note(&at.known[v], learnt) }

// search runs attacks until a sensitive key falls to one, which it returns. Keys that
// can the same are one.
func (a *automaton) search() (runs int, victim *Object, at *attack) {
	victims := distinct(a.secrets, func(s int) any { return [2]any{a.can[s], a.keys[s].Sensitive()} })
	others := distinct(a.secrets, func(s int) any { return a.can[s] })
	pairs := distinct(a.pairs, func(p [2]int) any {
		return [3]any{a.can[p[0]], a.can[p[1]], a.keys[p[1]].Sensitive()}
	})
	for _, pair := range pairs {
		for _, g := range others {
			for _, t := range victims {
				secret, private := a.keys[t], a.keys[pair[1]]
				at = a.attack(t, g, pair)
				at.run()
				runs++
				switch {
				case at.known[valueT] && secret.Sensitive():
					return runs, secret, at
				case at.known[valueR] && private.Sensitive():
					return runs, private, at
				}
			}
		}
	}
	return runs, nil, nil
}

// distinct is the list with one of those that are alike.
func distinct[T any](list []T, like func(T) any) (some []T) {
	met := map[any]bool{}
	for _, v := range list {
		if key := like(v); !met[key] {
			met[key] = true
			some = append(some, v)
		}
	}
	return some
}

func TestNoWayFromSensitiveToReadable(t *testing.T) {
	a := newAutomaton(t)
	a.against(ours)
	runs, victim, at := a.search()
	if victim != nil {
		require.FailNow(t, "a sensitive key became known", "generated as %s; known %v, wrapped %v", describe(victim), at.known, at.blob)
	}
	t.Logf("%d states, %d attacks", len(a.keys), runs)
	require.Greater(t, len(a.keys), 1000)
	require.Greater(t, runs, 10_000)
}

// Without one rule or another, the search finds the attacks.
func TestAttacksAreFound(t *testing.T) {
	a := newAutomaton(t)
	// without is our rule but for a part of the past of the wrapping key.
	without := func(forgotten past, class ck.ObjectClass) rules {
		r := ours
		r.mayWrap = func(o, key *Object) bool {
			p := pastOf(o.Attrs)
			if o.Class() == class {
				o = &Object{Attrs: o.Attrs.With((p &^ forgotten).attribute())}
			}
			return o.MayWrap(key) == nil
		}
		return r
	}
	forgetful := ours
	forgetful.mayWrap = func(o, key *Object) bool {
		return o.MayWrap(&Object{Attrs: key.Attrs.Without(attrPast).With(pastComplete.attribute())}) == nil
	}
	sealing := ours
	sealing.maySeal = func(o, key *Object) bool { return true }
	for name, r := range map[string]rules{
		"a secret key that decrypts wraps sensitive keys":       without(pastOpens, ck.CKO_SECRET_KEY),
		"a key made of a known value wraps sensitive keys":      without(pastKnown, ck.CKO_SECRET_KEY),
		"a public key whose pair decrypts wraps sensitive keys": without(pastOpens, ck.CKO_PUBLIC_KEY),
		"a public key from outside wraps sensitive keys":        without(pastKnown, ck.CKO_PUBLIC_KEY),
		"a key that wraps sensitive keys is wrapped itself":     forgetful,
		"a key that encrypts wraps in a counter mode":           sealing,
	} {
		a.against(r)
		_, victim, _ := a.search()
		require.NotNil(t, victim, "no attack is found where %s", name)
	}
	// Unwrapped keys that may be read give all away that is wrapped.
	var kept []int
	for _, s := range a.createdSecrets {
		if readable(a.keys[s]) {
			kept = append(kept, s)
		}
	}
	a.unwrappedSecrets = kept
	a.against(ours)
	_, victim, _ := a.search()
	require.NotNil(t, victim, "no attack is found where unwrapped keys are readable")
}

func describe(o *Object) (s string) {
	for _, f := range flagsOf(o) {
		s += fmt.Sprintf("%v=%t ", f, o.Bool(f))
	}
	return s
}
