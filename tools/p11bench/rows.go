package main

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"vtoken/vtoken/ck"
)

// row is one line of the result.
type row struct {
	name string
	run  func(*bench) (figure, error)
}

// rows is the one list of what is measured, in the order in which it runs:
// filling the token comes last, since it slows some modules down.
func rows(findCounts []int) []row {
	all := []row{
		{"ColdStart", (*bench).coldStart},
		{"SignECDSAP256/threads=1", sign(1, ck.CKM_ECDSA, (*token).generateP256, 32)},
		{"SignECDSAP256/threads=2", sign(2, ck.CKM_ECDSA, (*token).generateP256, 32)},
		{"SignECDSAP256/threads=8", sign(8, ck.CKM_ECDSA, (*token).generateP256, 32)},
		{"SignRSA2048/threads=1", sign(1, ck.CKM_RSA_PKCS, (*token).generateRSA2048, 51)},
		{"SignRSA2048/threads=2", sign(2, ck.CKM_RSA_PKCS, (*token).generateRSA2048, 51)},
		{"GetTwoAttributes", (*bench).getTwoAttributes},
		{"GenerateP256Pair", (*bench).generateP256Pair},
		{"CreateObject512/clients=1", create(1)},
		{"CreateObject512/clients=32", create(32)},
	}
	for _, n := range findCounts {
		all = append(all, row{fmt.Sprintf("FindLabel/objects=%d", n), find(n)})
	}
	return all
}

// bench is a run over one token.
type bench struct {
	target
	*token
	time time.Duration
}

// sign measures signing with a key of its own.
func sign(threads int, mech ck.MechanismType, generate func(*token, session, string) (keyPair, error), size int) func(*bench) (figure, error) {
	return func(b *bench) (f figure, err error) {
		pair, err := generate(b.token, b.main, "p11bench sign")
		if err != nil {
			return f, err
		}
		defer func() { err = errors.Join(err, b.destroyPair(b.main, pair)) }()
		return parallel(threads, b.time, func() (func() error, error) {
			s, err := b.token.session()
			data := bytes.Repeat([]byte{0x5a}, size)
			return func() error { return b.sign(s, mech, pair.private, data) }, err
		})
	}
}

func (b *bench) getTwoAttributes() (f figure, err error) {
	o, err := b.createData(b.main, "p11bench attributes", make([]byte, 512))
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, b.destroyObject(b.main, o)) }()
	return parallel(1, b.time, func() (func() error, error) {
		s, err := b.token.session()
		return func() error { return b.twoAttributes(s, o) }, err
	})
}

func (b *bench) generateP256Pair() (figure, error) {
	return parallel(1, b.time, func() (func() error, error) {
		s, err := b.token.session()
		return func() error {
			pair, err := b.generateP256(s, "p11bench pair")
			if err != nil {
				return err
			}
			return b.destroyPair(s, pair)
		}, err
	})
}

// find measures finding one of n data objects by its label.
func find(n int) func(*bench) (figure, error) {
	return func(b *bench) (f figure, err error) {
		made := make([]handle, 0, n)
		defer func() { err = errors.Join(err, b.destroyAll(made)) }()
		for i := range n {
			o, err := b.createData(b.main, fmt.Sprintf("p11bench object %d", i), []byte("x"))
			if err != nil {
				return f, err
			}
			made = append(made, o)
		}
		label := fmt.Sprintf("p11bench object %d", n/2)
		return parallel(1, b.time, func() (func() error, error) {
			s, err := b.token.session()
			return func() error {
				_, err := b.findOne(s, ck.CKO_DATA, label)
				return err
			}, err
		})
	}
}

func (b *bench) destroyAll(objects []handle) error {
	for _, o := range objects {
		if err := b.destroyObject(b.main, o); err != nil {
			return fmt.Errorf("destroying the objects of the benchmark: %w", err)
		}
	}
	return nil
}
