package seedfile

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"math"
	"strconv"
	"strings"

	"vtoken/provisioning/work"
	"vtoken/vtoken/secret"
)

// maxIterations bounds the rounds that a file may ask for.
const maxIterations = 1_000_000

// The elements of encryption: XML Encryption 1.1, and PBKDF2 of PKCS #5.

type encryptedData struct {
	Method encryptionMethod `xml:"EncryptionMethod"`
	Cipher chars            `xml:"CipherData>CipherValue"`
}

type encryptionMethod struct {
	Algorithm string `xml:"Algorithm,attr"`
	// Digest and MGF are the hashes of OAEP.
	Digest struct {
		Algorithm string `xml:"Algorithm,attr"`
	} `xml:"DigestMethod"`
	MGF struct {
		Algorithm string `xml:"Algorithm,attr"`
	}
}

type encryptionKey struct {
	KeyName     string
	Derived     *derivedKey    `xml:"DerivedKey"`
	Certificate *struct{}      `xml:"X509Data"`
	Encrypted   *encryptedData `xml:"EncryptedKey"`
}

type derivedKey struct {
	Method struct {
		Algorithm string `xml:"Algorithm,attr"`
		Params    struct {
			Salt           chars `xml:"Salt>Specified"`
			IterationCount string
			KeyLength      string
			PRF            struct {
				Algorithm string `xml:"Algorithm,attr"`
			}
		} `xml:"PBKDF2-params"`
	} `xml:"KeyDerivationMethod"`
}

type macMethod struct {
	Algorithm string         `xml:"Algorithm,attr"`
	Key       *encryptedData `xml:"MACKey"`
}

// pskcKeys are the keys of a file.
type pskcKeys struct {
	options    Options
	budget     *work.Budget
	encryption *encryptionKey
	mac        *macMethod

	ready   bool
	private *rsa.PrivateKey // of the certificate, once it was asked for
	key     secret.Bytes    // of the encryption, nil where there is none
	macKey  secret.Bytes    // nil where there is no MAC method
	hash    func() hash.Hash
}

func (k *pskcKeys) wipe() {
	k.key.Wipe()
	k.macKey.Wipe()
}

// macs are the MAC methods by the end of their names, in lower case; prfs are
// the functions of PBKDF2 that fit them. SHA-1 is what the RFC has.
var (
	macs = map[string]func() hash.Hash{
		"hmac-sha1": sha1.New, "hmac-sha224": sha256.New224, "hmac-sha256": sha256.New, "hmac-sha384": sha512.New384, "hmac-sha512": sha512.New,
	}
	prfs = map[string]func() hash.Hash{
		"": sha1.New, "hmac-sha1": sha1.New, "hmac-sha224": sha256.New224, "hmac-sha256": sha256.New, "hmac-sha384": sha512.New384, "hmac-sha512": sha512.New,
	}
)

// ciphers are the CBC ciphers of XML Encryption by the end of their names, and
// the lengths of their keys in bytes.
var ciphers = map[string]struct {
	size  int
	block func(key []byte) (cipher.Block, error)
}{
	"aes128-cbc":    {16, aes.NewCipher},
	"aes192-cbc":    {24, aes.NewCipher},
	"aes256-cbc":    {32, aes.NewCipher},
	"tripledes-cbc": {24, des.NewTripleDESCipher},
}

// ending returns the end of the name of an algorithm, in lower case.
func ending(uri string) string {
	return strings.ToLower(uri[strings.LastIndexAny(uri, "#/:")+1:])
}

// prepare finds the keys once, before the first key package is read.
func (k *pskcKeys) prepare() (err error) {
	if k.ready {
		return nil
	}
	k.ready = true
	if k.encryption != nil {
		if k.key, err = k.encryptionKey(); err != nil {
			return err
		}
	}
	if k.mac == nil {
		return nil
	}
	if k.hash = macs[ending(k.mac.Algorithm)]; k.hash == nil {
		return fmt.Errorf("the MAC %.60q is not known; HMAC with SHA-1 and SHA-2 is", k.mac.Algorithm)
	}
	if k.mac.Key == nil { // then it is the key of the encryption (section 6.1.1)
		k.macKey = k.key.Clone()
		return nil
	}
	if k.macKey, err = k.decrypt(k.mac.Key); err != nil {
		return fmt.Errorf("the key of the MAC cannot be read with this password or key: %w", err)
	}
	return nil
}

// encryptionKey returns the shared key, the one that is encrypted for a certificate, or
// the one that PBKDF2 derives from the password.
func (k *pskcKeys) encryptionKey() (secret.Bytes, error) {
	switch e := k.encryption; {
	case e.Encrypted != nil:
		return k.decrypt(e.Encrypted)
	case e.Certificate != nil:
		return nil, k.findPrivate() // which the values themselves are encrypted for
	case e.Derived != nil:
		return e.Derived.derive(k.budget, k.options.Password)
	case len(k.options.Key) == 0:
		return nil, fmt.Errorf("the file is encrypted with a shared key (%.60q); give the key", strings.TrimSpace(e.KeyName))
	}
	return k.options.Key.Clone(), nil
}

