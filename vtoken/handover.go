package vtoken

import (
	"fmt"
	"reflect"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// A planned restart: the old daemon saves the live state of each application, and its successor
// restores it with a new engine on the same store, under the same handles. What the store has
// is not in the state, and is read again. Everything that changed in the store meanwhile has
// the effect that it would have had on a running application.
//
// States hold secrets: session objects, the data of operations, the keys of PIN-bound tokens.
// A caller that encodes one encrypts the bytes, and wipes both. They are never stored.

// ClientState is the live state of one application, see [Client.Save].
type ClientState struct {
	// Known says that the application was asked for slots, and is told of changes.
	Known bool
	// Visible are the slots that it could see, Seen those that it was told of, and Events
	// those with an event that it has not taken.
	Visible, Seen, Events []ck.SlotID
	Attachments           []AttachmentState
}

// AttachmentState is an application's use of one token.
type AttachmentState struct {
	ID       uint64
	Token    record.TokenID
	Login    *LoginState
	Sessions []SessionState
}

// LoginState is a login. It is restored if the token still has that verifier.
type LoginState struct {
	Role     uint8 // a pin.Role
	Fresh    bool  // no key that asks for the PIN at each use was used
	Verifier secret.Bytes
	// Compared is a hash of the verifier that the PIN was compared with, which is another one
	// if its holder has changed it since (Login.Verifier).
	Compared []byte
	// Bound is the key of a PIN-bound token, and PINMemory the hashes of its PINs.
	Bound     secret.Bytes
	PINMemory [2]secret.Bytes
}

// SessionState is a session, with the session objects that it owns.
type SessionState struct {
	Handle     ck.SessionHandle
	Writable   bool
	Objects    []ObjectState
	Operations []OperationState
	Search     *SearchState
	// Lost are the operations that could not be saved, for people to read. The restored
	// session does not have them.
	Lost []string
}

// ObjectState is a session object. Its sets of attributes are in their binary form.
type ObjectState struct {
	Handle ck.ObjectHandle
	Attrs  []byte
	Secret secret.Bytes // empty for an object without secrets
}

// SearchState is a running search.
type SearchState struct {
	Left   []ck.ObjectHandle
	Weight int
}

// OperationState is a running operation of any kind.
type OperationState struct {
	Kind      string
	Mechanism ck.MechanismType
	Parameter ck.Parameter
	Key       ck.ObjectHandle // none for a digest
	UniqueID  []byte          // of the key
	Waits     bool            // for the PIN
	Multi     bool            // it was begun in parts
	State     secret.Bytes    // of a digest, a signature, a verification or a cipher
	Kept      *KeptState
	Message   *MessageState
}

// KeptState is an output that waits for a longer buffer, with its input.
type KeptState struct{ In, Out secret.Bytes }

// MessageState is what an operation on messages has in addition.
type MessageState struct {
	Always bool // each message needs the PIN
	Begun  bool
	// First and Made are of the generator of nonces: what the first message's parameter
	// says, and how many there were.
	First *NonceState
	Made  uint64
	// Parameter and TagBits are of the message that is encrypted or decrypted in parts.
	Parameter ck.Parameter
	TagBits   uint64
}

// NonceState is what all messages of an operation that encrypts have in common.
type NonceState struct {
	Generator, FixedBits uint64
	Nonce                []byte
}

// MarshalBinary returns the binary form of the state, which holds secrets in clear. Only an
// engine of the same [StateVersion] reads it.
func (s *ClientState) MarshalBinary() ([]byte, error) { return encodeState(s), nil }

// UnmarshalBinary reads what MarshalBinary returned. The error is [ErrStateVersion] or
// [ErrState].
func (s *ClientState) UnmarshalBinary(b []byte) error {
	*s = ClientState{}
	if err := decodeState(b, s); err != nil {
		return fmt.Errorf("read the state of an application: %w", err)
	}
	return nil
}

// Wipe overwrites the secrets in the state.
func (s *ClientState) Wipe() { wipeState(reflect.ValueOf(s)) }

// Lost are the operations that could not be saved, for people to read.
func (s *ClientState) Lost() (all []string) {
	for _, a := range s.Attachments {
		for _, one := range a.Sessions {
			all = append(all, one.Lost...)
		}
	}
	return all
}

// EngineState is what is not one application's: the memory of PINs, so that a restart gives no
// free guesses and costs nothing again, and the key of C_GetOperationState.
type EngineState struct {
	PINKey, StateKey secret.Bytes
	Handles          uint64 // the last handle that was given
	PINs             []PINState
}

// PINState is what is remembered of the PINs of one token, by pin.Role.
type PINState struct {
	Token record.TokenID
	Right [2]secret.Bytes // the hash of the right PIN
	Wrong [2][]WrongPINState
}

// WrongPINState is the last wrong PIN of an OS user.
type WrongPINState struct {
	UID  uint32
	Hash secret.Bytes
	Pace pin.SavedPace
}

// MarshalBinary is that of [ClientState].
func (s *EngineState) MarshalBinary() ([]byte, error) { return encodeState(s), nil }

// UnmarshalBinary is that of [ClientState].
func (s *EngineState) UnmarshalBinary(b []byte) error {
	*s = EngineState{}
	if err := decodeState(b, s); err != nil {
		return fmt.Errorf("read the state of the engine: %w", err)
	}
	return nil
}

// Wipe overwrites the secrets in the state.
func (s *EngineState) Wipe() { wipeState(reflect.ValueOf(s)) }
