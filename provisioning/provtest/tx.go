package provtest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// tx is a transaction on a copy of the state.
type tx struct{ d *state }

func notFound(what string, id any) error {
	return fmt.Errorf("%s %v: %w", what, id, record.ErrNotFound)
}

func get[K comparable, V any](m map[K]V, what string, id K) (*V, error) {
	v, ok := m[id]
	if !ok {
		return nil, notFound(what, id)
	}
	return &v, nil
}

func sorted[K comparable, V any](m map[K]V, keep func(V) bool, order func(a, b V) int) []*V {
	var list []*V
	for v := range maps.Values(m) {
		if keep(v) {
			list = append(list, &v)
		}
	}
	slices.SortFunc(list, func(a, b *V) int { return order(*a, *b) })
	return list
}

func (t *tx) Tenant(id record.TenantID) (*record.Tenant, error) {
	return get(t.d.tenants, "tenant", id)
}

func (t *tx) TenantByName(name string) (*record.Tenant, error) {
	for _, v := range t.d.tenants {
		if v.Name == name {
			return &v, nil
		}
	}
	return nil, notFound("tenant", name)
}

func (t *tx) Tenants() ([]*record.Tenant, error) {
	list := sorted(t.d.tenants, func(record.Tenant) bool { return true },
		func(a, b record.Tenant) int { return cmp.Compare(a.Name, b.Name) })
	for _, v := range list {
		v.ExchangeKey = nil
	}
	return list, nil
}

func (t *tx) PutTenant(v *record.Tenant) error {
	if other, err := t.TenantByName(v.Name); err == nil && other.ID != v.ID {
		return record.ErrExists
	}
	old, known := t.d.tenants[v.ID]
	switch {
	case v.ID == "":
		v.ID, v.CreatedAt = record.TenantID(uuid.NewString()), time.Now().UTC()
	case !known:
		return notFound("tenant", v.ID)
	case v.ExchangeKey == nil:
		v.ExchangeKey = old.ExchangeKey
	}
	t.d.tenants[v.ID] = *v
	return nil
}

func (t *tx) DeleteTenant(id record.TenantID) error {
	if _, err := t.Tenant(id); err != nil {
		return err
	}
	delete(t.d.tenants, id)
	maps.DeleteFunc(t.d.users, func(_ record.UserID, u record.User) bool { return u.Tenant == id })
	maps.DeleteFunc(t.d.pending, func(_ record.KeyID, k record.PendingKey) bool { return k.Tenant == id })
	maps.DeleteFunc(t.d.groups, func(_ record.GroupID, g record.Group) bool { return g.Tenant == id })
	maps.DeleteFunc(t.d.keys, func(k keyName, _ record.APIKey) bool { return k.tenant == id })
	maps.DeleteFunc(t.d.tokens, func(_ record.TokenID, v *record.Token) bool { return v.Tenant == id })
	return nil
}

func (t *tx) User(id record.UserID) (*record.User, error) { return get(t.d.users, "user", id) }

func (t *tx) UserByLogin(tenant record.TenantID, login string) (*record.User, error) {
	for _, u := range t.d.users {
		if u.Tenant == tenant && (u.Login == login || slices.Contains(u.Aliases, login)) {
			return &u, nil
		}
	}
	return nil, notFound("user", login)
}

func (t *tx) Users(tenant record.TenantID) ([]*record.User, error) {
	return sorted(t.d.users, func(u record.User) bool { return u.Tenant == tenant },
		func(a, b record.User) int { return cmp.Compare(a.Login, b.Login) }), nil
}

func (t *tx) UsersMapped(spellings ...string) ([]*record.User, error) {
	home, err := t.TenantByName(record.DefaultTenant)
	if err != nil {
		return nil, err
	}
	byName := func(u record.User) bool {
		return u.Tenant == home.ID && !u.NotByName && len(u.OSUsers) == 0 && slices.Contains(spellings, u.Login)
	}
	mapped := func(u record.User) bool {
		return slices.ContainsFunc(u.OSUsers, func(name string) bool { return slices.Contains(spellings, name) })
	}
	return sorted(t.d.users, func(u record.User) bool { return byName(u) || mapped(u) }, func(a, b record.User) int {
		if byName(a) != byName(b) {
			if byName(a) {
				return -1
			}
			return 1
		}
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	}), nil
}