func (d *derivedKey) derive(b *work.Budget, password secret.Bytes) (secret.Bytes, error) {
	if !strings.HasPrefix(ending(d.Method.Algorithm), "pbkdf2") {
		return nil, fmt.Errorf("the derivation of keys %.80q is not known; PBKDF2 is", d.Method.Algorithm)
	}
	p := &d.Method.Params
	h := prfs[ending(p.PRF.Algorithm)]
	if h == nil {
		return nil, fmt.Errorf("PBKDF2 with %.60q is not known; HMAC with SHA-1 and SHA-2 is", p.PRF.Algorithm)
	}
	if len(password) == 0 {
		return nil, errors.New("the file is encrypted with a password; give it")
	}
	salt, err := decode("BASE64", p.Salt.Text)
	if err != nil {
		return nil, errors.New("the salt of the password is missing, or is not base64")
	}
	rounds, err := number("iteration count", p.IterationCount, maxIterations, 0)
	if err != nil || rounds == 0 {
		return nil, fmt.Errorf("the iteration count is not a number from 1 to %d", maxIterations)
	}
	size, err := number("length of the key", p.KeyLength, 32, 16)
	if err != nil || size == 0 {
		return nil, errors.New("the length of the key is not a number from 1 to 32")
	}
	return b.PBKDF2(h, password, salt, int64(rounds), int(size))
}

var (
	errWrongKey = errors.New("it does not fit: the password or key is wrong, or the file was changed")
	errNoKey    = errors.New("the value is encrypted, and the file does not say with what key")
	errNoMAC    = errors.New("the value is encrypted without a MAC; a file without them cannot be told from one with a wrong password")
)

// decrypt decrypts CBC with the initialization vector in front and the padding of XML
// Encryption (section 5.2.1): the last byte is its length.
func (k *pskcKeys) decrypt(e *encryptedData) (secret.Bytes, error) {
	if forCertificate(e) {
		return k.open(e)
	}
	c, known := ciphers[ending(e.Method.Algorithm)]
	switch {
	case !known:
		return nil, fmt.Errorf("the encryption %.80q is not known; AES-CBC, Triple DES and RSA are", e.Method.Algorithm)
	case k.key == nil:
		return nil, errNoKey
	case len(k.key) != c.size:
		return nil, fmt.Errorf("the key has %d bytes, and %s needs %d", len(k.key), ending(e.Method.Algorithm), c.size)
	}
	data, err := decode("BASE64", append([]byte(nil), e.Cipher.Text...))
	if err != nil {
		return nil, errors.New("the encrypted value is not base64")
	}
	block, err := c.block(k.key)
	if err != nil {
		return nil, err
	}
	n := block.BlockSize()
	if len(data) < 2*n || len(data)%n != 0 {
		return nil, errWrongKey
	}
	plain := data[n:]
	cipher.NewCBCDecrypter(block, data[:n]).CryptBlocks(plain, plain)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > n {
		plain.Wipe()
		return nil, errWrongKey
	}
	return plain[:len(plain)-pad], nil
}

// secret returns a value, decrypted if it is encrypted.
func (k *pskcKeys) secret(v *pskcValue) (secret.Bytes, error) {
	if v.Encrypted == nil {
		if v.Plain == nil {
			return nil, errors.New("the key has no value")
		}
		return decode("BASE64", v.Plain.Text)
	}
	// What is encrypted for a certificate has no MAC (section 6.3).
	if !forCertificate(v.Encrypted) || v.MAC != nil {
		if err := k.authenticate(v); err != nil {
			return nil, err
		}
	}
	return k.decrypt(v.Encrypted)
}

// authenticate checks the MAC of an encrypted value, over the initialization vector and
// the ciphertext (section 6.1.1).
func (k *pskcKeys) authenticate(v *pskcValue) error {
	if k.macKey == nil || v.MAC == nil {
		return errNoMAC
	}
	data, err := decode("BASE64", append([]byte(nil), v.Encrypted.Cipher.Text...))
	if err != nil {
		return errors.New("the encrypted value is not base64")
	}
	want, err := decode("BASE64", append([]byte(nil), v.MAC.Text...))
	if err != nil {
		return errors.New("the MAC is not base64")
	}
	m := hmac.New(k.hash, k.macKey)
	m.Write(data)
	if !hmac.Equal(m.Sum(nil), want) {
		return errWrongKey
	}
	return nil
}

// number returns a value that is a number: decimal digits, or encrypted bytes in big
// endian (section 4.2), or, as some programs write it, encrypted digits.
func (k *pskcKeys) number(v *pskcValue) (int64, error) {
	bad := errors.New("a counter or time is no whole number of 0 and above")
	if v.Encrypted == nil {
		n, err := strconv.ParseInt(v.Plain.string(), 10, 64)
		if err != nil || n < 0 {
			return 0, bad
		}
		return n, nil
	}
	b, err := k.secret(v)
	if err != nil {
		return 0, err
	}
	defer b.Wipe()
	if n, err := strconv.ParseUint(string(b), 10, 63); err == nil {
		return int64(n), nil
	}
	if len(b) > 8 {
		return 0, bad
	}
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	if n > math.MaxInt64 {
		return 0, bad
	}
	return int64(n), nil
}
