package keystore

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"vtoken/keystore/box"
	"vtoken/keystore/envelope"
	"vtoken/keystore/schema"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Each PIN of a PIN-bound token has a key pair of its own, its role key. The private half is in
// the verifier of the PIN. The public half is stored with the token, beside a box for it with
// the private key of the token. So a changed PIN gets a new role key, and the token a new key,
// without the other PIN: its public half is enough. The same commit seals the secrets of the
// token to the new key. The old PIN and an older copy of the store open what is in that copy,
// and nothing that was written since.
//
// The verifiers of earlier programs hold the token's own key. When the token gets another key,
// the old one becomes the role key of such a PIN.

// roleKey is the public half of the key of a PIN, and the private key of the token in a
// box for it.
type roleKey struct {
	Public []byte `json:"public"`
	Key    []byte `json:"key"`
}

// roleKeys are those of a token; nil is none.
type roleKeys struct {
	User *roleKey `json:"user,omitempty"`
	SO   *roleKey `json:"so,omitempty"`
}

func (r *roleKeys) of(role pin.Role) **roleKey {
	if role == pin.SO {
		return &r.SO
	}
	return &r.User
}

var pinRoles = [...]pin.Role{pin.User, pin.SO}

func placeRoleKeys(tenant, token schema.ID) envelope.Place {
	return place(tenant, token, 0, fieldRoleKeys)
}

// roleInfo returns the HPKE info of the box of a role key.
func roleInfo(tenant, token schema.ID) []byte {
	return append(append([]byte("vtoken PIN-bound key"), tenant[:]...), token[:]...)
}

// roleKeysOf reads the role keys of a token.
func (tx *Tx) roleKeysOf(id schema.ID, keys *tokenKeys) (r roleKeys, err error) {
	blob, err := tx.get(schema.Record(schema.PrefixRoleKeys, id))
	if err != nil || blob == nil {
		return r, err
	}
	_, err = openJSON(keys.record, blob, placeRoleKeys(keys.tenant, id), &r)
	return r, err
}

// putRoleKeys stores the role keys of a token.
func (tx *Tx) putRoleKeys(id schema.ID, keys *tokenKeys, r roleKeys) error {
	key := schema.Record(schema.PrefixRoleKeys, id)
	if r == (roleKeys{}) {
		old, err := tx.get(key)
		if err != nil || old == nil {
			return err
		}
		return tx.remove(key)
	}
	return tx.sealJSON(keys.record, key, nil, placeRoleKeys(keys.tenant, id), r)
}

// newPIN is a PIN that was hashed and is not stored yet.
type newPIN struct {
	public  []byte       // its role key
	private secret.Bytes // the token's key that it is to open
	next    *nextKey     // nil where no PIN is replaced
	wipes   *time.Timer
}

// nextKey is the key that a token gets when a PIN is replaced, with its secrets in boxes for
// it. Making a box takes a quarter of a millisecond, and a token may have thousands, so they
// are made before the commit, which all others would wait for.
type nextKey struct {
	of      []byte // the public key that it replaces
	public  []byte
	private secret.Bytes
	boxes   map[uint64]preparedBox // by object
}

// preparedBox is a box for the next key, and the hash of the stored value that it was made
// of. An object that was changed since gets another one in the commit.
type preparedBox struct {
	from  [sha256.Size]byte
	boxed []byte
}

// maxPrepared bounds the boxes of a nextKey, in bytes. Those beyond it are made in the
// commit.
const maxPrepared = 32 << 20

func (n *nextKey) wipe() {
	if n != nil {
		n.private.Wipe()
	}
}

// prepare makes the next key of a token whose PIN is to be replaced, for who has the present
// one. It returns nil where nothing is to be prepared.
func (s *Store) prepare(token record.TokenID, role pin.Role, bound secret.Bytes) (next *nextKey, err error) {
	id, err := parseID("token", token)
	if err != nil {
		return nil, err
	}
	defer s.uses.end(s.uses.begin()) // the keys are used after the view
	var of []byte
	var keys *tokenKeys
	blobs := map[uint64][]byte{}
	err = s.View(func(tx *Tx) error {
		t, err := tx.token(id)
		if isMissing(err) || err == nil && !t.PIN(role).Set() {
			return nil
		}
		if err != nil {
			return err
		}
		of = t.BoundKey
		if keys, err = tx.keysOf(id); err != nil {
			return err
		}
		size := 0
		return tx.scan(schema.Objects(id), nil, func(key, blob []byte) error {
			number, part, _ := schema.ParseObject(key)
			if size += len(blob); part == schema.PartBound && size <= maxPrepared {
				blobs[number] = bytes.Clone(blob)
			}
			return nil
		})
	})
	if err != nil || len(of) == 0 {
		return nil, err
	}
	present, ok := s.renewed.resolve(id, bound, of)
	if !ok {
		return nil, nil
	}
	defer present.Wipe()
	next = &nextKey{of: of, boxes: map[uint64]preparedBox{}}
	if next.public, next.private, err = box.GenerateKey(); err != nil {
		return nil, err
	}
	for number, blob := range blobs {
		boxed, err := reboxed(id, keys, number, blob, present, next.public)
		if err != nil {
			next.wipe()
			return nil, err
		}
		next.boxes[number] = preparedBox{sha256.Sum256(blob), boxed}
	}
	return next, nil
}

