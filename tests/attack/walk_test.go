package attack

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// A walk is a long sequence of valid frames on one connection: any call of the protocol
// with sessions, objects and outputs that earlier calls returned. Several users walk at the
// same time, on a token of their own and on one that two of them share. A model says who
// may see what: everything that a walk makes is labelled with its user, its slot and its
// connection, so whoever reads a label knows whether the object is foreign.

// callsOfAWalk is how many calls one connection makes.
const callsOfAWalk = 1000

// walker is one connection of a walk.
type walker struct {
	*wire
	rng  *rand.Rand
	uid  int
	name string // of the connection
	may  map[ck.SlotID][]int

	slots    []ck.SlotID
	sessions map[ck.SessionHandle]ck.SlotID
	in       map[ck.SlotID]bool // the user may be logged in, as far as the model knows
	so       bool               // the next PIN is the SO's
	objects  []remembered
	outputs  [][]byte
	next     []planned

	succeeded map[p11rpc.CallID]int
	calls     int
}

// remembered is an object that an answer named.
type remembered struct {
	handle ck.ObjectHandle
	kind   kind
}

// planned is a call that makes sense after an earlier one.
type planned struct {
	call    p11rpc.CallID
	session ck.SessionHandle
}

// walkOrder is what a process of walks is to do. It comes as its argument.
type walkOrder struct {
	Seed        uint64
	Connections int           // at the same time
	Walks       int           // of each connection, at least
	Time        time.Duration // goes on until then
	May         map[ck.SlotID][]int
}

