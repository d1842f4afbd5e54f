package provisioning

import (
	"context"

	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// boundKey is the key pair of a PIN-bound token; the zero value is for other tokens.
type boundKey struct {
	public  []byte
	private secret.Bytes
}

// keyFor returns the key that a new PIN of a token must open: a new one for the first
// PIN, otherwise the one that the current PIN opens, or that the caller has just made. A
// current PIN is checked for other tokens too.
func (s *Service) keyFor(ctx context.Context, c Caller, t *record.Token, current *CurrentPIN) (boundKey, error) {
	switch {
	case current != nil:
		private, err := s.tryPIN(ctx, c, t, *current)
		return boundKey{t.BoundKey, private}, err
	case !t.PINBound:
		return boundKey{}, nil
	}
	if k, ok := s.fresh.get(c, t, s.now(), s.store.PresentBoundKey); ok {
		return k, nil
	}
	if len(t.BoundKey) > 0 {
		return boundKey{}, Errorf(WrongState, "token %s is PIN-bound: its keys open with its PINs only, so a PIN is set with one that it has, and not even an administrator can do without; "+
			"give the SO PIN (`vtoken token reset-pin --current-so-pin-file`), or have it set by C_InitPIN", t.ID)
	}
	return s.newBoundKey()
}

func (s *Service) newBoundKey() (k boundKey, err error) {
	k.public, k.private, err = s.store.NewBoundKey()
	return k, err
}

// bindNew reports whether a new token is PIN-bound: on request, or because all new cards
// of the tenant are. Storing the token notices a tenant that does not exist.
func (s *Service) bindNew(ctx context.Context, n NewToken) (bool, error) {
	otp := n.Kind == record.KindOTP
	switch {
	case n.PINBound && otp:
		return false, Errorf(BadInput,
			"a token for one-time passwords cannot be PIN-bound: the API checks passwords without its PIN")
	case n.PINBound || otp:
		return n.PINBound, nil
	}
	bound := false
	err := s.view(ctx, func(tx ReadTx) error {
		t, err := tx.Tenant(n.Tenant)
		if found, err := exists(err); !found {
			return err
		}
		bound = t.PINBound
		return nil
	})
	return bound, err
}

// SetTenantResume says whether logins with a tenant's tokens may outlive a crash of the daemon.
// It is for the tokens that are there as well: their logins are not given back from now on.
func (s *Service) SetTenantResume(ctx context.Context, c Caller, id record.TenantID, resume bool) (Tenant, error) {
	return s.changeTenant(ctx, c, id, func(t *record.Tenant) { t.NoResume = !resume })
}

// SetTenantPINBound says whether new cards of a tenant are PIN-bound. Existing tokens do
// not change.
func (s *Service) SetTenantPINBound(ctx context.Context, c Caller, id record.TenantID, bound bool) (Tenant, error) {
	return s.changeTenant(ctx, c, id, func(t *record.Tenant) { t.PINBound = bound })
}
