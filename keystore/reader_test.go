package keystore_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
	"golang.org/x/crypto/argon2"
)

// reader is a second program that reads a store. It is written from
// docs/keystore.md and docs/keks.md, and shares no code with package keystore, so
// that what it cannot read is not described.
type reader struct {
	records map[string][]byte // by key
	root    []byte
	system  []byte
	tenants map[string][]byte // tenant keys, by id
	tokens  map[string][]byte // token keys, by id
}

type id = string // 16 bytes

var none = strings.Repeat("\x00", 16)

// readFile reads the records of vtoken.db.
func readFile(path string) (map[string][]byte, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	records := map[string][]byte{}
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("v")).ForEach(func(k, v []byte) error {
			records[string(k)] = bytes.Clone(v)
			return nil
		})
	})
	return records, err
}

// readBackup reads the records of a backup.
func readBackup(file []byte) (map[string][]byte, error) {
	const magic = "vtoken backup\n"
	sum := sha256.Sum256(file[:len(file)-32])
	if string(file[:14]) != magic || binary.BigEndian.Uint32(file[14:]) != 1 || string(sum[:]) != string(file[len(file)-32:]) {
		return nil, errors.New("no backup of version 1")
	}
	records, rest := map[string][]byte{}, file[18:]
	for {
		n := int(binary.BigEndian.Uint16(rest))
		if n == 0 {
			break
		}
		m := int(binary.BigEndian.Uint32(rest[2:]))
		records[string(rest[6:6+n])] = rest[6+n : 6+n+m]
		rest = rest[6+n+m:]
	}
	if int(binary.BigEndian.Uint64(rest[2:])) != len(records) || len(rest) != 2+8+32 {
		return nil, errors.New("the backup does not end as it should")
	}
	return records, nil
}

// openReader opens a store with one of its recipients, of the scheme that is
// given.
func openReader(records map[string][]byte, dir, scheme string) (*reader, error) {
	r := &reader{records: records, tenants: map[string][]byte{}, tokens: map[string][]byte{}}
	if string(records["!format"]) != "vtoken\x00\x00\x00\x02" {
		return nil, fmt.Errorf("format %q", records["!format"])
	}
	for key, value := range records {
		if key[0] != 'r' {
			continue
		}
		var recipient struct {
			URI     string
			Wrapped []byte
		}
		if err := json.Unmarshal(value, &recipient); err != nil {
			return nil, err
		}
		kind, path, _ := strings.Cut(recipient.URI, ":")
		if kind != scheme {
			continue
		}
		root, err := unwrap(kind, filepath.Join(dir, strings.TrimPrefix(path, "file=")), recipient.Wrapped)
		if err != nil {
			return nil, err
		}
		r.root = root
	}
	if r.root == nil {
		return nil, errors.New("there is no such recipient")
	}
	var err error
	if r.system, err = r.open(r.root, "s", none, none, 0, 2); err != nil {
		return nil, err
	}
	return r, r.openKeys()
}

// unwrap opens a wrapped root key with what a file holds.
func unwrap(kind, path string, wrapped []byte) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	line := strings.TrimSuffix(string(text), "\n")
	switch kind {
	case "file":
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(line, "vtoken-kek-1 "))
		if err != nil || string(wrapped[:2]) != "F\x01" {
			return nil, errors.Join(errors.New("no key file"), err)
		}
		return unsealPlain(key, wrapped, 2)
	case "passphrase":
		if string(wrapped[:2]) != "P\x01" {
			return nil, errors.New("not wrapped under a passphrase")
		}
		passes, memory, lanes := binary.BigEndian.Uint32(wrapped[2:]), binary.BigEndian.Uint32(wrapped[6:]), wrapped[10]
		return unsealPlain(argon2.IDKey([]byte(line), wrapped[11:27], passes, memory, lanes, 32), wrapped, 27)
	}
	return nil, errors.New("no such kind")
}