// walkAttacker walks as the order says, and prints what succeeded how often.
func walkAttacker(args []string) error {
	var o walkOrder
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return err
	}
	var mu sync.Mutex
	var failed error
	total := map[string]int{}
	var all sync.WaitGroup
	ends := time.Now().Add(o.Time)
	for c := range o.Connections {
		all.Go(func() {
			for n := 0; n < o.Walks || time.Now().Before(ends); n++ {
				seed := o.Seed + uint64(c)<<32 + uint64(n)
				succeeded, err := walk(seed, o.May)
				mu.Lock()
				for call, n := range succeeded {
					total[call.String()] += n
				}
				if err != nil && failed == nil {
					failed = fmt.Errorf("seed %d: %w", seed, err)
				}
				stop := failed != nil
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	all.Wait()
	if failed != nil {
		return failed
	}
	return json.NewEncoder(os.Stdout).Encode(total)
}

// walk is one connection from its beginning to its end, which is a C_Finalize or none.
func walk(seed uint64, may map[ck.SlotID][]int) (map[p11rpc.CallID]int, error) {
	rng := rand.New(rand.NewPCG(seed, 0))
	versions := p11rpc.Versions()
	version := versions[len(versions)-1]
	if rng.IntN(3) == 0 {
		version = versions[rng.IntN(len(versions))]
	}
	wire, err := dial(version)
	if err != nil {
		return nil, err
	}
	defer wire.Close()
	w := &walker{
		wire: wire, rng: rng, uid: os.Getuid(), name: strconv.FormatUint(seed, 36), may: may,
		sessions: map[ck.SessionHandle]ck.SlotID{}, in: map[ck.SlotID]bool{}, succeeded: map[p11rpc.CallID]int{},
	}
	for w.calls < callsOfAWalk {
		if err := w.step(); err != nil {
			return w.succeeded, fmt.Errorf("after %d calls in version %d: %w", w.calls, w.version, err)
		}
	}
	return w.succeeded, nil
}

// step makes one call: one that makes sense now, or any.
func (w *walker) step() error {
	call, session := w.choose()
	return w.call(call, session)
}

func (w *walker) choose() (p11rpc.CallID, ck.SessionHandle) {
	switch {
	case len(w.slots) == 0:
		return p11rpc.CallGetSlotList, 0
	case len(w.sessions) == 0:
		return p11rpc.CallOpenSession, 0
	case len(w.next) > 0 && w.rng.IntN(8) > 0:
		p := w.next[0]
		w.next = w.next[1:]
		return p.call, p.session
	case w.rng.IntN(4) == 0:
		inits := slices.Sorted(maps.Keys(mechanisms))
		return inits[w.rng.IntN(len(inits))], 0
	}
	for {
		list := p11rpc.Calls(w.version)
		call := list[w.rng.IntN(len(list))]
		if call != p11rpc.CallInitialize && !(ends(call) && w.rng.IntN(20) > 0) && w.carried(call) {
			return call, 0
		}
	}
}

// ends reports whether the call ends much of what a walk has built up.
func ends(call p11rpc.CallID) bool {
	switch call {
	case p11rpc.CallFinalize, p11rpc.CallCloseAllSessions, p11rpc.CallInitToken, p11rpc.CallInitToken2, p11rpc.CallLogout, p11rpc.CallCloseSession:
		return true
	}
	return false
}

// carried reports whether the version of the protocol has the call.
func (w *walker) carried(call p11rpc.CallID) bool {
	return slices.Contains(p11rpc.Calls(w.version), call)
}

// request is the values of a call that its answer is judged by.
type request struct {
	call    p11rpc.CallID
	session ck.SessionHandle
	slot    ck.SlotID
	user    ck.UserType
	flags   ck.Flags
	made    kind
	queries []ck.AttributeQuery
	buffer  ck.Buffer
}

// call makes a call with values that fit its roles, and judges the answer.
func (w *walker) call(call p11rpc.CallID, session ck.SessionHandle) error {
	if !w.carried(call) {
		return nil
	}
	r := request{call: call, session: session, made: anything}
	w.begin(call)
	nth := map[rune]int{}
	key := anything
	for _, role := range roleOf(call) {
		w.value(&r, role, nth[role], &key)
		nth[role]++
	}
	w.calls++
	err := w.roundTrip(call)
	var rv ck.Error
	switch {
	case errors.As(err, &rv):
		return w.judgeFailure(r, rv)
	case err != nil && strings.HasPrefix(err.Error(), "writing"):
		return nil // this version of the protocol cannot carry the value
	case err != nil:
		return err
	}
	return w.judge(r)
}

// value writes one value of a request.
func (w *walker) value(r *request, role rune, nth int, key *kind) {
	e := &w.enc
	switch role {
	case 's':
		r.slot = w.slots[w.rng.IntN(len(w.slots))]
		if w.rng.IntN(30) == 0 {
			r.slot = ck.SlotID(w.rng.IntN(12)) // also what others have
		}
		e.Ulong(uint64(r.slot))
	case 'f':
		r.flags = ck.CKF_SERIAL_SESSION | ck.Flags(w.rng.IntN(2))*ck.CKF_RW_SESSION
		e.Ulong(uint64(r.flags))
	case 'h':
		r.session = w.session(r.session)
		r.slot = w.sessions[r.session]
		e.Ulong(uint64(r.session))
	case 'o':
		e.Ulong(uint64(w.object(*key)))
		*key = anything
	case 'u':
		types := []ck.UserType{ck.CKU_USER, ck.CKU_USER, ck.CKU_USER, ck.CKU_USER, ck.CKU_CONTEXT_SPECIFIC, ck.CKU_SO}
		r.user = types[w.rng.IntN(len(types))]
		w.so = r.user == ck.CKU_SO
		e.Ulong(uint64(r.user))
	case 'p':
		e.Data(w.pin(r.call, nth))
	case 'r':
		w.resumed(e)
	case 'd':
		e.Data(w.data())
	case 'b':
		r.buffer = w.buffer()
		e.Buffer(r.buffer)
	case 'm':
		m, k := w.mechanism(r.call)
		r.made, *key = k, k
		e.Mechanism(m)
	case 't':
		e.Template(w.template(r.call, nth, r.slot, r.made))
	case 'q':
		r.queries = queries()
		e.AttributeQueries(r.queries)
	case 'n':
		e.UlongBuffer(uint64(w.rng.IntN(100)))
	case 'l':
		if r.call == p11rpc.CallInitToken {
			e.ZeroString("walked")
		} else {
			e.SpaceString("walked", 32)
		}
	case 'y':
		e.Byte(byte(w.rng.IntN(2)))
	case 'c':
		e.Ulong(uint64(ck.Flags(1) << w.rng.IntN(20)))
	case 'w':
		e.Ulong(uint64(ck.CKF_DONT_BLOCK))
	case 'M':
		list := []ck.MechanismType{ck.CKM_AES_GCM, ck.CKM_AES_CCM, ck.CKM_CHACHA20_POLY1305, ck.CKM_ECDSA}
		*key = aesKey
		e.Ulong(uint64(list[w.rng.IntN(len(list))]))
	case 'g', 'x':
		e.Ulong([]uint64{0, 1, 2, 12, 16, 32, 96, 128}[w.rng.IntN(8)])
	}
}

// queries ask for what the model judges by, and for what must stay secret.
func queries() []ck.AttributeQuery {
	var list []ck.AttributeQuery
	for _, t := range []ck.AttributeType{ck.CKA_LABEL, ck.CKA_PRIVATE, ck.CKA_TOKEN, ck.CKA_SENSITIVE, ck.CKA_CLASS, ck.CKA_VALUE} {
		list = append(list, ck.AttributeQuery{Type: t, Buffer: ck.Buffer{Len: 4096}})
	}
	return list
}

// session is the one that was planned, or one of this connection, or sometimes one that it
// has not.
func (w *walker) session(planned ck.SessionHandle) ck.SessionHandle {
	if _, ok := w.sessions[planned]; ok {
		return planned
	}
	list := slices.Sorted(maps.Keys(w.sessions))
	if len(list) == 0 || w.rng.IntN(30) == 0 {
		return ck.SessionHandle(w.rng.IntN(1 << 16))
	}
	return list[w.rng.IntN(len(list))]
}

// object is one of a kind, or any, or sometimes a handle that nobody told this connection.
func (w *walker) object(k kind) ck.ObjectHandle {
	if len(w.objects) == 0 || w.rng.IntN(20) == 0 {
		h := ck.ObjectHandle(w.rng.IntN(200))
		if len(w.objects) > 0 {
			h += w.objects[w.rng.IntN(len(w.objects))].handle - 100
		}
		return h
	}
	for range 20 {
		o := w.objects[len(w.objects)-1-w.rng.IntN(min(len(w.objects), 40))]
		if k == anything || o.kind == k {
			return o.handle
		}
	}
	return w.objects[w.rng.IntN(len(w.objects))].handle
}

func (w *walker) mechanism(call p11rpc.CallID) (*ck.Mechanism, kind) {
	list := mechanisms[call]
	if len(list) == 0 || w.rng.IntN(30) == 0 {
		all := slices.Concat(slices.Collect(maps.Values(mechanisms))...)
		slices.SortFunc(all, func(a, b choice) int { return int(a.m.Type) - int(b.m.Type) })
		list = all
	}
	c := list[w.rng.IntN(len(list))]
	return c.m, c.key
}

// judgeFailure takes note of what a failed call tells.
func (w *walker) judgeFailure(r request, rv ck.Error) error {
	switch rv {
	case ck.CKR_GENERAL_ERROR, ck.CKR_CRYPTOKI_NOT_INITIALIZED:
		return fmt.Errorf("%v answered %v", r.call, rv)
	case ck.CKR_SESSION_HANDLE_INVALID:
		delete(w.sessions, r.session)
	}
	return nil
}

// judge checks a call that succeeded against the model, and remembers what it made.
func (w *walker) judge(r request) error {
	w.succeeded[r.call]++
	if _, mine := w.sessions[r.session]; r.call.FirstIsSession() && !mine {
		return fmt.Errorf("%v succeeded in session %d, which is not of this connection", r.call, r.session)
	}
	for _, call := range follow[r.call] {
		w.next = append(w.next, planned{call, r.session})
	}
	if len(w.next) > 16 {
		w.next = w.next[8:]
	}
	switch r.call {
	case p11rpc.CallGetSlotList:
		return w.judgeSlots()
	case p11rpc.CallOpenSession:
		return w.judgeOpen(r)
	case p11rpc.CallCloseSession:
		delete(w.sessions, r.session)
	case p11rpc.CallCloseAllSessions:
		maps.DeleteFunc(w.sessions, func(_ ck.SessionHandle, s ck.SlotID) bool { return s == r.slot })
	case p11rpc.CallLogin, p11rpc.CallLoginUser:
		w.in[r.slot] = w.in[r.slot] || r.user == ck.CKU_USER
	case p11rpc.CallLogout:
		w.in[r.slot] = false
	case p11rpc.CallFinalize:
		return w.restart()
	case p11rpc.CallGenerateKey, p11rpc.CallUnwrapKey, p11rpc.CallDeriveKey, p11rpc.CallCreateObject, p11rpc.CallCopyObject, p11rpc.CallDecapsulateKey:
		made := r.made
		if r.call != p11rpc.CallGenerateKey {
			made = aesKey
		}
		w.remember(ck.ObjectHandle(w.dec.Ulong()), made)
	case p11rpc.CallGenerateKeyPair:
		w.remember(ck.ObjectHandle(w.dec.Ulong()), r.made-1)
		w.remember(ck.ObjectHandle(w.dec.Ulong()), r.made)
	case p11rpc.CallFindObjects:
		return w.judgeFound(r)
	case p11rpc.CallGetAttributeValue:
		return w.judgeAttributes(r)
	case p11rpc.CallEncrypt, p11rpc.CallSign, p11rpc.CallWrapKey, p11rpc.CallDigest, p11rpc.CallEncryptFinal, p11rpc.CallGetOperationState:
		w.keepOutput(r)
	}
	if len(w.sessions) == 0 {
		w.in = map[ck.SlotID]bool{}
	}
	return nil
}

func (w *walker) remember(h ck.ObjectHandle, k kind) {
	if w.dec.Err() == nil {
		w.objects = append(w.objects, remembered{h, k})
	}
}

func (w *walker) keepOutput(r request) {
	out, err := w.dec.Output(r.buffer)
	if err == nil && out.Data != nil {
		w.outputs = append(w.outputs, slices.Clone(out.Data))
		if len(w.outputs) > 20 {
			w.outputs = w.outputs[10:]
		}
	}
}

// judgeSlots: a user sees the slots that the model allows, and no other.
func (w *walker) judgeSlots() error {
	slots, _ := p11rpc.UlongList[ck.SlotID](&w.dec)
	if err := w.dec.Done(); err != nil {
		return err
	}
	for _, slot := range slots {
		if !slices.Contains(w.may[slot], w.uid) {
			return fmt.Errorf("user %d sees slot %d", w.uid, slot)
		}
	}
	if len(slots) > 0 {
		w.slots = slots
	}
	return nil
}

func (w *walker) judgeOpen(r request) error {
	h := ck.SessionHandle(w.dec.Ulong())
	if err := w.dec.Done(); err != nil {
		return err
	}
	if !slices.Contains(w.may[r.slot], w.uid) {
		return fmt.Errorf("user %d opened a session in slot %d", w.uid, r.slot)
	}
	w.sessions[h] = r.slot
	for i := range w.next {
		if w.next[i].session == 0 {
			w.next[i].session = h
		}
	}
	return nil
}

// judgeFound reads what was found, so that foreign objects are noticed.
func (w *walker) judgeFound(r request) error {
	list, _ := p11rpc.UlongList[ck.ObjectHandle](&w.dec)
	if err := w.dec.Done(); err != nil {
		return err
	}
	for i, h := range list {
		if i >= 4 {
			break
		}
		w.remember(h, anything)
		if err := w.read(r.session, h); err != nil {
			return err
		}
	}
	return nil
}

// read reads the attributes of an object of which a handle was found.
func (w *walker) read(session ck.SessionHandle, h ck.ObjectHandle) error {
	r := request{call: p11rpc.CallGetAttributeValue, session: session, slot: w.sessions[session], queries: queries()}
	w.begin(r.call)
	w.enc.Ulong(uint64(session))
	w.enc.Ulong(uint64(h))
	w.enc.AttributeQueries(r.queries)
	w.calls++
	err := w.roundTrip(r.call)
	var rv ck.Error
	if errors.As(err, &rv) { // destroyed meanwhile
		return w.judgeFailure(r, rv)
	}
	if err != nil {
		return err
	}
	return w.judge(r)
}

// judgeAttributes checks whose object it is that was read.
func (w *walker) judgeAttributes(r request) error {
	results, err := w.dec.AttributeResults(r.queries)
	var rv ck.Error
	if err != nil && !errors.As(err, &rv) {
		return err
	}
	if results == nil {
		return nil
	}
	label, private, token, sensitive, value := string(results[0].Value), is(results[1]), is(results[2]), is(results[3]), results[5].Value
	if sensitive && len(value) > 0 {
		return fmt.Errorf("the value of sensitive object %q was read", label)
	}
	if private && !w.in[r.slot] {
		return fmt.Errorf("private object %q was read in slot %d without a login", label, r.slot)
	}
	part := strings.Split(label, "/")
	if len(part) != 3 {
		return nil // a built-in object, or a key that a mechanism made on its way
	}
	uid, _ := strconv.Atoi(part[0])
	slot, _ := strconv.ParseUint(part[1], 10, 64)
	switch {
	case ck.SlotID(slot) != r.slot:
		return fmt.Errorf("object %q was read in slot %d", label, r.slot)
	case !slices.Contains(w.may[r.slot], uid):
		return fmt.Errorf("object %q is of a user who may not use slot %d", label, r.slot)
	case !token && part[2] != w.name:
		return fmt.Errorf("session object %q was read by connection %s", label, w.name)
	}
	return nil
}

func is(r ck.AttributeResult) bool {
	v, ok := ck.Attribute{Type: r.Type, Value: r.Value}.Bool()
	return ok && v
}

// restart begins the application again on the same connection.
func (w *walker) restart() error {
	w.sessions, w.in, w.next = map[ck.SessionHandle]ck.SlotID{}, map[ck.SlotID]bool{}, nil
	w.begin(p11rpc.CallInitialize)
	w.enc.Data([]byte(p11rpc.Magic))
	w.enc.Byte(0)
	w.enc.Data([]byte{})
	if err := w.roundTrip(p11rpc.CallInitialize); err != nil {
		return fmt.Errorf("C_Initialize after C_Finalize: %w", err)
	}
	return nil
}

// TestWalk has three users walk at the same time: alice and bob on a token each and on one
// that both hold, mallory on hers. Nobody sees anything foreign, nothing panics, and what
// they made the daemon hold is given back.
func TestWalk(t *testing.T) {
	t.Parallel()
	d := start(t)
	may := map[ck.SlotID][]int{}
	for _, u := range []struct {
		login string
		uid   uint32
	}{{"alice", alice}, {"bob", bob}, {"mallory", mallory}} {
		id := newToken(t, d, u.login, u.uid, "card-of-"+u.login)
		may[tokenSlot(t, d, id)] = []int{int(u.uid)}
	}
	both := newToken(t, d, "alice", alice, "card-of-both")
	_, err := d.Vtoken("token", "assign", both, "--user", "bob", "--share")
	require.NoError(t, err)
	may[tokenSlot(t, d, both)] = []int{alice, bob}

	order := walkOrder{Seed: uint64(time.Now().UnixNano()) >> 8 << 40, Connections: 4, Walks: 2, Time: attackTime(t, 0), May: may}
	t.Logf("seed %d", order.Seed)
	total := map[string]int{}
	var walks sync.WaitGroup
	type result struct {
		out string
		err error
	}
	results := make([]result, 3)
	for i, uid := range []uint32{alice, bob, mallory} {
		order.Seed += uint64(i) << 24
		text, err := json.Marshal(order)
		require.NoError(t, err)
		a := launch(t, d, uid, "walk", string(text))
		walks.Go(func() { results[i].out, results[i].err = a.wait() })
	}
	walks.Wait()
	for _, r := range results {
		require.NoError(t, r.err)
		var succeeded map[string]int
		require.NoError(t, json.Unmarshal([]byte(r.out), &succeeded))
		for call, n := range succeeded {
			total[call] += n
		}
	}
	t.Logf("calls that succeeded: %v", total)
	require.NotContains(t, d.Log(), "panic")
	require.Greater(t, len(total), 50, "the walk reaches too few calls to prove anything")
	requireNobody(t, d)
}

// tokenSlot is the slot of a token.
func tokenSlot(t *testing.T, d *harness.Daemon, id string) ck.SlotID {
	t.Helper()
	out, err := d.Vtoken("token", "show", id, "-o", "json")
	require.NoError(t, err)
	var token struct{ Slot ck.SlotID }
	require.NoError(t, json.Unmarshal([]byte(out), &token))
	require.NotZero(t, token.Slot)
	return token.Slot
}

// attackTime is how long a test goes on: ATTACK_TIME, or what it takes by itself.
func attackTime(t *testing.T, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv("ATTACK_TIME")
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

// requireNobody waits until the daemon holds no application and no session.
func requireNobody(t *testing.T, d *harness.Daemon) {
	t.Helper()
	var status struct {
		Clients struct{ Applications, Sessions int }
	}
	require.Eventually(t, func() bool {
		out, err := d.Vtoken("status", "-o", "json")
		if err != nil || json.Unmarshal([]byte(out), &status) != nil {
			return false
		}
		return status.Clients.Applications == 0 && status.Clients.Sessions == 0
	}, hangsAfter, 20*time.Millisecond, "the daemon still holds applications or sessions")
}
