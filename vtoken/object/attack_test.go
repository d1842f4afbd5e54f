package object

import (
	"fmt"
	"testing"

	"vtoken/vtoken/ck"
)

// This is the model test of S02: an attacker who may call every function of a
// session, in any order and as often as he likes, against the rules of this
// package as they are in the code.
//
// What a key may do is its state: the attributes that the rules look at. First
// the states that can be reached at all, and what leads from one to another, are
// computed with Build, Change and Copy. Then, for every state in which a victim's
// key T and a further key G may have been generated, everything that the attacker
// can bring about is computed until nothing new turns up. That covers sequences
// of every length: no call takes anything from him, so their order is no matter.
//
// A derived key counts as known, because whoever may derive a key may derive it
// readable.

// the attributes that templates of the attacker set
var attackFlags = []ck.AttributeType{
	ck.CKA_SENSITIVE, ck.CKA_EXTRACTABLE, ck.CKA_WRAP_WITH_TRUSTED,
	ck.CKA_WRAP, ck.CKA_UNWRAP, ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_DERIVE,
}

// automaton is the states of an AES key and what leads from one to another.
type automaton struct {
	t      *testing.T
	keys   []*Object
	number map[string]int
	next   [][]int // by set and copy
	todo   []int

	generated, created, unwrapped []int

	// which states can be wrapped, can be read, and have a use
	wrappable, readable             []bool
	wraps, unwraps, encrypts, opens []bool
	seals                           []bool // wraps in a counter mode
}

func flagTemplates() (all []ck.Template) {
	for bits := range 1 << len(attackFlags) {
		t := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES)}
		for i, f := range attackFlags {
			t = append(t, ck.Bool(f, bits>>i&1 == 1))
		}
		all = append(all, t)
	}
	return all
}

