package provtest

import (
	"bytes"
	"cmp"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

func (t *tx) PendingKey(id record.KeyID) (*record.PendingKey, error) {
	k, err := get(t.d.pending, "pending key", id)
	if err != nil {
		return nil, err
	}
	k.PKCS8 = k.PKCS8.Clone()
	return k, nil
}

func (t *tx) pendingOf(keep func(record.PendingKey) bool) ([]*record.PendingKey, error) {
	list := sorted(t.d.pending, keep, func(a, b record.PendingKey) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	for _, k := range list {
		k.PKCS8 = nil
	}
	return list, nil
}

func (t *tx) PendingKeysOf(user record.UserID) ([]*record.PendingKey, error) {
	return t.pendingOf(func(k record.PendingKey) bool { return k.User == user })
}

func (t *tx) PendingKeys(tenant record.TenantID) ([]*record.PendingKey, error) {
	return t.pendingOf(func(k record.PendingKey) bool { return k.Tenant == tenant })
}

func (t *tx) PutPendingKey(k *record.PendingKey) error {
	u, err := t.User(k.User)
	if err != nil {
		return err
	}
	if u.Tenant != k.Tenant {
		return notFound("user", k.User)
	}
	if old, known := t.d.pending[k.ID]; known && old.User != k.User {
		return record.ErrExists
	}
	if k.ID == "" {
		k.ID = record.KeyID(uuid.NewString())
	}
	if k.CreatedAt.IsZero() {
		k.CreatedAt = time.Now().UTC()
	}
	stored := *k
	stored.PKCS8 = k.PKCS8.Clone()
	t.d.pending[k.ID] = stored
	return nil
}

func (t *tx) DeletePendingKey(id record.KeyID) error {
	if _, err := t.PendingKey(id); err != nil {
		return err
	}
	delete(t.d.pending, id)
	return nil
}

// pending checks that pending keys are found by user and tenant, keep their private key
// until it is removed, and are deleted with their user.
func (s *suite) pending() {
	u, other := s.newUser("anna"), s.newUser("otto")
	made := record.PendingKey{Tenant: s.tenant, User: u.ID, PKCS8: secret.Bytes("private key"), ExpiresAt: time.Now().Add(time.Hour).UTC().Truncate(time.Second)}
	second := record.PendingKey{Tenant: s.tenant, User: other.ID, PKCS8: secret.Bytes("another"), CreatedAt: time.Now().Add(time.Minute)}
	s.write(func(tx provisioning.Tx) error {
		return cmp.Or(tx.PutPendingKey(&made), tx.PutPendingKey(&second))
	})
	check := func(key string, token record.TokenID) {
		s.Helper()
		s.read(func(tx provisioning.ReadTx) {
			k, err := tx.PendingKey(made.ID)
			require.NoError(s, err)
			if !bytes.Equal(k.PKCS8, []byte(key)) || k.User != u.ID || k.Tenant != s.tenant || k.Token != token || !k.ExpiresAt.Equal(made.ExpiresAt) {
				s.Errorf("the pending key is %+v", k)
			}
			of, err := tx.PendingKeysOf(u.ID)
			require.NoError(s, err)
			all, err := tx.PendingKeys(s.tenant)
			require.NoError(s, err)
			if len(of) != 1 || len(all) != 2 || of[0].ID != made.ID || all[0].ID != made.ID || len(of[0].PKCS8)+len(all[1].PKCS8) > 0 {
				s.Errorf("%d pending keys of the user, %d of the tenant", len(of), len(all))
			}
		})
	}
	check("private key", "")
	made.PKCS8, made.Token = nil, nowhere
	s.write(func(tx provisioning.Tx) error { return tx.PutPendingKey(&made) })
	check("", nowhere)
	s.refused(record.ErrNotFound, func(tx provisioning.Tx) error {
		return tx.PutPendingKey(&record.PendingKey{Tenant: s.tenant, User: nowhere})
	})
	s.write(func(tx provisioning.Tx) error { return tx.DeletePendingKey(made.ID) })
	s.refused(record.ErrNotFound, func(tx provisioning.Tx) error { return tx.DeletePendingKey(made.ID) })
	s.write(func(tx provisioning.Tx) error { return tx.DeleteUser(other.ID) })
	s.read(func(tx provisioning.ReadTx) {
		_, err := tx.PendingKey(second.ID)
		require.ErrorIs(s, err, record.ErrNotFound)
		all, err := tx.PendingKeys(s.tenant)
		require.NoError(s, err)
		if len(all) != 0 {
			s.Errorf("%d pending keys are left", len(all))
		}
	})
}
