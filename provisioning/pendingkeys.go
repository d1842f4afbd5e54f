package provisioning

import (
	"context"
	"slices"

	"vtoken/vtoken/record"
)

// PendingKeys lists the keys of a user that wait for their certificates, and those that
// got them recently, the oldest first.
func (s *Service) PendingKeys(ctx context.Context, c Caller, tenant record.TenantID, user string) ([]PendingKey, error) {
	if err := c.authorize(OpCSRList, tenant); err != nil {
		return nil, err
	}
	list := []PendingKey{}
	err := s.view(ctx, func(tx ReadTx) error {
		u, err := userOf(tx, tenant, user)
		if err != nil {
			return err
		}
		all, err := tx.PendingKeysOf(u.ID)
		for _, k := range all {
			if s.now().Before(k.ExpiresAt) {
				list = append(list, pendingView(k))
			}
		}
		return err
	})
	return list, err
}

// DeletePendingKey deletes a key that waits for its certificate.
func (s *Service) DeletePendingKey(
	ctx context.Context, c Caller, tenant record.TenantID, user string, id record.KeyID,
) error {
	if err := c.authorize(OpCSRDelete, tenant); err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		u, err := userOf(tx, tenant, user)
		if err != nil {
			return err
		}
		k, err := s.pendingKey(tx, tenant, id)
		if err != nil {
			return err
		}
		k.PKCS8.Wipe()
		if k.User != u.ID {
			return noPendingKey(id)
		}
		return tx.DeletePendingKey(id)
	})
}

// pendingKey returns a key of the tenant that has not expired, with its private key.
func (s *Service) pendingKey(tx ReadTx, tenant record.TenantID, id record.KeyID) (*record.PendingKey, error) {
	k, err := tx.PendingKey(id)
	if found, err := exists(err); err != nil {
		return nil, err
	} else if !found || k.Tenant != tenant || !s.now().Before(k.ExpiresAt) {
		return nil, noPendingKey(id)
	}
	return k, nil
}

func noPendingKey(id record.KeyID) error {
	return Errorf(KeyNotFound,
		"there is no key %.40s that waits for its certificate; keys wait for %d days, then make a new request",
		id, int(PendingLifetime.Hours()/24))
}

// SweepPendingKeys deletes the expired keys of all tenants.
func (s *Service) SweepPendingKeys(ctx context.Context) error {
	var all []*record.PendingKey
	err := s.view(ctx, func(tx ReadTx) error {
		tenants, err := tx.Tenants()
		for _, t := range tenants {
			of, err := tx.PendingKeys(t.ID)
			if err != nil {
				return err
			}
			all = append(all, of...)
		}
		return err
	})
	past := slices.DeleteFunc(all, func(k *record.PendingKey) bool { return s.now().Before(k.ExpiresAt) })
	if err != nil || len(past) == 0 {
		return err
	}
	return s.update(ctx, func(tx Tx) error { return s.sweepList(tx, past) })
}

// sweep deletes the expired keys of one user, and the oldest of those that went to a
// token.
func (s *Service) sweep(tx Tx, user record.UserID) error {
	all, err := tx.PendingKeysOf(user)
	if err != nil {
		return err
	}
	if err := s.sweepList(tx, all); err != nil {
		return err
	}
	var gone []*record.PendingKey
	for _, k := range all {
		if k.Token != "" && s.now().Before(k.ExpiresAt) {
			gone = append(gone, k)
		}
	}
	for _, k := range gone[:max(0, len(gone)-maxPending)] {
		if err := tx.DeletePendingKey(k.ID); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) sweepList(tx Tx, all []*record.PendingKey) error {
	for _, k := range all {
		if s.now().Before(k.ExpiresAt) {
			continue
		}
		if _, err := exists(tx.DeletePendingKey(k.ID)); err != nil { // another sweep may have been here
			return err
		}
	}
	return nil
}