// changes are the templates of set and copy: one attribute or two at once.
func changes() (all []ck.Template) {
	var single []ck.Attribute
	for _, f := range append([]ck.AttributeType{ck.CKA_MODIFIABLE}, attackFlags...) {
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
	value := ck.Bytes(ck.CKA_VALUE, make([]byte, 16))
	build := func(src Source, tpl ck.Template) (state int, ok bool) {
		o, err := Build(src, tpl)
		if err != nil {
			return 0, false
		}
		return a.state(o), true
	}
	for _, tpl := range flagTemplates() {
		if s, ok := build(Source{Origin: Generate, Made: ck.Template{value}}, append(tpl, ck.Ulong(ck.CKA_VALUE_LEN, uint64(16)))); ok {
			a.generated = append(a.generated, s)
		}
		if s, ok := build(Source{Origin: Create}, append(tpl, value)); ok {
			a.created = append(a.created, s)
		}
		if s, ok := build(Source{Origin: Unwrap, Made: ck.Template{value}}, tpl); ok {
			a.unwrapped = append(a.unwrapped, s)
		}
	}
	a.explore()
	untrusted := &Object{Attrs: Set{}.With(ck.Bool(ck.CKA_WRAP, true))}
	a.wrappable = a.which(func(o *Object) bool { return untrusted.MayWrap(o) == nil })
	a.readable = a.which(readable)
	a.wraps, a.unwraps = a.which(may(ck.CKA_WRAP)), a.which(may(ck.CKA_UNWRAP))
	a.seals = a.which(func(o *Object) bool { return o.Bool(ck.CKA_WRAP) && o.MaySeal() == nil })
	a.encrypts, a.opens = a.which(may(ck.CKA_ENCRYPT)), a.which(may(ck.CKA_DECRYPT))
	return a
}

// which are the states that are so.
func (a *automaton) which(so func(*Object) bool) []bool {
	list := make([]bool, len(a.keys))
	for i, o := range a.keys {
		list[i] = so(o)
	}
	return list
}

// state is the number of a key's state, a new one where it was not met before.
func (a *automaton) state(o *Object) int {
	key := fmt.Sprint(gaveUp(o.Attrs), o.Modifiable(), o.Copyable())
	for _, f := range attackFlags {
		key += fmt.Sprint(o.Bool(f))
	}
	n, known := a.number[key]
	if !known {
		n = len(a.keys)
		a.number[key] = n
		a.keys = append(a.keys, o)
		a.next = append(a.next, nil)
		a.todo = append(a.todo, n)
	}
	return n
}

func (a *automaton) explore() {
	templates := changes()
	for len(a.todo) > 0 {
		n := a.todo[0]
		a.todo = a.todo[1:]
		seen := map[int]bool{}
		for _, t := range templates {
			for _, revise := range []func(ck.Template, bool) (*Object, error){a.keys[n].Change, a.keys[n].Copy} {
				if o, err := revise(t, false); err == nil {
					seen[a.state(o)] = true
				}
			}
		}
		for s := range seen {
			a.next[n] = append(a.next[n], s)
		}
	}
}

// The keys of the attack. K stands for every key whose value the attacker knows.
const (
	keyT = iota
	keyG
	keyK
	attackKeys
)

// attack is what the attacker has brought about so far.
type attack struct {
	*automaton
	has     [attackKeys][]bool           // states that a key of this value is in
	blob    [attackKeys][attackKeys]bool // [v][u]: v, wrapped with u
	known   [attackKeys]bool
	insider bool // without wrapping T with a key whose value he knows
	changed bool
}

func (a *automaton) attack(t, g int, insider bool) *attack {
	at := &attack{automaton: a, insider: insider}
	for v := range at.has {
		at.has[v] = make([]bool, len(a.keys))
	}
	at.known[keyK] = true
	at.reach(keyT, t)
	at.reach(keyG, g)
	for _, s := range a.created {
		at.reach(keyK, s)
	}
	return at
}

// reach notes that the attacker has v in a state, and in those that follow.
func (at *attack) reach(v, state int) {
	if at.has[v][state] {
		return
	}
	at.has[v][state], at.changed = true, true
	for _, s := range at.next[state] {
		at.reach(v, s)
	}
}

// any reports whether the attacker has v in one of the states.
func (at *attack) any(v int, states []bool) bool {
	for s, has := range at.has[v] {
		if has && states[s] {
			return true
		}
	}
	return false
}

func may(f ck.AttributeType) func(*Object) bool { return func(o *Object) bool { return o.Bool(f) } }

func readable(o *Object) bool {
	_, err := o.Read(ck.CKA_VALUE)
	return err == nil
}

// run goes on until nothing new turns up.
func (at *attack) run() {
	for at.changed = true; at.changed; {
		at.changed = false
		for v := range attackKeys {
			at.learn(v, at.any(v, at.readable))
			for u := range attackKeys {
				at.step(v, u)
			}
		}
	}
}

// step is what can be done with v under u.
func (at *attack) step(v, u int) {
	wraps := at.any(u, at.wraps) && at.any(v, at.wrappable)
	// What hides a key in a counter mode is what encryption puts out.
	at.learn(v, at.any(u, at.seals) && at.any(v, at.wrappable) && !at.known[u] && at.any(u, at.encrypts))
	forges := at.known[v] && (at.known[u] || at.any(u, at.encrypts))
	if (wraps || forges) && !at.blob[v][u] {
		at.blob[v][u], at.changed = true, true
	}
	if !at.blob[v][u] {
		return
	}
	if at.any(u, at.unwraps) {
		for _, s := range at.unwrapped {
			at.reach(v, s)
		}
	}
	at.learn(v, !at.known[u] && at.any(u, at.opens))
	at.learn(v, at.known[u] && !(at.insider && v == keyT))
}

func (at *attack) learn(v int, learnt bool) {
	if learnt && !at.known[v] {
		at.known[v], at.changed = true, true
	}
}

// outsiderSafe reports whether T, in the state in which it was generated, has to
// stay unknown even where the attacker brings wrapping keys of his own. A key
// that is extractable without CKA_WRAP_WITH_TRUSTED is there to be wrapped with
// any key (S05).
func outsiderSafe(o *Object) bool {
	return !o.Extractable() || o.Bool(ck.CKA_WRAP_WITH_TRUSTED)
}

func TestNoWayFromSensitiveToReadable(t *testing.T) {
	a := newAutomaton(t)
	runs := 0
	for _, victim := range a.generated {
		if !a.keys[victim].Sensitive() {
			continue
		}
		for _, other := range a.generated {
			at := a.attack(victim, other, !outsiderSafe(a.keys[victim]))
			at.run()
			runs++
			if at.known[keyT] {
				t.Fatalf("a key generated as %s became known, with the help of one generated as %s", describe(a.keys[victim]), describe(a.keys[other]))
			}
		}
	}
	t.Logf("%d states, %d attacks", len(a.keys), runs)
	if len(a.keys) < 100 || runs < 1000 {
		t.Errorf("only %d states and %d attacks", len(a.keys), runs)
	}
}

// Without the rule that a wrapping key is not wrapped itself, or with unwrapped
// keys that may be read or may wrap, the search finds the attacks.
func TestAttacksAreFound(t *testing.T) {
	a := newAutomaton(t)
	found := func(change func(loose *automaton)) bool {
		loose := *a
		change(&loose)
		for _, victim := range a.generated {
			for _, other := range a.generated {
				if !a.keys[victim].Sensitive() {
					continue
				}
				at := loose.attack(victim, other, !outsiderSafe(a.keys[victim]))
				if at.run(); at.known[keyT] {
					return true
				}
			}
		}
		return false
	}
	if !found(func(loose *automaton) { loose.wrappable = a.which((*Object).Extractable) }) {
		t.Error("no attack is found where wrapping keys and keys for trusted keys are wrapped")
	}
	if !found(func(loose *automaton) { loose.seals = a.wraps }) {
		t.Error("no attack is found where keys that encrypt wrap in a counter mode")
	}
	for name, states := range map[string]func(*Object) bool{
		"readable": readable,
		"wrapping": func(o *Object) bool { return o.Bool(ck.CKA_WRAP) && o.Extractable() },
	} {
		if !found(func(loose *automaton) {
			loose.unwrapped = nil
			for _, s := range a.created {
				if states(a.keys[s]) {
					loose.unwrapped = append(loose.unwrapped, s)
				}
			}
		}) {
			t.Errorf("no attack is found where unwrapped keys are %s", name)
		}
	}
}

func describe(o *Object) (s string) {
	for _, f := range attackFlags {
		s += fmt.Sprintf("%v=%t ", f, o.Bool(f))
	}
	return s
}