// reboxed opens the box in a stored secret and returns one for another key.
func reboxed(id schema.ID, keys *tokenKeys, number uint64, blob []byte, private secret.Bytes, public []byte) ([]byte, error) {
	plain, err := openBound(id, keys, number, blob, private)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return box.Seal(public, boundInfo(keys.tenant, id, number), plain)
}

// newPINs maps the hash of a verifier to its newPIN.
type newPINs struct {
	mu   sync.Mutex
	pins map[[sha256.Size]byte]*newPIN
}

// newPINFor bounds how long a PIN may take from being hashed to being stored.
const newPINFor = 2 * time.Minute

func (n *newPINs) keep(verifier, public []byte, private secret.Bytes, next *nextKey) {
	key := sha256.Sum256(verifier)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pins == nil {
		n.pins = map[[sha256.Size]byte]*newPIN{}
	}
	n.pins[key] = &newPIN{public, private.Clone(), next, time.AfterFunc(newPINFor, func() { n.drop(verifier) })}
}

// get returns the newPIN of a verifier, or nil. The caller wipes it.
func (n *newPINs) get(verifier []byte) *newPIN {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.pins[sha256.Sum256(verifier)]
	if p == nil {
		return nil
	}
	own := &newPIN{public: p.public, private: p.private.Clone()}
	if p.next != nil {
		next := *p.next
		next.private = next.private.Clone()
		own.next = &next
	}
	return own
}

func (p *newPIN) erase() {
	p.private.Wipe()
	p.next.wipe()
}

func (n *newPINs) drop(verifier []byte) {
	key := sha256.Sum256(verifier)
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.pins[key]; p != nil {
		p.wipes.Stop()
		p.erase()
		delete(n.pins, key)
	}
}

func (n *newPINs) wipe() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pins {
		p.wipes.Stop()
		p.erase()
	}
	n.pins = nil
}

// bindPINs gives the new PINs of a token their role keys, and the token a new key if one of them
// replaces another PIN.
func (tx *Tx) bindPINs(id schema.ID, t, old *record.Token) error {
	if !t.PINBound {
		return nil
	}
	if old == nil {
		old = &record.Token{}
	}
	keys, err := tx.keysOf(id)
	if err != nil {
		return err
	}
	if len(t.BoundKey) == 0 {
		return tx.putRoleKeys(id, keys, roleKeys{})
	}
	var fresh [len(pinRoles)]*newPIN
	replaces, any := false, false
	for i, role := range pinRoles {
		was, is := old.PIN(role), t.PIN(role)
		if !is.Set() || bytes.Equal(was.Verifier, is.Verifier) {
			continue
		}
		p := tx.s.hashed.get(is.Verifier)
		if p == nil && is.Verifier[0] == verifierRole {
			return ck.Errorf(ck.CKR_FUNCTION_FAILED, "the %v PIN of token %s was hashed too long ago, or in another run of the daemon; set it again", role, t.ID)
		}
		if p == nil {
			continue
		}
		defer p.erase()
		fresh[i], any = p, true
		replaces = replaces || was.Set()
		verifier := bytes.Clone(is.Verifier)
		tx.w.OnCommit(func() { tx.s.hashed.drop(verifier) })
	}
	roles, err := tx.roleKeysOf(id, keys)
	if err != nil || !any {
		return err
	}
	return tx.rekey(id, keys, roles, t, old, fresh, replaces)
}

