package pfxfile

import (
	"crypto/hmac"
	"encoding/asn1"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"vtoken/provisioning/work"
	"vtoken/vtoken/secret"
)

// The bounds of a file; see the package comment.
const (
	maxSafes      = 8
	maxBags       = 64
	maxNesting    = 4
	maxAttributes = 32
	maxRSA        = 8192
)

// File has the contents of a PFX.
type File struct {
	// Key is the private key as PKCS #8, or nil. KeyName is its friendly name, or empty.
	Key     secret.Bytes
	KeyName string
	// Certificates are X.509, in DER, in the order of the file.
	Certificates [][]byte
}

// Wipe overwrites the key.
func (f *File) Wipe() { f.Key.Wipe() }

// Read reads a PFX. An error is a sentence for its sender, a [work.OverError] where
// reading costs more than the budget, or that of the context. The caller wipes the result
// and the password.
func Read(data []byte, password secret.Bytes, b *work.Budget) (*File, error) {
	if !utf8.Valid(password) {
		return nil, errPassword
	}
	p := passwords{bmp: bmpString(password), utf8: password}
	defer p.bmp.Wipe()
	r := reader{budget: b, passwords: &p}
	defer r.wipe()
	if err := r.read(data); err != nil {
		r.file.Wipe()
		return nil, err
	}
	return &r.file, nil
}

// bmpString returns UTF-16 with a zero at the end. Characters outside of the Basic
// Multilingual Plane become two, as in OpenSSL.
func bmpString(text []byte) secret.Bytes {
	out := make(secret.Bytes, 0, 4*len(text)+2)
	put := func(u uint16) { out = append(out, byte(u>>8), byte(u)) }
	for len(text) > 0 {
		c, n := utf8.DecodeRune(text)
		text = text[n:]
		if c < 0x10000 {
			put(uint16(c))
			continue
		}
		high, low := utf16.EncodeRune(c)
		put(uint16(high))
		put(uint16(low))
	}
	return append(out, 0, 0)
}

// reader reads one file.
type reader struct {
	budget    *work.Budget
	passwords *passwords
	file      File
	bags      int
	hasKey    bool
	waiting   []encrypted    // what was found and not decrypted yet
	plain     []secret.Bytes // to be wiped
}

// encrypted is a part of the file that costs a key derivation.
type encrypted struct {
	scheme scheme
	data   []byte
	key    bool // it is the private key, and not contents
}

func (r *reader) wipe() {
	for _, p := range r.plain {
		p.Wipe()
	}
}

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
)

// read reads the outermost structure: PFX of RFC 7292, section 4.
func (r *reader) read(data []byte) error {
	if len(data) > 1 && data[0] == 0x30 && data[1] == 0x80 {
		return errBER
	}
	in := cryptobyte.String(data)
	var pfx cryptobyte.String
	var version int64
	if !in.ReadASN1(&pfx, cbasn1.SEQUENCE) || !in.Empty() || !pfx.ReadASN1Integer(&version) {
		return errDamaged
	}
	if version != 3 {
		return unsupported("a version other than 3")
	}
	kind, content, ok := contentInfo(&pfx)
	if !ok {
		return errDamaged
	}
	if !kind.Equal(oidData) {
		return unsupported("signed instead of a password")
	}
	var safes []byte
	if !content.ReadASN1Bytes(&safes, cbasn1.OCTET_STRING) || !content.Empty() {
		return errDamaged
	}
	if pfx.Empty() {
		return errNoMAC
	}
	mac, sum, err := macData(&pfx)
	if err != nil {
		return err
	}
	if err := r.safes(safes, sum, mac); err != nil {
		return err
	}
	return r.decryptAll()
}

// contentInfo reads a ContentInfo: its type and its content.
func contentInfo(in *cryptobyte.String) (kind asn1.ObjectIdentifier, content cryptobyte.String, ok bool) {
	var seq cryptobyte.String
	ok = in.ReadASN1(&seq, cbasn1.SEQUENCE) && readOID(&seq, &kind) &&
		seq.ReadASN1(&content, explicit0) && seq.Empty()
	return kind, content, ok
}

