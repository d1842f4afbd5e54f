package pfxfile

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"vtoken/provisioning/work"
	"vtoken/vtoken/secret"
)

// maxSalt bounds salts, in bytes.
const maxSalt = 1024

// algorithm is an AlgorithmIdentifier with parameters that are not parsed yet.
type algorithm struct {
	oid    asn1.ObjectIdentifier
	params cryptobyte.String // one element, or empty
}

func (a *algorithm) read(in *cryptobyte.String) bool {
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !readOID(&seq, &a.oid) {
		return false
	}
	if !seq.Empty() && !seq.ReadAnyASN1Element(&a.params, new(cbasn1.Tag)) {
		return false
	}
	return seq.Empty()
}

// maxOID bounds object identifiers, in bytes. Known ones have at most eleven.
const maxOID = 64

// readOID reads an object identifier.
func readOID(in *cryptobyte.String, out *asn1.ObjectIdentifier) bool {
	var raw cryptobyte.String
	look := *in
	return look.ReadASN1(&raw, cbasn1.OBJECT_IDENTIFIER) && len(raw) <= maxOID && in.ReadASN1ObjectIdentifier(out)
}

// scheme is how something is decrypted or authenticated with a password: checked
// parameters and a price.
type scheme struct {
	price int64
	// keys derives the key, and the initialization vector where there is one.
	keys func(b *work.Budget, p *passwords) (key, iv secret.Bytes, err error)
	// block and mac are what the key is used for; one of them is nil.
	block func(key []byte) (cipher.Block, error)
	mac   func() hash.Hash
}

// passwords are the two forms of a password that keys are derived from.
type passwords struct {
	bmp  secret.Bytes // UTF-16, big endian, with a zero at the end (RFC 7292, appendix B.1)
	utf8 secret.Bytes // for PBKDF2
}

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBMAC1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
)

// oldSchemes are those of PKCS #12 (RFC 7292, appendix C), by object identifier.
var oldSchemes = map[string]struct {
	size  int // of the key, in bytes
	block func(key []byte) (cipher.Block, error)
}{
	"1.2.840.113549.1.12.1.3": {24, des.NewTripleDESCipher},
	"1.2.840.113549.1.12.1.4": {16, newDES2},
	"1.2.840.113549.1.12.1.5": {16, newRC2},
	"1.2.840.113549.1.12.1.6": {5, newRC2},
}

// newDES2 is Triple DES with two keys.
func newDES2(key []byte) (cipher.Block, error) {
	three := append(append(make(secret.Bytes, 0, 24), key...), key[:8]...)
	defer three.Wipe()
	return des.NewTripleDESCipher(three)
}

// ciphers are those of PBES2.
var ciphers = map[string]struct {
	size  int
	block func(key []byte) (cipher.Block, error)
}{
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
}

// digest is a hash function in the derivation of PKCS #12.
type digest struct {
	new         func() hash.Hash
	size, block int // in bytes
}

// digests are the hash functions of the MAC.
var digests = map[string]digest{
	"1.3.14.3.2.26":          {sha1.New, sha1.Size, sha1.BlockSize},
	"2.16.840.1.101.3.4.2.4": {sha256.New224, sha256.Size224, sha256.BlockSize},
	"2.16.840.1.101.3.4.2.1": {sha256.New, sha256.Size, sha256.BlockSize},
	"2.16.840.1.101.3.4.2.2": {sha512.New384, sha512.Size384, sha512.BlockSize},
	"2.16.840.1.101.3.4.2.3": {sha512.New, sha512.Size, sha512.BlockSize},
}

