package provisioning

import (
	"context"
	"encoding/binary"
	"fmt"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// maxChallenge bounds a challenge, in characters.
const maxChallenge = 64

// UnlockByChallenge answers the challenge of a locked token with the code that
// unlocks it, eight decimal digits, and starts the tries of its user PIN anew. The
// code is that of the token and the challenge alone: the same challenge has the
// same code. A token without a user PIN is WrongState.
func (s *Service) UnlockByChallenge(ctx context.Context, c Caller, ref TokenRef, challenge string) (secret.Bytes, Token, error) {
	if err := checkName("challenge", challenge); err != nil {
		return nil, Token{}, err
	}
	if len(challenge) > maxChallenge {
		return nil, Token{}, Errorf(BadInput, "the challenge has %d bytes; one has at most %d", len(challenge), maxChallenge)
	}
	var code secret.Bytes
	view, err := s.changeToken(ctx, c, OpTokenUnlock, ref, func(t *record.Token) error {
		if !t.PIN(pin.User).Set() {
			return Errorf(WrongState, "token %s has no user PIN to unlock; set one first", t.ID)
		}
		*t.PIN(pin.User) = t.PIN(pin.User).Right()
		code = s.unlockCode(t.ID, challenge)
		return nil
	})
	if err != nil {
		return nil, Token{}, err
	}
	return code, view, nil
}

// unlockCode is the code of a challenge.
func (s *Service) unlockCode(token record.TokenID, challenge string) secret.Bytes {
	hash := s.store.HashAPIKey(fmt.Appendf(nil, "unlock code of %s: %s", token, challenge))
	return fmt.Appendf(nil, "%08d", binary.BigEndian.Uint64(hash)%100_000_000)
}
