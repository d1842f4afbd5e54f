package provisioning_test

import (
	"errors"
	"sync/atomic"

	"vtoken/provisioning"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// failing is a store of which one call fails: the one with the number at, from 1. Calls of a
// transaction count as well.
type failing struct {
	provisioning.Store
	at    int64
	calls atomic.Int64 // imports make some side by side
	hit   atomic.Bool
}

var errFails = errors.New("input/output error")

// do makes a call, or fails in its place.
func (f *failing) do(call func() error) error {
	if f.calls.Add(1) == f.at {
		f.hit.Store(true)
		return errFails
	}
	return call()
}

// answer is do for a call with a result.
func answer[T any](f *failing, call func() (T, error)) (result T, err error) {
	err = f.do(func() (err error) {
		result, err = call()
		return err
	})
	return result, err
}

// View counts from the beginning each time that fn runs, as the same call fails then.
func (f *failing) View(fn func(provisioning.ReadTx) error) error {
	return f.do(func() error {
		before := f.calls.Load()
		return f.Store.View(func(tx provisioning.ReadTx) error {
			f.calls.Store(before)
			return fn(failingTx{tx, f})
		})
	})
}

func (f *failing) Update(fn func(provisioning.Tx) error) error {
	return f.do(func() error {
		before := f.calls.Load()
		return f.Store.Update(func(tx provisioning.Tx) error {
			f.calls.Store(before)
			return fn(failingTx{tx, f})
		})
	})
}

func (f *failing) HashPIN(token record.TokenID, role pin.Role, p, bound secret.Bytes) ([]byte, error) {
	return answer(f, func() ([]byte, error) { return f.Store.HashPIN(token, role, p, bound) })
}

func (f *failing) CheckPIN(
	token record.TokenID, role pin.Role, verifier []byte, p secret.Bytes,
) (right bool, bound secret.Bytes, err error) {
	err = f.do(func() (err error) {
		right, bound, err = f.Store.CheckPIN(token, role, verifier, p)
		return err
	})
	return right, bound, err
}

func (f *failing) NewBoundKey() (public []byte, private secret.Bytes, err error) {
	err = f.do(func() (err error) {
		public, private, err = f.Store.NewBoundKey()
		return err
	})
	return public, private, err
}

func (f *failing) OpenSecret(token record.TokenID, id object.ID, bound secret.Bytes) (object.Set, error) {
	return answer(f, func() (object.Set, error) { return f.Store.OpenSecret(token, id, bound) })
}

// failingTx is a transaction whose calls count.
type failingTx struct {
	tx provisioning.ReadTx
	f  *failing
}

func (x failingTx) writer() provisioning.Tx { return x.tx.(provisioning.Tx) }

func (x failingTx) Tenant(id record.TenantID) (*record.Tenant, error) {
	return answer(x.f, func() (*record.Tenant, error) { return x.tx.Tenant(id) })
}

func (x failingTx) TenantByName(name string) (*record.Tenant, error) {
	return answer(x.f, func() (*record.Tenant, error) { return x.tx.TenantByName(name) })
}

func (x failingTx) Tenants() ([]*record.Tenant, error) {
	return answer(x.f, func() ([]*record.Tenant, error) { return x.tx.Tenants() })
}

func (x failingTx) User(id record.UserID) (*record.User, error) {
	return answer(x.f, func() (*record.User, error) { return x.tx.User(id) })
}

func (x failingTx) UserByLogin(tenant record.TenantID, login string) (*record.User, error) {
	return answer(x.f, func() (*record.User, error) { return x.tx.UserByLogin(tenant, login) })
}

func (x failingTx) Users(tenant record.TenantID) ([]*record.User, error) {
	return answer(x.f, func() ([]*record.User, error) { return x.tx.Users(tenant) })
}

func (x failingTx) UsersMapped(spellings ...string) ([]*record.User, error) {
	return answer(x.f, func() ([]*record.User, error) { return x.tx.UsersMapped(spellings...) })
}

func (x failingTx) APIKey(tenant record.TenantID, name string) (*record.APIKey, error) {
	return answer(x.f, func() (*record.APIKey, error) { return x.tx.APIKey(tenant, name) })
}

func (x failingTx) APIKeyByHash(hash []byte) (*record.APIKey, error) {
	return answer(x.f, func() (*record.APIKey, error) { return x.tx.APIKeyByHash(hash) })
}

func (x failingTx) APIKeys(tenant record.TenantID) ([]*record.APIKey, error) {
	return answer(x.f, func() ([]*record.APIKey, error) { return x.tx.APIKeys(tenant) })
}

func (x failingTx) Token(id record.TokenID) (*record.Token, error) {
	return answer(x.f, func() (*record.Token, error) { return x.tx.Token(id) })
}

func (x failingTx) TokenBySerial(tenant record.TenantID, serial string) (*record.Token, error) {
	return answer(x.f, func() (*record.Token, error) { return x.tx.TokenBySerial(tenant, serial) })
}

func (x failingTx) Group(id record.GroupID) (*record.Group, error) {
	return answer(x.f, func() (*record.Group, error) { return x.tx.Group(id) })
}

func (x failingTx) Groups(tenant record.TenantID) ([]*record.Group, error) {
	return answer(x.f, func() ([]*record.Group, error) { return x.tx.Groups(tenant) })
}

func (x failingTx) PendingKey(id record.KeyID) (*record.PendingKey, error) {
	return answer(x.f, func() (*record.PendingKey, error) { return x.tx.PendingKey(id) })
}

func (x failingTx) PendingKeysOf(user record.UserID) ([]*record.PendingKey, error) {
	return answer(x.f, func() ([]*record.PendingKey, error) { return x.tx.PendingKeysOf(user) })
}

func (x failingTx) PendingKeys(tenant record.TenantID) ([]*record.PendingKey, error) {
	return answer(x.f, func() ([]*record.PendingKey, error) { return x.tx.PendingKeys(tenant) })
}

func (x failingTx) TokensOf(user record.UserID) ([]*record.Token, error) {
	return answer(x.f, func() ([]*record.Token, error) { return x.tx.TokensOf(user) })
}

func (x failingTx) TokensOfTenant(tenant record.TenantID, after uint64, limit int) ([]*record.Token, error) {
	return answer(x.f, func() ([]*record.Token, error) { return x.tx.TokensOfTenant(tenant, after, limit) })
}

func (x failingTx) Objects(token record.TokenID) ([]*object.Object, error) {
	return answer(x.f, func() ([]*object.Object, error) { return x.tx.Objects(token) })
}

func (x failingTx) PutTenant(t *record.Tenant) error {
	return x.f.do(func() error { return x.writer().PutTenant(t) })
}

func (x failingTx) DeleteTenant(id record.TenantID) error {
	return x.f.do(func() error { return x.writer().DeleteTenant(id) })
}

func (x failingTx) PutUser(u *record.User) error {
	return x.f.do(func() error { return x.writer().PutUser(u) })
}

func (x failingTx) DeleteUser(id record.UserID) error {
	return x.f.do(func() error { return x.writer().DeleteUser(id) })
}

func (x failingTx) PutGroup(g *record.Group) error {
	return x.f.do(func() error { return x.writer().PutGroup(g) })
}

func (x failingTx) DeleteGroup(id record.GroupID) error {
	return x.f.do(func() error { return x.writer().DeleteGroup(id) })
}

func (x failingTx) PutPendingKey(k *record.PendingKey) error {
	return x.f.do(func() error { return x.writer().PutPendingKey(k) })
}

func (x failingTx) DeletePendingKey(id record.KeyID) error {
	return x.f.do(func() error { return x.writer().DeletePendingKey(id) })
}

func (x failingTx) PutAPIKey(k *record.APIKey) error {
	return x.f.do(func() error { return x.writer().PutAPIKey(k) })
}

func (x failingTx) DeleteAPIKey(tenant record.TenantID, name string) error {
	return x.f.do(func() error { return x.writer().DeleteAPIKey(tenant, name) })
}

func (x failingTx) NewToken(t *record.Token) error {
	return x.f.do(func() error { return x.writer().NewToken(t) })
}

func (x failingTx) PutToken(t *record.Token) error {
	return x.f.do(func() error { return x.writer().PutToken(t) })
}

func (x failingTx) DeleteToken(id record.TokenID) error {
	return x.f.do(func() error { return x.writer().DeleteToken(id) })
}

func (x failingTx) PutObject(token record.TokenID, o *object.Object) error {
	return x.f.do(func() error { return x.writer().PutObject(token, o) })
}

func (x failingTx) DeleteObjects(token record.TokenID) error {
	return x.f.do(func() error { return x.writer().DeleteObjects(token) })
}