// hmacs are the pseudo-random functions of PBKDF2, and the MACs of PBMAC1.
var hmacs = map[string]func() hash.Hash{
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.8":  sha256.New224,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

// encryption parses the parameters of an encryption with a password.
func encryption(a algorithm) (scheme, error) {
	if a.oid.Equal(oidPBES2) {
		return pbes2(a)
	}
	old, known := oldSchemes[a.oid.String()]
	if !known {
		return scheme{}, unsupported("pbe algorithm " + a.oid.String())
	}
	var seq cryptobyte.String
	var salt []byte
	var iterations int64
	params := a.params
	if !params.ReadASN1(&seq, cbasn1.SEQUENCE) || !params.Empty() || !seq.ReadASN1Bytes(&salt, cbasn1.OCTET_STRING) || !seq.ReadASN1Integer(&iterations) || !seq.Empty() {
		return scheme{}, errDamaged
	}
	sha := digests["1.3.14.3.2.26"]
	d := oldKey{sha, salt, iterations, forKey, old.size}
	iv := oldKey{sha, salt, iterations, forIV, 8}
	s := scheme{price: work.Sum(d.price(), iv.price()), block: old.block}
	s.keys = func(b *work.Budget, p *passwords) (secret.Bytes, secret.Bytes, error) {
		key, err := d.derive(b, p.bmp)
		if err != nil {
			return nil, nil, err
		}
		vector, err := iv.derive(b, p.bmp)
		return key, vector, err
	}
	return s, checkCounts(salt, iterations)
}

// pbes2 parses the parameters of PBES2 (RFC 8018, section 6.2).
func pbes2(a algorithm) (scheme, error) {
	kdf, cipherAlgorithm, err := pair(a)
	if err != nil {
		return scheme{}, err
	}
	c, known := ciphers[cipherAlgorithm.oid.String()]
	if !known {
		return scheme{}, unsupported("pbes2 algorithm " + cipherAlgorithm.oid.String())
	}
	var iv []byte
	if !cipherAlgorithm.params.ReadASN1Bytes(&iv, cbasn1.OCTET_STRING) {
		return scheme{}, errDamaged
	}
	k, err := readPBKDF2(kdf)
	if err != nil {
		return scheme{}, err
	}
	if k.size != 0 && k.size != int64(c.size) {
		return scheme{}, errDamaged
	}
	k.size = int64(c.size)
	return scheme{price: k.price(), block: c.block, keys: func(b *work.Budget, p *passwords) (secret.Bytes, secret.Bytes, error) {
		key, err := k.derive(b, p.utf8)
		return key, bytes.Clone(iv), err
	}}, nil
}

// pair reads the two algorithms of PBES2 and PBMAC1.
func pair(a algorithm) (kdf, other algorithm, err error) {
	var seq cryptobyte.String
	params := a.params
	if !params.ReadASN1(&seq, cbasn1.SEQUENCE) || !params.Empty() || !kdf.read(&seq) || !other.read(&seq) || !seq.Empty() {
		return kdf, other, errDamaged
	}
	if !kdf.oid.Equal(oidPBKDF2) {
		return kdf, other, unsupported("key derivation " + kdf.oid.String())
	}
	return kdf, other, nil
}

// pbkdf2 is a derivation with PBKDF2 (RFC 8018, appendix A.2).
type pbkdf2 struct {
	prf        func() hash.Hash
	salt       []byte
	iterations int64
	size       int64 // of the key in bytes, 0 where the file does not say
}

func readPBKDF2(a algorithm) (k pbkdf2, err error) {
	var seq cryptobyte.String
	params := a.params
	if !params.ReadASN1(&seq, cbasn1.SEQUENCE) || !params.Empty() {
		return k, errDamaged
	}
	if !seq.PeekASN1Tag(cbasn1.OCTET_STRING) {
		return k, unsupported("salt that is no octet string")
	}
	if !seq.ReadASN1Bytes(&k.salt, cbasn1.OCTET_STRING) || !seq.ReadASN1Integer(&k.iterations) {
		return k, errDamaged
	}
	if seq.PeekASN1Tag(cbasn1.INTEGER) && (!seq.ReadASN1Integer(&k.size) || k.size < 1) {
		return k, errDamaged
	}
	k.prf = sha1.New // where the file does not say
	if !seq.Empty() {
		var prf algorithm
		if !prf.read(&seq) || !seq.Empty() {
			return k, errDamaged
		}
		if k.prf = hmacs[prf.oid.String()]; k.prf == nil {
			return k, unsupported("pseudo-random function " + prf.oid.String())
		}
	}
	return k, checkCounts(k.salt, k.iterations)
}

func (k pbkdf2) price() int64 {
	return work.PBKDF2Price(k.iterations, int(k.size), k.prf().Size())
}

func (k pbkdf2) derive(b *work.Budget, password []byte) (secret.Bytes, error) {
	return b.PBKDF2(k.prf, password, k.salt, k.iterations, int(k.size))
}

func checkCounts(salt []byte, iterations int64) error {
	if iterations < 1 || len(salt) > maxSalt {
		return errDamaged
	}
	return nil
}

// The lengths of the key of PBMAC1 in bytes: RFC 9579, section 5, wants 20 at least,
// and no MAC has a use for more than 64.
const (
	minMACKey = 20
	maxMACKey = 64
)

// authentication parses the parameters of the MAC. salt and iterations are outside of the
// algorithm, and apply only to those of PKCS #12.
func authentication(a algorithm, salt []byte, iterations int64) (scheme, error) {
	if a.oid.Equal(oidPBMAC1) {
		kdf, mac, err := pair(a)
		if err != nil {
			return scheme{}, err
		}
		k, err := readPBKDF2(kdf)
		if err != nil {
			return scheme{}, err
		}
		h := hmacs[mac.oid.String()]
		if h == nil {
			return scheme{}, unsupported("PBMAC1 with " + mac.oid.String())
		}
		if k.size < minMACKey || k.size > maxMACKey {
			return scheme{}, errDamaged
		}
		return scheme{price: k.price(), mac: h, keys: func(b *work.Budget, p *passwords) (secret.Bytes, secret.Bytes, error) {
			key, err := k.derive(b, p.utf8)
			return key, nil, err
		}}, nil
	}
	d, known := digests[a.oid.String()]
	if !known {
		return scheme{}, unsupported("MAC digest algorithm " + a.oid.String())
	}
	k := oldKey{d, salt, iterations, forMAC, d.size}
	return scheme{price: k.price(), mac: d.new, keys: func(b *work.Budget, p *passwords) (secret.Bytes, secret.Bytes, error) {
		key, err := k.derive(b, p.bmp)
		return key, nil, err
	}}, checkCounts(salt, iterations)
}

// decrypt decrypts CBC with the padding of PKCS #5. The caller wipes the result.
func (s scheme) decrypt(b *work.Budget, p *passwords, data []byte) (secret.Bytes, error) {
	key, iv, err := s.keys(b, p)
	defer key.Wipe()
	if err != nil {
		return nil, err
	}
	block, err := s.block(key)
	if err != nil {
		return nil, errDamaged
	}
	n := block.BlockSize()
	if len(iv) != n || len(data) == 0 || len(data)%n != 0 {
		return nil, errDamaged
	}
	plain := make(secret.Bytes, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > n || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		plain.Wipe()
		return nil, errInner
	}
	return plain[:len(plain)-pad], nil
}
