package vtoken

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// maxHandle is above all handles of sessions and session objects, without their bit.
const maxHandle = uint64(sessionObjectBit)

// Restore connects an application whose state another engine saved ([Client.Save]). It looks
// at the store again: a token that the application may no longer see is closed, a login whose
// PIN was set meanwhile or is locked has ended, and slots that came or went have their event. What
// is left out so, and operations that cannot be taken up, are in [Client.NotRestored].
//
// An error is one of the store or of the account, or [ErrState] for a state that no engine
// saved; then nothing is connected. The caller wipes the state.
func (e *Engine) Restore(peer record.Peer, s ClientState) (*Client, error) {
	c := e.Connect(peer)
	defer e.opts.Forgotten()
	if err := c.restore(s); err != nil {
		c.Close()
		return nil, fmt.Errorf("restore the application of process %d: %w", peer.PID, err)
	}
	return c, nil
}

// Restoring tells the engine that many applications are restored one after the other. Until end
// is called, or anything is committed, it looks the users of an OS user up once.
func (e *Engine) Restoring() (end func()) {
	e.restoring.Store(&knownUsers{})
	return func() { e.restoring.Store(nil) }
}

// knownUsers are the users that OS users act for.
type knownUsers struct {
	mu   sync.Mutex
	list map[record.Peer][]*record.User // by what of the process decides
}

func ownerOfProcess(p record.Peer) record.Peer { return record.Peer{UID: p.UID, GID: p.GID} }

func (k *knownUsers) of(p record.Peer) ([]*record.User, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	users, ok := k.list[ownerOfProcess(p)]
	return users, ok
}

func (k *knownUsers) keep(p record.Peer, users []*record.User) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.list == nil {
		k.list = make(map[record.Peer][]*record.User)
	}
	k.list[ownerOfProcess(p)] = users
}

// NotRestored is what of the state of a restored application was left out, and why, for people
// to read.
func (c *Client) NotRestored() []string { return c.notRestored }

func (c *Client) leaveOut(format string, args ...any) {
	c.notRestored = append(c.notRestored, fmt.Sprintf(format, args...))
}

func badClientState(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrState, fmt.Sprintf(format, args...))
}

func (c *Client) restore(s ClientState) error {
	c.logins.changed() // those that are left out, too
	if err := c.restoreSlots(s); err != nil {
		return err
	}
	for _, a := range s.Attachments {
		if err := c.restoreAttachment(a); err != nil {
			return err
		}
	}
	return nil
}

// restoreSlots restores what the application knows of slots, and raises the events of those
// that came or went since the state was saved.
func (c *Client) restoreSlots(s ClientState) error {
	for _, slot := range s.Events {
		c.events.raise(slot)
	}
	c.mu.Lock()
	for _, slot := range s.Seen {
		c.seen[slot] = struct{}{}
	}
	c.mu.Unlock()
	if !s.Known {
		if len(s.Attachments) > 0 {
			return badClientState("sessions in slots that nobody asked for")
		}
		return nil
	}
	if err := c.refresh(); err != nil {
		return err
	}
	for _, slot := range onlyInOne(slices.Sorted(slices.Values(s.Visible)), c.slots()) {
		c.events.raise(slot)
	}
	return nil
}

func (c *Client) restoreAttachment(state AttachmentState) error {
	if state.ID == 0 || state.ID >= maxHandle || len(state.Sessions) == 0 {
		return badClientState("an attachment %d with %d sessions", state.ID, len(state.Sessions))
	}
	t, err := c.engine.acquire(c, state.Token)
	if ck.CodeOf(err) == ck.CKR_DEVICE_REMOVED {
		c.leaveOut("%d sessions: %v", len(state.Sessions), err)
		return nil
	}
	if err != nil {
		return err
	}
	sessions, err := c.restoreSessions(t, state)
	if len(sessions) == 0 {
		c.engine.release(t)
	}
	if err != nil || len(sessions) == 0 {
		return err
	}
	if state.Login != nil {
		if err := c.restoreLogin(sessions[0].attachment, *state.Login); err != nil {
			return err
		}
	}
	for i, s := range sessions {
		if err := s.restoreObjects(state.Sessions[i].Objects); err != nil {
			return err
		}
	}
	for i, s := range sessions {
		if err := s.restoreOperations(state.Sessions[i]); err != nil {
			return err
		}
	}
	return nil
}