// rekey makes the changes that bindPINs decided on.
func (tx *Tx) rekey(
	id schema.ID, keys *tokenKeys, roles roleKeys, t, old *record.Token, fresh [len(pinRoles)]*newPIN, replaces bool,
) error {
	var key secret.Bytes // of the token, as the callers know it
	for _, p := range fresh {
		if p != nil && key == nil {
			key = p.private
		}
	}
	public, err := box.Public(key)
	if err != nil {
		return err
	}
	if present, ok := tx.s.renewed.resolve(id, key, old.BoundKey); ok {
		defer present.Wipe()
		key, public = present, old.BoundKey
	} else if !bytes.Equal(public, t.BoundKey) {
		return fmt.Errorf("token %s: a new PIN was hashed for another key than the token's", t.ID)
	}
	if same := bytes.Equal(public, old.BoundKey); same && replaces {
		for i, role := range pinRoles { // those of earlier programs open the key itself
			if at := roles.of(role); t.PIN(role).Set() && fresh[i] == nil && *at == nil {
				*at = &roleKey{Public: bytes.Clone(old.BoundKey)}
			}
		}
		next, err := nextOf(fresh, old.BoundKey)
		if err != nil {
			return err
		}
		defer next.wipe()
		if err := tx.rebox(id, keys, key, next); err != nil {
			return err
		}
		link, err := tx.s.renewed.link(id, old.BoundKey, next.private)
		if err != nil {
			return err
		}
		tx.w.OnCommit(link)
		key, public = next.private, next.public
	} else if !same {
		roles = roleKeys{} // of a key that goes away
	}
	t.BoundKey = bytes.Clone(public)
	for i, role := range pinRoles {
		at := roles.of(role)
		if fresh[i] != nil {
			*at = &roleKey{Public: fresh[i].public}
		}
		switch {
		case !t.PIN(role).Set():
			*at = nil
		case *at != nil:
			sealed, err := box.Seal((*at).Public, roleInfo(keys.tenant, id), key)
			if err != nil {
				return err
			}
			*at = &roleKey{(*at).Public, sealed}
		}
	}
	return tx.putRoleKeys(id, keys, roles)
}

// openOnOwnStack opens a box without leaving what is in it on the stack of the caller.
func openOnOwnStack(private secret.Bytes, info, sealed []byte) (plain secret.Bytes, err error) {
	secret.OnOwnStack(func() { plain, err = box.Open(private, info, sealed) })
	return plain, err
}

// nextOf returns the next key that was prepared for a token with a public key, or a new one
// where a PIN was changed since.
func nextOf(fresh [len(pinRoles)]*newPIN, of []byte) (*nextKey, error) {
	for _, p := range fresh {
		if p != nil && p.next != nil && bytes.Equal(p.next.of, of) {
			return p.next, nil
		}
	}
	public, private, err := box.GenerateKey()
	return &nextKey{public: public, private: private}, err
}

