package seedfile

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"vtoken/vtoken/secret"
)

// Encryption for the certificate of who reads the file (RFC 6030, section 6.3): of
// the values themselves, or of the key that they are encrypted with.

// rsaEncryptions are the public-key encryptions of XML Encryption 1.1 by the end of
// their names.
var rsaEncryptions = []string{"rsa_1_5", "rsa-oaep-mgf1p", "rsa-oaep"}

// forCertificate reports whether a value is encrypted with a public key.
func forCertificate(e *encryptedData) bool {
	return slices.Contains(rsaEncryptions, ending(e.Method.Algorithm))
}

// The bounds of the private key, in bits.
const (
	minRSA = 1024
	maxRSA = 8192
)

// open decrypts a value with the private key. The caller has that key, so an error
// reveals nothing, whatever the padding.
func (k *pskcKeys) open(e *encryptedData) (secret.Bytes, error) {
	if err := k.findPrivate(); err != nil {
		return nil, err
	}
	data, err := decode("BASE64", append([]byte(nil), e.Cipher.Text...))
	if err != nil {
		return nil, errors.New("the encrypted value is not base64")
	}
	options, err := e.Method.rsaOptions()
	if err != nil {
		return nil, err
	}
	if err := k.budget.Take(rsaPrice(k.private.N.BitLen())); err != nil {
		return nil, err
	}
	plain, err := k.private.Decrypt(nil, data, options)
	if err != nil {
		return nil, errWrongKey
	}
	return plain, nil
}

// oaepHashes are the hashes of OAEP by the end of their names. None is SHA-1, as in
// XML Encryption.
var oaepHashes = map[string]crypto.Hash{
	"": crypto.SHA1, "sha1": crypto.SHA1, "mgf1sha1": crypto.SHA1, "sha256": crypto.SHA256, "mgf1sha256": crypto.SHA256,
	"sha384": crypto.SHA384, "mgf1sha384": crypto.SHA384, "sha512": crypto.SHA512, "mgf1sha512": crypto.SHA512,
}

func (m *encryptionMethod) rsaOptions() (crypto.DecrypterOpts, error) {
	if ending(m.Algorithm) == "rsa_1_5" {
		//lint:ignore SA1019 files of that form are there (RFC 6030, section 6.3), and who has the key asks nobody for its padding
		return &rsa.PKCS1v15DecryptOptions{}, nil
	}
	hash, mask := oaepHashes[ending(m.Digest.Algorithm)], oaepHashes[ending(m.MGF.Algorithm)]
	if hash == 0 || mask == 0 {
		return nil, fmt.Errorf("OAEP with the hashes %.60q and %.60q is not known; SHA-1 and SHA-2 are",
			m.Digest.Algorithm, m.MGF.Algorithm)
	}
	return &rsa.OAEPOptions{Hash: hash, MGFHash: mask}, nil
}

// findPrivate reads the private key, once.
func (k *pskcKeys) findPrivate() error {
	if k.private != nil {
		return nil
	}
	if len(k.options.PrivateKey) == 0 {
		return errors.New("the file is encrypted for a certificate; give its private key")
	}
	der := []byte(k.options.PrivateKey)
	if block, _ := pem.Decode(der); block != nil {
		der = block.Bytes
		defer clear(der)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		parsed, err = x509.ParsePKCS1PrivateKey(der)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok || key.N.BitLen() < minRSA || key.N.BitLen() > maxRSA {
		return fmt.Errorf(
			"the private key is no RSA key of %d to %d bits in PEM or DER, or it has a password; remove that first",
			minRSA, maxRSA)
	}
	k.private = key
	return nil
}
