package mech

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/secret"
)

// EC loads a key ([Provider]).
func (Go) EC(c object.Curve, value []byte) (ECPrivate, error) {
	priv, err := c.PrivateKey(value)
	if err != nil {
		return nil, err
	}
	switch priv := priv.(type) {
	case *ecdsa.PrivateKey:
		return &goNIST{c, priv}, nil
	case *secp256k1.PrivateKey:
		return &goKoblitz{c, priv}, nil
	}
	return nil, ck.Errorf(ck.CKR_CURVE_NOT_SUPPORTED, "keys on %s are none of CKK_EC", c.Name)
}

// goNIST is a key of crypto/ecdsa.
type goNIST struct {
	curve object.Curve
	key   *ecdsa.PrivateKey
}

func (k *goNIST) Curve() object.Curve { return k.curve }

func (k *goNIST) Sign(digest []byte) (_ []byte, err error) {
	var der []byte
	secret.OnOwnStack(func() { der, err = ecdsa.SignASN1(rand.Reader, k.key, digest) })
	if err != nil {
		return nil, err
	}
	out, ok := rawSignature(der, k.curve.NumberSize())
	if !ok {
		return nil, errors.New("the signature is not in DER")
	}
	return out, nil
}

func (k *goNIST) Agree(peer crypto.PublicKey) (z []byte, err error) {
	pub, ok := peer.(*ecdsa.PublicKey)
	if !ok || pub.Curve != k.key.Curve {
		return nil, errors.New("the peer's key is of another curve")
	}
	secret.OnOwnStack(func() { z, err = k.agree(pub) })
	return z, err
}

func (k *goNIST) agree(pub *ecdsa.PublicKey) ([]byte, error) {
	if k.key.Curve == elliptic.P224() {
		return k.agreeP224(pub)
	}
	priv, err := k.key.ECDH()
	if err != nil {
		return nil, err
	}
	other, err := pub.ECDH()
	if err != nil {
		return nil, err
	}
	return priv.ECDH(other)
}

// agreeP224 multiplies the point, which is known to be on the curve: crypto/ecdh
// leaves out P-224.
func (k *goNIST) agreeP224(peer *ecdsa.PublicKey) ([]byte, error) {
	d, err := k.key.Bytes() // not a copy
	if err != nil {
		return nil, err
	}
	//lint:ignore SA1019 what crypto/ecdh would do, were P-224 in it
	x, _ := elliptic.P224().ScalarMult(peer.X, peer.Y, d)
	return x.FillBytes(make([]byte, 28)), nil
}

// Wipe leaves the number to the garbage collector.
func (k *goNIST) Wipe() {}

// goKoblitz is a key on secp256k1.
type goKoblitz struct {
	curve object.Curve
	key   *secp256k1.PrivateKey
}

func (k *goKoblitz) Curve() object.Curve { return k.curve }

func (k *goKoblitz) Sign(digest []byte) (s []byte, err error) {
	secret.OnOwnStack(func() { s = signKoblitz(k.key, digest) })
	return s, nil
}

func (k *goKoblitz) Agree(peer crypto.PublicKey) (z []byte, err error) {
	pub, ok := peer.(*secp256k1.PublicKey)
	if !ok {
		return nil, errors.New("the peer's key is of another curve")
	}
	secret.OnOwnStack(func() { z = secp256k1.GenerateSharedSecret(k.key, pub) })
	return z, nil
}

func (k *goKoblitz) Wipe() { k.key.Zero() }