// rebox seals the secrets of a token to a new key.
func (tx *Tx) rebox(id schema.ID, keys *tokenKeys, private secret.Bytes, next *nextKey) error {
	_, sm, err := tx.openToken(id)
	if err != nil {
		return err
	}
	boxes := map[uint64][]byte{}
	err = tx.scan(schema.Objects(id), nil, func(key, blob []byte) error {
		if number, part, _ := schema.ParseObject(key); part == schema.PartBound {
			boxes[number] = bytes.Clone(blob)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for number, blob := range boxes {
		h, err := envelope.Parse(blob)
		if err != nil {
			return tampered("read the secret of object %d: %w", number, err)
		}
		made := next.boxes[number]
		if made.boxed == nil || made.from != sha256.Sum256(blob) {
			if made.boxed, err = reboxed(id, keys, number, blob, private, next.public); err != nil {
				return err
			}
		}
		sealed, err := keys.secret.Seal(place(keys.tenant, id, number, fieldBound), h.Version, made.boxed)
		if err != nil {
			return err
		}
		if err := tx.setPart(keys, sm, schema.Object(id, number, schema.PartBound), sealed); err != nil {
			return err
		}
	}
	return nil
}

// tokenKeyFor returns the private key of a token for a PIN; private is the key in the PIN's
// verifier. It returns private if the token no longer has that verifier.
func (s *Store) tokenKeyFor(token record.TokenID, role pin.Role, verifier []byte, private secret.Bytes) (key secret.Bytes, err error) {
	public, err := box.Public(private)
	if err != nil {
		return nil, tampered("read the key of token %s: %w", token, err)
	}
	key = private.Clone()
	stored := false
	err = s.View(func(tx *Tx) error {
		id, err := parseID("token", token)
		if err != nil {
			return err
		}
		t, err := tx.token(id)
		if isMissing(err) {
			return nil
		}
		if err != nil || !bytes.Equal(t.PIN(role).Verifier, verifier) {
			return err
		}
		stored = true
		keys, err := tx.keysOf(id)
		if err != nil {
			return err
		}
		roles, err := tx.roleKeysOf(id, keys)
		if err != nil {
			return err
		}
		opened := public
		if at := *roles.of(role); at != nil {
			if !bytes.Equal(at.Public, public) {
				return tampered("token %s seals its key to another key than its %v PIN opens", token, role)
			}
			raw, err := openOnOwnStack(private, roleInfo(keys.tenant, id), at.Key)
			if err != nil {
				return tampered("open the key of token %s with its %v PIN: %w", token, role, err)
			}
			key.Wipe()
			key = raw
			if opened, err = box.Public(key); err != nil {
				return tampered("read the key of token %s: %w", token, err)
			}
		}
		// An attacker with the root key could have replaced it, to read what is written
		// from then on.
		if !bytes.Equal(t.BoundKey, opened) {
			return tampered("token %s seals its secrets to another key than its %v PIN opens", token, role)
		}
		return nil
	})
	if err != nil {
		key.Wipe()
		return nil, err
	}
	if stored {
		return key, nil
	}
	if p := s.hashed.get(verifier); p != nil {
		key.Wipe()
		key = p.private
		p.next.wipe()
	}
	return key, nil
}

// renewedKeys holds the keys that replaced keys of tokens in this run, each in a box for the
// key before it, so that a login with an earlier key goes on. They are in memory only.
type renewedKeys struct {
	mu    sync.Mutex
	links map[schema.ID][]keyLink
	count int // of all links
}

type keyLink struct{ old, sealed []byte }

// maxLinks bounds how many of them a token has. A login ends after more changes of PINs than
// that.
const maxLinks = 16

// maxAllLinks bounds them for all tokens, at some 10 MiB. Beyond it those of another token
// are forgotten.
const maxAllLinks = 4096

func linkInfo(id schema.ID) []byte { return append([]byte("vtoken renewed key"), id[:]...) }

// link returns a function that remembers a new key.
func (r *renewedKeys) link(id schema.ID, old []byte, private secret.Bytes) (remember func(), err error) {
	sealed, err := box.Seal(old, linkInfo(id), private)
	if err != nil {
		return nil, err
	}
	l := keyLink{bytes.Clone(old), sealed}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.links == nil {
			r.links = map[schema.ID][]keyLink{}
		}
		for other, list := range r.links {
			if r.count < maxAllLinks {
				break
			}
			if other != id {
				r.count -= len(list)
				delete(r.links, other)
			}
		}
		list := append(r.links[id], l)
		r.links[id] = slices.Clone(list[max(0, len(list)-maxLinks):])
		r.count += len(r.links[id]) - (len(list) - 1)
	}, nil
}

// resolve returns the private half of the present key of a token to a caller who has it or one
// that it replaced in this run. The caller wipes it.
func (r *renewedKeys) resolve(id schema.ID, private secret.Bytes, present []byte) (secret.Bytes, bool) {
	if len(present) == 0 {
		return nil, false
	}
	r.mu.Lock()
	links := r.links[id]
	r.mu.Unlock()
	key := private.Clone()
	for range maxLinks + 1 {
		public, err := box.Public(key)
		if err != nil {
			break
		}
		if bytes.Equal(public, present) {
			return key, true
		}
		next := secret.Bytes(nil)
		for _, l := range links {
			if bytes.Equal(l.old, public) {
				next, err = openOnOwnStack(key, linkInfo(id), l.sealed)
			}
		}
		if err != nil || next == nil {
			break
		}
		key.Wipe()
		key = next
	}
	key.Wipe()
	return nil, false
}

// any reports whether a token got a new key in this run.
func (r *renewedKeys) any(id schema.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.links[id]) > 0
}

func (r *renewedKeys) forget(id schema.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count -= len(r.links[id])
	delete(r.links, id)
}

// PresentBoundKey returns the key pair of a PIN-bound token to a caller who has the private key
// or one that it replaced in this run; ok is false for any other. The caller wipes the private
// key.
func (s *Store) PresentBoundKey(token record.TokenID, private secret.Bytes) (public []byte, present secret.Bytes, ok bool) {
	id, err := parseID("token", token)
	if err != nil {
		return nil, nil, false
	}
	err = s.View(func(tx *Tx) error {
		t, err := tx.token(id)
		if err == nil {
			public = t.BoundKey
		}
		return err
	})
	if err != nil {
		return nil, nil, false
	}
	present, ok = s.renewed.resolve(id, private, public)
	return public, present, ok
}