// restoreSessions opens the sessions with a token that the caller acquired, whose use the first
// one takes over. There are none if the application may no longer see the token.
func (c *Client) restoreSessions(t *token, state AttachmentState) (sessions []*session, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rec := t.record()
	switch {
	case c.attachments[t.id] != nil:
		return nil, badClientState("two attachments to one token")
	case !c.sees(rec) || !rec.Initialized:
		c.leaveOut("%d sessions: the token in slot %d is not the application's any more", len(state.Sessions), t.slot)
		return nil, nil
	}
	c.engine.raiseHandles(state.ID)
	for _, one := range state.Sessions {
		if h := uint64(one.Handle); h == 0 || h >= maxHandle || c.sessions[one.Handle] != nil {
			return sessions, badClientState("the session handle %d", h)
		}
		purse, err := c.openPurse(len(sessions) == 0)
		if err != nil {
			return sessions, err
		}
		a, _ := c.attach(t)
		a.id = state.ID
		s := &session{handle: one.Handle, writable: one.Writable, attachment: a, purse: purse, weighed: sessionWeight}
		a.sessions[s] = struct{}{}
		if s.writable {
			a.writable++
		}
		c.sessions[s.handle] = s
		c.engine.raiseHandles(uint64(s.handle))
		sessions = append(sessions, s)
	}
	return sessions, nil
}

// restoreLogin begins a login again, if the PIN is still the one with which it was made. If
// that changes later, applyChanges ends the login.
func (c *Client) restoreLogin(a *attachment, state LoginState) error {
	role := pin.Role(state.Role)
	forgets, err := c.engine.forgetsLogins(a.token)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := a.token
	rec := t.record()
	switch {
	case role != pin.User && role != pin.SO, role == pin.SO && len(a.sessions) > a.writable:
		return badClientState("a login of role %d", state.Role)
	case len(state.Compared) != sha256.Size:
		return badClientState("a login with a hash of %d bytes", len(state.Compared))
	case len(a.sessions) == 0: // closed meanwhile
		return nil
	}
	switch now := rec.PIN(role); {
	case !now.Set() || !bytes.Equal(now.Verifier, state.Verifier):
		c.leaveOut("the login of the %v in slot %d: the PIN was set meanwhile", role, t.slot)
		return nil
	case now.Locked():
		c.leaveOut("the login of the %v in slot %d: the PIN is locked", role, t.slot)
		return nil
	case rec.PINBound && len(state.Bound) == 0:
		c.leaveOut("the login of the %v in slot %d: the key of the PIN-bound token is not there", role, t.slot)
		return nil
	}
	l := &login{role: role, verifier: [sha256.Size]byte(state.Compared), forgotten: forgets}
	l.fresh.Store(state.Fresh)
	t.secrets.restoreLogin(state)
	a.login.Store(l)
	c.logins.changed()
	if role == pin.User {
		t.mu.Lock()
		t.userLogins++
		t.mu.Unlock()
	}
	return nil
}

// restoreLogin is addLogin for a login of the engine before.
func (h *loginSecrets) restoreLogin(state LoginState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logins++
	if len(state.Bound) == 0 {
		return
	}
	if h.bound == nil {
		h.bound = state.Bound.Clone()
	}
	for role, memory := range state.PINMemory {
		if h.pinMemory[role] == nil {
			h.pinMemory[role] = bytes.Clone(memory)
		}
	}
}