func (t *tx) PutUser(u *record.User) error {
	for _, name := range append([]string{u.Login}, u.Aliases...) {
		if other, err := t.UserByLogin(u.Tenant, name); err == nil && other.ID != u.ID {
			return record.ErrExists
		}
	}
	if _, known := t.d.users[u.ID]; u.ID != "" && !known {
		return notFound("user", u.ID)
	}
	if u.ID == "" {
		u.ID, u.CreatedAt = record.UserID(uuid.NewString()), time.Now().UTC()
	}
	t.d.users[u.ID] = *u
	return nil
}

func (t *tx) APIKey(tenant record.TenantID, name string) (*record.APIKey, error) {
	return get(t.d.keys, "API key", keyName{tenant, name})
}

func (t *tx) APIKeyByHash(hash []byte) (*record.APIKey, error) {
	for _, k := range t.d.keys {
		if bytes.Equal(k.Hash, hash) || bytes.Equal(k.CertificateHash, hash) {
			return &k, nil
		}
	}
	return nil, notFound("API key", "by hash")
}

func (t *tx) APIKeys(tenant record.TenantID) ([]*record.APIKey, error) {
	return sorted(t.d.keys, func(k record.APIKey) bool { return k.Tenant == tenant },
		func(a, b record.APIKey) int { return cmp.Compare(a.Name, b.Name) }), nil
}

func (t *tx) PutAPIKey(k *record.APIKey) error {
	for _, hash := range [][]byte{k.Hash, k.CertificateHash} {
		if other, err := t.APIKeyByHash(hash); hash != nil && err == nil && (other.Tenant != k.Tenant || other.Name != k.Name) {
			return fmt.Errorf("API key %q: another one is the same: %w", k.Name, record.ErrExists)
		}
	}
	t.d.keys[keyName{k.Tenant, k.Name}] = *k
	return nil
}

func (t *tx) DeleteAPIKey(tenant record.TenantID, name string) error {
	if _, err := t.APIKey(tenant, name); err != nil {
		return err
	}
	delete(t.d.keys, keyName{tenant, name})
	return nil
}

func (t *tx) Token(id record.TokenID) (*record.Token, error) {
	v, ok := t.d.tokens[id]
	if !ok {
		return nil, notFound("token", id)
	}
	return v, nil
}

func (t *tx) tokens(keep func(*record.Token) bool) []*record.Token {
	var list []*record.Token
	for _, v := range t.d.tokens {
		if keep(v) {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b *record.Token) int { return cmp.Compare(a.Slot, b.Slot) })
	return list
}

func (t *tx) TokensOf(user record.UserID) ([]*record.Token, error) {
	return t.tokens(func(v *record.Token) bool { return v.Assignment(user) != nil }), nil
}

func (t *tx) TokensOfTenant(tenant record.TenantID, after uint64, limit int) ([]*record.Token, error) {
	list := t.tokens(func(v *record.Token) bool { return v.Tenant == tenant && uint64(v.Slot) > after })
	return list[:min(len(list), limit)], nil
}

func (t *tx) NewToken(v *record.Token) error {
	if v.ID == "" {
		v.ID = record.TokenID(uuid.NewString())
	}
	if t.d.tokens[v.ID] != nil {
		return record.ErrExists
	}
	if v.Serial == "" {
		v.Serial = strings.ToUpper(strings.ReplaceAll(uuid.NewString(), "-", "")[:16])
	}
	if len(t.tokens(func(other *record.Token) bool { return other.Tenant == v.Tenant && other.Serial == v.Serial })) > 0 {
		return record.ErrExists
	}
	if v.Kind == record.KindCard && !v.UserPIN.Set() && !v.SOPIN.Set() {
		v.PINBound = v.PINBound || t.d.tenants[v.Tenant].PINBound
	}
	t.d.last++
	v.Slot, v.Version, v.CreatedAt = ck.SlotID(t.d.last), 1, cmp.Or(v.CreatedAt, time.Now().UTC())
	t.d.tokens[v.ID] = v.Clone()
	return nil
}

func (t *tx) PutToken(v *record.Token) error {
	old, err := t.Token(v.ID)
	if err != nil {
		return err
	}
	if err := t.checkBound(old, v); err != nil {
		return err
	}
	v.Version = old.Version + 1
	t.d.tokens[v.ID] = v.Clone()
	return nil
}