// unsealPlain opens what a KEK has sealed, after a header.
func unsealPlain(key, blob []byte, header int) ([]byte, error) {
	return gcm(key).Open(nil, blob[header:][:12], blob[header+12:], blob[:header])
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// xaes is the AES-256-GCM key that XAES-256-GCM derives (C2SP): two blocks of
// CMAC in counter mode (NIST SP 800-108) with the label "X" and half of the nonce.
func xaes(key, nonce []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	var l [16]byte
	block.Encrypt(l[:], l[:])
	k1 := new(big.Int).Lsh(new(big.Int).SetBytes(l[:]), 1)
	if l[0]&0x80 != 0 {
		k1.Xor(k1, big.NewInt(0x87))
	}
	full := k1.FillBytes(make([]byte, 17))[1:]
	var derived []byte
	for i := range byte(2) {
		m := append([]byte{0, i + 1, 'X', 0}, nonce[:12]...)
		for j := range m {
			m[j] ^= full[j]
		}
		block.Encrypt(m, m)
		derived = append(derived, m...)
	}
	return derived
}

// unseal opens a sealed value at a place.
func unseal(key, value []byte, tenant, record id, object uint64, field byte) ([]byte, error) {
	contents, n := []byte{0, 1}, 1
	if len(value) > 3 && value[0] == 2 {
		contents, n = value[1:3], 3
	}
	if len(value) < n+40 || value[0] != byte(n/2+1) {
		return nil, errors.New("no sealed value")
	}
	if !bytes.Equal(value[n:n+8], derive(key, "vtoken key id")[:8]) {
		return nil, errors.New("sealed under another key")
	}
	n += 16
	ad := append(bytes.Clone(value[:n]), 0, 0, contents[0], contents[1])
	ad = append(append(ad, tenant...), record...)
	ad = append(binary.BigEndian.AppendUint64(ad, object), field)
	return gcm(xaes(key, value[n:n+12])).Open(nil, value[n+12:n+24], value[n+24:], ad)
}

// open opens the record of a key.
func (r *reader) open(key []byte, at, tenant, record id, object uint64, field byte) ([]byte, error) {
	value, ok := r.records[at]
	if !ok {
		return nil, fmt.Errorf("record %q is missing", at)
	}
	if slices.Contains([]byte("aGKknu"), at[0]) {
		tenant, value = string(value[:16]), value[16:]
	}
	plain, err := unseal(key, value, tenant, record, object, field)
	if err != nil {
		return nil, fmt.Errorf("open record %q: %w", at, err)
	}
	return plain, nil
}

func derive(key []byte, purpose string) []byte {
	out, err := hkdf.Expand(sha256.New, key, purpose, 32)
	if err != nil {
		panic(err)
	}
	return out
}

// openKeys opens the keys of tenants and tokens.
func (r *reader) openKeys() (err error) {
	for key := range r.records {
		if key[0] == 'T' {
			if r.tenants[key[1:]], err = r.open(r.root, key, key[1:], none, 0, 3); err != nil {
				return err
			}
		}
	}
	for key, value := range r.records {
		if key[0] == 'K' {
			if r.tokens[key[1:]], err = r.open(r.tenants[string(value[:16])], key, "", key[1:], 0, 8); err != nil {
				return err
			}
		}
	}
	return nil
}

// mac is HMAC-SHA256 of parts, each after its length.
func macOf(key []byte, parts ...string) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		m.Write([]byte(p))
	}
	return m.Sum(nil)
}

// sum adds the elements of the records that fit.
func (r *reader) sum(key []byte, fits func(string) bool) []byte {
	total := new(big.Int)
	for k, v := range r.records {
		if !fits(k) {
			continue
		}
		m := hmac.New(sha256.New, key)
		m.Write(binary.BigEndian.AppendUint16(nil, uint16(len(k))))
		m.Write([]byte(k))
		m.Write(v)
		element := m.Sum(nil)
		slices.Reverse(element)
		total.Add(total, new(big.Int).SetBytes(element))
	}
	total.Mod(total, new(big.Int).Lsh(big.NewInt(1), 256))
	out := total.FillBytes(make([]byte, 32))
	slices.Reverse(out)
	return out
}

// attributes reads the attributes of an object.
func attributes(plain []byte) map[uint64]string {
	list := map[uint64]string{}
	n := binary.BigEndian.Uint32(plain)
	plain = plain[4:]
	for range n {
		t, size := binary.BigEndian.Uint64(plain), binary.BigEndian.Uint32(plain[8:])
		list[t] = string(plain[12 : 12+size])
		plain = plain[12+size:]
	}
	return list
}

// rightPIN compares a PIN with a verifier. Of a PIN-bound token it returns the
// private key.
func (r *reader) rightPIN(verifier []byte, token id, role byte, pin string) (right bool, private []byte, err error) {
	passes, memory, lanes := binary.BigEndian.Uint32(verifier[1:]), binary.BigEndian.Uint32(verifier[5:]), verifier[9]
	size := uint32(32)
	if verifier[0] > 1 {
		size = 64
	}
	peppered := macOf(derive(r.system, "PIN pepper"), guid(token), string([]byte{role}), pin)
	out := argon2.IDKey(peppered, verifier[10:26], passes, memory, lanes, size)
	right = bytes.Equal(out[:32], verifier[26:58])
	if !right || verifier[0] == 1 {
		return right, nil, nil
	}
	private, err = unseal(out[32:], verifier[58:], none, token, uint64(role), 17)
	if blob := r.records["B"+token]; err == nil && blob != nil {
		private, err = r.ofToken(private, token, role)
	}
	return right, private, err
}

// ofToken opens the private key of a token with that of a PIN.
func (r *reader) ofToken(private []byte, token id, role byte) ([]byte, error) {
	tenant := string(r.records["K"+token][:16])
	plain, err := r.open(derive(r.tokens[token], "record"), "B"+token, tenant, token, 0, 26)
	if err != nil {
		return nil, err
	}
	var keys map[string]struct{ Public, Key []byte }
	if err := json.Unmarshal(plain, &keys); err != nil {
		return nil, err
	}
	sealed := keys[[]string{"user", "so"}[role]].Key
	if sealed == nil {
		return private, nil
	}
	return openBox(private, sealed, "vtoken PIN-bound key"+tenant+token)
}

// unbox opens the box of an object of a PIN-bound token.
func unbox(private, box []byte, tenant, token id, object uint64) ([]byte, error) {
	return openBox(private, box, string(binary.BigEndian.AppendUint64([]byte("vtoken PIN-bound secret"+tenant+token), object)))
}

func openBox(private, box []byte, info string) ([]byte, error) {
	key, err := hpke.MLKEM768X25519().NewPrivateKey(private)
	if err != nil {
		return nil, err
	}
	r, err := hpke.NewRecipient(box[:1120], key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info))
	if err != nil {
		return nil, err
	}
	return r.Open(nil, box[1120:])
}

// guid is an id as text.
func guid(b id) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
