package provisioning

import (
	"context"

	"vtoken/provisioning/text"
	"vtoken/vtoken/record"
)

// TokenCSR is [Service.GenerateCSR] for a key that is to go to a token. The user is the
// holder who gets the key, by login or id. Empty is the only holder, and BadInput where
// there are several. No key is made for a token that [Service.StoreCertificate] would
// refuse.
func (s *Service) TokenCSR(ctx context.Context, c Caller, ref TokenRef, user string, n NewCSR) (CSR, error) {
	var tenant record.TenantID
	var holder record.UserID
	err := s.view(ctx, func(tx ReadTx) error {
		t, err := s.token(tx, c, OpTokenCertificate, ref)
		if err != nil {
			return err
		}
		tenant = t.Tenant
		if holder, err = s.requester(tx, t, user); err != nil {
			return err
		}
		if algorithm, bits := n.kind(); algorithm == "RSA" && t.MaxRSABits > 0 && bits > t.MaxRSABits {
			return Errorf(BadInput, "token %s takes RSA keys of at most %d bits; ask for a smaller one", t.ID, t.MaxRSABits)
		}
		return nil
	})
	if err != nil {
		return CSR{}, err
	}
	return s.GenerateCSR(ctx, c, tenant, string(holder), n)
}

// requester returns the holder of a token who gets the key.
func (s *Service) requester(tx ReadTx, t *record.Token, user string) (record.UserID, error) {
	switch {
	case len(t.Holders) == 0:
		return "", Errorf(WrongState, "token %s is not assigned to anybody; assign it first", t.ID)
	case user == "" && len(t.Holders) > 1:
		return "", Errorf(BadInput, "token %s has %d holders; name the one who gets the key", t.ID, len(t.Holders))
	case user == "":
		return t.Holders[0].User, nil
	}
	u, err := userOf(tx, t.Tenant, user)
	if err != nil {
		return "", err
	}
	if t.Assignment(u.ID) == nil {
		return "", Errorf(UserNotFound, "user %q does not hold token %s", text.Clip(user), t.ID)
	}
	return u.ID, nil
}
