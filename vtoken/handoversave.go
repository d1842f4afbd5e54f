package vtoken

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/secret"
)

// kindNames are the names of the kinds of operation in a state, and in what is told of it.
var kindNames = [kinds]string{
	encrypting:        "encryption",
	decrypting:        "decryption",
	digesting:         "digest",
	signing:           "signature",
	verifying:         "verification",
	signRecovering:    "signature with recovery",
	verifyRecovering:  "verification with recovery",
	messageSigning:    "signature of messages",
	messageVerifying:  "verification of messages",
	messageEncrypting: "encryption of messages",
	messageDecrypting: "decryption of messages",
}

// Save returns the live state of the application, for [Engine.Restore] in the next process. No
// call of the application may be running, except for ones that wait for a slot event: Save
// waits for calls in sessions. An event that a waiting call takes after Save is in the state,
// too, so such a call is not answered any more, but made again in the next process.
//
// Save changes nothing: if the restart fails, the application goes on here. Operations that
// cannot be saved are in [ClientState.Lost]; only HashSLH-DSA on much data is one.
//
// The caller wipes the state.
func (c *Client) Save() (ClientState, error) {
	c.mu.RLock()
	byHandle := func(a, b *session) int { return cmp.Compare(a.handle, b.handle) }
	sessions := slices.SortedFunc(maps.Values(c.sessions), byHandle)
	c.mu.RUnlock()
	for _, s := range sessions {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	// Nothing is applied meanwhile, so that a login is not saved with the verifier of the PIN
	// whose change is just about to end it.
	c.engine.applyMu.Lock()
	defer c.engine.applyMu.Unlock()
	var state ClientState
	c.saveSlots(&state)
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return ClientState{}, ck.Errorf(ck.CKR_CRYPTOKI_NOT_INITIALIZED, "save the state of an ended application")
	}
	state.Seen = slices.Sorted(maps.Keys(c.seen))
	byID := func(a, b *attachment) int { return cmp.Compare(a.id, b.id) }
	for _, a := range slices.SortedFunc(maps.Values(c.attachments), byID) {
		state.Attachments = append(state.Attachments, a.save(sessions))
	}
	return state, nil
}

func (c *Client) saveSlots(state *ClientState) {
	if state.Known = c.users.Load() != nil; state.Known {
		state.Visible = c.slots()
	}
	c.events.mu.Lock()
	defer c.events.mu.Unlock()
	state.Events = slices.Clone(c.events.slots)
}

// save returns the state of an attachment. Client.mu and the locks of the sessions are held.
func (a *attachment) save(sessions []*session) AttachmentState {
	state := AttachmentState{ID: a.id, Token: a.token.id, Login: a.saveLogin()}
	for _, s := range sessions {
		if s.attachment == a && !s.closed.Load() {
			state.Sessions = append(state.Sessions, s.save())
		}
	}
	return state
}

// saveLogin returns the state of the login, if there is one. Engine.applyMu is locked, so the
// verifier is that of the PIN with which the login was made, or to which its holder has changed
// it.
func (a *attachment) saveLogin() *LoginState {
	l := a.login.Load()
	if l == nil {
		return nil
	}
	rec := a.token.record()
	state := &LoginState{
		Role: uint8(l.role), Fresh: l.fresh.Load(),
		Verifier: slices.Clone(rec.PIN(l.role).Verifier), Compared: l.verifier[:],
	}
	if !rec.PINBound {
		return state
	}
	h := &a.token.secrets
	h.mu.Lock()
	defer h.mu.Unlock()
	state.Bound = h.bound.Clone()
	for role, memory := range h.pinMemory {
		state.PINMemory[role] = slices.Clone(memory)
	}
	return state
}