var (
	explicit0 = cbasn1.Tag(0).ContextSpecific().Constructed()
	implicit0 = cbasn1.Tag(0).ContextSpecific()
)

// macData reads MacData, which ends the file.
func macData(in *cryptobyte.String) (mac scheme, sum []byte, err error) {
	var seq, info cryptobyte.String
	var a algorithm
	var salt []byte
	iterations := int64(1)
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() || !seq.ReadASN1(&info, cbasn1.SEQUENCE) ||
		!a.read(&info) || !info.ReadASN1Bytes(&sum, cbasn1.OCTET_STRING) || !info.Empty() ||
		!seq.ReadASN1Bytes(&salt, cbasn1.OCTET_STRING) {
		return mac, nil, errDamaged
	}
	if !seq.Empty() && (!seq.ReadASN1Integer(&iterations) || !seq.Empty()) {
		return mac, nil, errDamaged
	}
	mac, err = authentication(a, salt, iterations)
	return mac, sum, err
}

// safes reads all contents, and checks the price of everything visible in them, before
// the first key derivation, which is that of the MAC.
func (r *reader) safes(data, sum []byte, mac scheme) error {
	in := cryptobyte.String(data)
	var list cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) || !in.Empty() {
		return errDamaged
	}
	for n := 0; !list.Empty(); n++ {
		if n == maxSafes {
			return errSafes
		}
		if err := r.safe(&list); err != nil {
			return err
		}
	}
	if err := r.budget.Fits(work.Sum(mac.price, r.price())); err != nil {
		return err
	}
	key, _, err := mac.keys(r.budget, r.passwords)
	if err != nil {
		return err
	}
	defer key.Wipe()
	m := hmac.New(mac.mac, key)
	m.Write(data)
	if !hmac.Equal(m.Sum(nil), sum) {
		return errPassword
	}
	return nil
}

// price returns the price of everything that waits for decryption.
func (r *reader) price() (sum int64) {
	for _, e := range r.waiting {
		sum = work.Sum(sum, e.scheme.price)
	}
	return sum
}

// decryptAll decrypts what waits, and what that contains. Before each derivation it
// checks the price of everything known by then.
func (r *reader) decryptAll() error {
	for len(r.waiting) > 0 {
		if err := r.budget.Fits(r.price()); err != nil {
			return err
		}
		next := r.waiting[0]
		r.waiting = r.waiting[1:]
		plain, err := next.scheme.decrypt(r.budget, r.passwords, next.data)
		if err != nil {
			return err
		}
		if next.key {
			if r.file.Key, err = privateKey(plain); err != nil {
				plain.Wipe()
				return err
			}
			continue
		}
		r.plain = append(r.plain, plain)
		if err := r.contents(plain, 0); err != nil {
			return err
		}
	}
	return nil
}

// safe reads one of the contents, and its entries if it is not encrypted.
func (r *reader) safe(in *cryptobyte.String) error {
	kind, content, ok := contentInfo(in)
	switch {
	case !ok:
		return errDamaged
	case kind.Equal(oidData):
		var data []byte
		if !content.ReadASN1Bytes(&data, cbasn1.OCTET_STRING) || !content.Empty() {
			return errDamaged
		}
		return r.contents(data, 0)
	case kind.Equal(oidEncryptedData):
		return r.encryptedData(content)
	}
	return unsupported("contents of type " + kind.String())
}

// encryptedData reads EncryptedData (RFC 5652, section 8).
func (r *reader) encryptedData(in cryptobyte.String) error {
	var seq, info cryptobyte.String
	var version int64
	var kind asn1.ObjectIdentifier
	var a algorithm
	var data []byte
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() || !seq.ReadASN1Integer(&version) || version != 0 ||
		!seq.ReadASN1(&info, cbasn1.SEQUENCE) || !seq.Empty() || !readOID(&info, &kind) || !a.read(&info) ||
		!info.ReadASN1Bytes(&data, implicit0) || !info.Empty() {
		return errDamaged
	}
	s, err := encryption(a)
	r.waiting = append(r.waiting, encrypted{scheme: s, data: data})
	return err
}