// restoreObjects restores the session objects of a session, private ones only if the login is.
func (s *session) restoreObjects(states []ObjectState) error {
	a := s.attachment
	for _, state := range states {
		o, err := state.object()
		if err != nil {
			return err
		}
		if !s.sees(o) {
			continue // they have ended with the login
		}
		if err := a.reserve(o); err != nil {
			return err
		}
		if !a.restoreObject(s, state.Handle, o) {
			a.release(o)
			return badClientState("two objects with the handle %#x", state.Handle)
		}
	}
	return nil
}

// object returns the object of a state.
func (s ObjectState) object() (*object.Object, error) {
	n := uint64(s.Handle &^ sessionObjectBit)
	if s.Handle&sessionObjectBit == 0 || n == 0 || n >= maxHandle {
		return nil, badClientState("the handle of a session object is %#x", s.Handle)
	}
	attrs, err := object.ParseSet(s.Attrs)
	if err != nil {
		return nil, badClientState("a session object: %v", err)
	}
	o := &object.Object{Attrs: attrs.Clone()}
	if len(s.Secret) > 0 {
		kept, err := object.ParseSet(s.Secret)
		if err != nil {
			return nil, badClientState("a session object's secret: %v", err)
		}
		o.Secret = kept.Clone()
	}
	if o.Token() || o.Sealed() {
		return nil, badClientState("an object of the token among those of a session")
	}
	return o, nil
}

// restoreObject is addSessionObject with a known handle; it reports whether that was free.
func (a *attachment) restoreObject(s *session, h ck.ObjectHandle, o *object.Object) bool {
	a.client.engine.raiseHandles(uint64(h &^ sessionObjectBit))
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.owners[h] != nil:
		return false
	case s.closed.Load() || !s.sees(o):
		a.release(o)
		return true
	}
	a.objects.put(h, o)
	a.bytes += o.Size()
	a.trackObject(h, s, o)
	return true
}

// restoreOperations restores the search and the operations of a session. An operation that
// cannot go on is left out: the next call of it is CKR_OPERATION_NOT_INITIALIZED, as after a
// logout.
func (s *session) restoreOperations(state SessionState) error {
	if s.enter() != nil {
		return nil // closed meanwhile
	}
	defer s.leave()
	if f := state.Search; f != nil {
		if len(f.Left) > maxSearchResults || f.Weight < 8*len(f.Left) || f.Weight > 16*maxSearchResults {
			return badClientState("a search of %d objects that weighs %d", len(f.Left), f.Weight)
		}
		if err := s.Reserve(f.Weight); err != nil {
			return err
		}
		s.finder = &finder{left: slices.Clone(f.Left), weight: f.Weight}
	}
	for _, one := range state.Operations {
		k := kind(slices.Index(kindNames[:], one.Kind))
		if k < 0 || s.ops[k] != nil {
			return badClientState("an operation of kind %.40q", one.Kind)
		}
		op, err := s.resume(k, one)
		if errors.Is(err, ErrState) {
			return err
		}
		if err != nil {
			s.attachment.client.leaveOut("%s with %v: %v", one.Kind, one.Mechanism, err)
			continue
		}
		s.ops[k] = op
	}
	return nil
}

// resume makes a saved operation. Whether the key may be used so was checked when it began, and
// is not checked again, as in an operation that goes on.
func (s *session) resume(k kind, state OperationState) (op *operation, err error) {
	d, ok := mech.Lookup(state.Mechanism)
	if !ok || !d.Info().Flags.Has(rules[k].flag|rules[k].cancel) {
		return nil, ck.Errorf(ck.CKR_MECHANISM_INVALID, "%v is not there for it", state.Mechanism)
	}
	op = &operation{
		mechanism: ck.Mechanism{Type: state.Mechanism, Parameter: state.Parameter},
		handle:    state.Key, session: s, multi: state.Multi, parameter: parameterWeight(state.Parameter),
	}
	if err := s.Reserve(operationWeight + op.parameter); err != nil {
		return nil, err
	}
	if k == digesting {
		if err := beginDigest(op, d, nil, state.Parameter); err != nil {
			return nil, err
		}
		return op, mech.RestoreHash(op.digest, state.State)
	}
	if err := s.resumeKey(op, d, state); err != nil {
		return nil, err
	}
	defer op.key.release()
	if state.Message != nil {
		op.waits = state.Message.Always
	}
	if err := rules[k].begin(op, d, op.key.key, state.Parameter); err != nil {
		return nil, err
	}
	op.waits = state.Waits
	if err := op.resumeMessage(state.Message); err != nil {
		return nil, err
	}
	return op, op.resumeData(state)
}

