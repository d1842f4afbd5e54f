package vtoken

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// savePINs returns what is remembered of a token's PINs. For a PIN-bound token the hash of the
// right one is in the states of its logins, because it ends with them.
func (t *token) savePINs(now time.Time) PINState {
	state := PINState{Token: t.id}
	for _, role := range []pin.Role{pin.User, pin.SO} {
		t.pinMu[role].Lock()
		state.Right[role] = slices.Clone(t.pinMemory[role])
		for uid, w := range t.wrong[role] {
			if w.pace.Over(now) {
				continue
			}
			one := WrongPINState{UID: uid, Hash: slices.Clone(w.hash), Pace: w.pace.Saved()}
			state.Wrong[role] = append(state.Wrong[role], one)
		}
		t.pinMu[role].Unlock()
	}
	return state
}

func (s PINState) empty() bool {
	return len(s.Right[0])+len(s.Right[1])+len(s.Wrong[0])+len(s.Wrong[1]) == 0
}

// clone returns a copy that shares no secrets with s.
func (s PINState) clone() PINState {
	for role := range s.Right {
		s.Right[role] = s.Right[role].Clone()
		s.Wrong[role] = slices.Clone(s.Wrong[role])
		for i := range s.Wrong[role] {
			s.Wrong[role][i].Hash = s.Wrong[role][i].Hash.Clone()
		}
	}
	return s
}

// RestoreState takes up what [Engine.Save] of another engine returned. It is called before the
// first Connect.
func (e *Engine) RestoreState(s EngineState) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.checkState(s); err != nil {
		return fmt.Errorf("restore the state of the engine: %w", err)
	}
	copy(e.pinKey[:], s.PINKey)
	copy(e.stateKey[:], s.StateKey)
	e.raiseHandles(s.Handles)
	e.pinStates = make(map[record.TokenID]PINState, len(s.PINs))
	for _, one := range s.PINs {
		e.pinStates[one.Token] = one.clone()
	}
	return nil
}

// checkState checks that the state can be taken up. e.mu is locked.
func (e *Engine) checkState(s EngineState) error {
	switch {
	case len(e.clients) > 0:
		return fmt.Errorf("%d applications are connected; restore it before the first", len(e.clients))
	case len(s.PINKey) != len(e.pinKey) || len(s.StateKey) != len(e.stateKey):
		return fmt.Errorf("%w: keys of %d and %d bytes", ErrState, len(s.PINKey), len(s.StateKey))
	case s.Handles >= maxHandle:
		return fmt.Errorf("%w: the handle %d", ErrState, s.Handles)
	}
	for _, one := range s.PINs {
		if one.Token == "" || len(one.Wrong[0]) > maxWrongPINs || len(one.Wrong[1]) > maxWrongPINs {
			return fmt.Errorf("%w: the wrong PINs of token %.40q", ErrState, one.Token)
		}
	}
	return nil
}

// recallPINs gives a token that was just loaded what the engine before remembered of its PINs.
// e.mu is locked, and nobody else has t.
func (e *Engine) recallPINs(t *token) {
	state, ok := e.pinStates[t.id]
	if !ok {
		return
	}
	delete(e.pinStates, t.id)
	for role := range t.pinMemory {
		if !t.record().PINBound {
			t.pinMemory[role] = state.Right[role]
		}
		if len(state.Wrong[role]) > 0 {
			t.wrong[role] = wrongPINs{}
		}
		for _, w := range state.Wrong[role] {
			t.wrong[role][w.UID] = wrongPIN{hash: w.Hash, pace: w.Pace.Pace()}
		}
	}
}

// waitingPINs returns what is remembered of tokens that were not loaded since the restart, as
// much as there would be of idle tokens. e.mu is locked.
func (e *Engine) waitingPINs() []PINState {
	byToken := func(a, b PINState) int { return cmp.Compare(a.Token, b.Token) }
	all := slices.SortedFunc(maps.Values(e.pinStates), byToken)
	return all[:min(len(all), maxIdleTokens)]
}

// raiseHandles makes sure that new handles are greater than n.
func (e *Engine) raiseHandles(n uint64) {
	for {
		last := e.handles.Load()
		if last >= n || e.handles.CompareAndSwap(last, n) {
			return
		}
	}
}