// save returns the state of a session, whose lock is held.
func (s *session) save() SessionState {
	state := SessionState{Handle: s.handle, Writable: s.writable, Objects: s.saveObjects()}
	if f := s.finder; f != nil {
		state.Search = &SearchState{Left: slices.Clone(f.left), Weight: f.weight}
	}
	for k, op := range s.ops {
		if op == nil || op.isCancelled() {
			continue
		}
		one, err := s.saveOperation(kind(k), op)
		if err != nil {
			state.Lost = append(state.Lost, fmt.Sprintf("%s with %v: %v", kindNames[k], op.mechanism.Type, err))
			continue
		}
		state.Operations = append(state.Operations, one)
	}
	return state
}

func (s *session) saveObjects() (all []ObjectState) {
	a := s.attachment
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, h := range slices.Sorted(maps.Keys(s.objects)) {
		o := a.objects.get(h)
		one := ObjectState{Handle: h, Attrs: o.Attrs.AppendBinary(nil)}
		if o.Secret != nil {
			size := 4
			for _, attr := range o.Secret {
				size += 12 + len(attr.Value)
			}
			one.Secret = o.Secret.AppendBinary(make([]byte, 0, size))
		}
		all = append(all, one)
	}
	return all
}

func (s *session) saveOperation(k kind, op *operation) (state OperationState, err error) {
	state = OperationState{
		Kind: kindNames[k], Mechanism: op.mechanism.Type, Parameter: op.mechanism.Parameter,
		Key: op.handle, Waits: op.waits, Multi: op.multi,
	}
	if op.key != nil {
		o := s.spaceOf(op.handle).get(op.handle)
		if o == nil {
			return state, ck.Errorf(ck.CKR_OPERATION_NOT_INITIALIZED, "its key is gone")
		}
		state.UniqueID = o.Attrs.Get(ck.CKA_UNIQUE_ID)
	}
	if m := op.message; m != nil {
		state.Message = m.save()
	}
	if op.cipher != nil && op.cipher.kept != nil {
		kept := op.cipher.kept // the cipher has done its work
		state.Kept = &KeptState{In: secret.Bytes(kept.in).Clone(), Out: secret.Bytes(kept.out).Clone()}
		return state, nil
	}
	if op.digest != nil {
		state.State, err = mech.SaveHash(op.digest)
	} else if part := op.part(); part != nil {
		state.State, err = part.Save()
	}
	return state, err
}

// part returns the mechanism's part of an operation that is no digest, or nil where there is
// none between two messages.
func (op *operation) part() mech.Saver {
	switch {
	case op.signer != nil:
		return op.signer
	case op.verifier != nil:
		return op.verifier
	case op.cipher != nil:
		return op.cipher.Cipher
	case op.message.cipher.cipher != nil:
		return op.message.cipher.cipher
	}
	return nil
}

func (m *message) save() *MessageState {
	state := &MessageState{Always: m.always, Begun: m.begun}
	if m.cipher == nil {
		return state
	}
	state.Made = m.cipher.nonces.made
	if f := m.cipher.nonces.first; f != nil {
		state.First = &NonceState{Generator: f.Generator, FixedBits: f.FixedBits, Nonce: f.Nonce}
	}
	if m.cipher.cipher != nil {
		state.Parameter, state.TagBits = m.cipher.under, m.cipher.tagBits
	}
	return state
}

// Save returns what is not one application's, for [Engine.RestoreState] in the next process.
// It is called when no call is running any more. The caller wipes the state.
func (e *Engine) Save() EngineState {
	state := EngineState{
		PINKey: secret.Bytes(e.pinKey[:]).Clone(), StateKey: secret.Bytes(e.stateKey[:]).Clone(),
		Handles: e.handles.Load(),
	}
	e.mu.RLock()
	loaded := slices.Collect(maps.Values(e.tokens))
	waiting := e.waitingPINs()
	e.mu.RUnlock()
	for _, t := range loaded {
		if one := t.savePINs(e.opts.Now()); !one.empty() {
			state.PINs = append(state.PINs, one)
		}
	}
	// Tokens that were not used since the last restart are as idle as any.
	for _, one := range waiting {
		state.PINs = append(state.PINs, one.clone())
	}
	return state
}