// checkBound checks the keystore's rules for PIN-bound tokens.
func (t *tx) checkBound(old, v *record.Token) error {
	changed := len(old.BoundKey) > 0 && !bytes.Equal(old.BoundKey, v.BoundKey)
	pins := 0
	for _, p := range []*pin.State{&v.UserPIN, &v.SOPIN} {
		if !p.Set() {
			continue
		}
		if pins++; v.PINBound && len(p.Verifier) != len(mac("", nil))+32 {
			return fmt.Errorf("a PIN of token %s does not hold its key", v.ID)
		}
	}
	if old.PINBound != v.PINBound || v.PINBound && v.Kind == record.KindOTP || (len(v.BoundKey) > 0) != (v.PINBound && pins > 0) || changed && len(t.d.objects[v.ID]) > 0 {
		return fmt.Errorf("token %s cannot be bound so", v.ID)
	}
	return nil
}

func (t *tx) DeleteToken(id record.TokenID) error {
	if _, err := t.Token(id); err != nil {
		return err
	}
	delete(t.d.tokens, id)
	delete(t.d.objects, id)
	return nil
}

func (t *tx) Objects(token record.TokenID) ([]*object.Object, error) {
	list := make([]*object.Object, 0, len(t.d.objects[token]))
	for _, o := range t.d.objects[token] {
		list = append(list, o.WithoutSecret())
	}
	return list, nil
}

func (t *tx) PutObject(token record.TokenID, o *object.Object) error {
	if _, err := t.Token(token); err != nil {
		return err
	}
	if o.ID != 0 {
		return fmt.Errorf("object %d is not new, and provisioning only stores new ones", o.ID)
	}
	if err := t.checkQuota(token); err != nil {
		return err
	}
	t.d.last++
	o.ID, o.Version = object.ID(t.d.last), 1
	list := t.d.objects[token]
	t.d.objects[token] = append(list[:len(list):len(list)], o.WithSecret(o.Secret.Clone()))
	return nil
}

// checkQuota checks the keystore's quota for a new object, without its bytes.
func (t *tx) checkQuota(token record.TokenID) error {
	of := t.d.tokens[token]
	q := t.d.tenants[of.Tenant].Quota
	own := record.Amount{Objects: uint64(len(t.d.objects[token]))}
	err := record.Exceeds("token", own, own.Plus(record.Amount{Objects: 1}), q.PerToken())
	if err == nil && of.Owner() != "" {
		var all record.Amount
		for id, other := range t.d.tokens {
			if other.Owner() == of.Owner() {
				all.Objects += uint64(len(t.d.objects[id]))
			}
		}
		err = record.Exceeds("user", all, all.Plus(record.Amount{Objects: 1}), q.PerUser())
	}
	if err != nil {
		return ck.Errorf(ck.CKR_DEVICE_MEMORY, "%w", err)
	}
	return nil
}

func (t *tx) TokenBySerial(tenant record.TenantID, serial string) (*record.Token, error) {
	for _, v := range t.d.tokens {
		if v.Tenant == tenant && v.Serial == serial {
			return v, nil
		}
	}
	return nil, notFound("token", serial)
}

func (t *tx) DeleteObjects(token record.TokenID) error {
	delete(t.d.objects, token)
	return nil
}

func (t *tx) DeleteUser(id record.UserID) error {
	if _, err := t.User(id); err != nil {
		return err
	}
	if held, _ := t.TokensOf(id); len(held) > 0 {
		return record.ErrInUse
	}
	delete(t.d.users, id)
	maps.DeleteFunc(t.d.pending, func(_ record.KeyID, k record.PendingKey) bool { return k.User == id })
	return nil
}

func (t *tx) Group(id record.GroupID) (*record.Group, error) { return get(t.d.groups, "group", id) }

func (t *tx) Groups(tenant record.TenantID) ([]*record.Group, error) {
	return sorted(t.d.groups, func(g record.Group) bool { return g.Tenant == tenant },
		func(a, b record.Group) int { return cmp.Compare(a.Name, b.Name) }), nil
}

func (t *tx) PutGroup(g *record.Group) error {
	for _, other := range t.d.groups {
		if other.Tenant == g.Tenant && other.Name == g.Name && other.ID != g.ID {
			return record.ErrExists
		}
	}
	if _, known := t.d.groups[g.ID]; g.ID != "" && !known {
		return notFound("group", g.ID)
	}
	if g.ID == "" {
		g.ID, g.CreatedAt = record.GroupID(uuid.NewString()), time.Now().UTC()
	}
	t.d.groups[g.ID] = *g
	return nil
}

func (t *tx) DeleteGroup(id record.GroupID) error {
	if _, err := t.Group(id); err != nil {
		return err
	}
	delete(t.d.groups, id)
	return nil
}