// resumeKey finds the key of a saved operation, and acquires it.
func (s *session) resumeKey(op *operation, d *mech.Descriptor, state OperationState) error {
	o, err := s.visibleKey(state.Key)
	if err != nil {
		return err
	}
	typ, _ := o.KeyType()
	switch {
	case !bytes.Equal(o.Attrs.Get(ck.CKA_UNIQUE_ID), state.UniqueID):
		return ck.CKR_KEY_CHANGED
	case !slices.Contains(d.KeyTypes, typ):
		return ck.CKR_KEY_TYPE_INCONSISTENT
	}
	if op.key, err = s.liveKey(state.Key, o); err != nil {
		return err
	}
	if !op.key.acquire() {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	op.long = op.key.key.Heavy()
	op.slow = op.long || d.Stateful
	s.attachLogin(op, o)
	asks := state.Waits || state.Message != nil && state.Message.Always
	if asks && op.login == nil {
		op.key.release()
		return badClientState("an operation with a public object waits for a PIN")
	}
	return nil
}

// resumeMessage restores what an operation on messages has in addition. The key is acquired.
func (op *operation) resumeMessage(state *MessageState) (err error) {
	if (op.message == nil) != (state == nil) {
		return badClientState("an operation of %v and what it knows of messages", op.mechanism.Type)
	}
	if state == nil {
		return nil
	}
	op.message.begun = state.Begun
	m := op.message.cipher
	if m == nil {
		return nil
	}
	m.nonces.made = state.Made
	if f := state.First; f != nil {
		m.nonces.first = &ck.MessageParams{Generator: f.Generator, FixedBits: f.FixedBits, Nonce: bytes.Clone(f.Nonce)}
	}
	if (state.Parameter != nil) != state.Begun || state.Begun && tagBitsOf(state.Parameter) != state.TagBits {
		return badClientState("a message of %v with a tag of %d bits", op.mechanism.Type, state.TagBits)
	}
	if !state.Begun {
		return nil
	}
	weight := parameterWeight(state.Parameter)
	if err := op.session.Reserve(weight); err != nil {
		return err
	}
	op.associated = weight
	m.under, m.tagBits = state.Parameter, state.TagBits
	m.cipher, err = m.begin(op.key.key, m.under)
	return err
}

// tagBitsOf is the length of the tag of a message with the parameter.
func tagBitsOf(p ck.Parameter) uint64 {
	switch p := p.(type) {
	case ck.GCMParams:
		return p.TagBits
	case ck.CCMParams:
		return 8 * p.MACLen
	}
	return 128
}

// resumeData restores the data that the operation has processed, or its output. The key is
// acquired.
func (op *operation) resumeData(state OperationState) error {
	if kept := state.Kept; kept != nil {
		if op.cipher == nil {
			return badClientState("an operation of %v with an output", op.mechanism.Type)
		}
		if err := op.session.Reserve(len(kept.In) + len(kept.Out)); err != nil {
			return err
		}
		op.cipher.kept = &keptOutput{in: kept.In.Clone(), out: append([]byte{}, kept.Out...)}
		return nil
	}
	part := op.part()
	if part == nil {
		return nil
	}
	op.metered(part)
	return part.Restore(state.State)
}
