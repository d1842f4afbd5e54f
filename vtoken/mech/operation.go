package mech

import (
	"hash"

	"vtoken/vtoken/ck"
)

// A sink takes the data of an operation and gives, at the end, what is signed:
// the data itself or its hash.
type sink interface {
	Update(data []byte) error
	sum() []byte
}

// hashSink hashes the data.
type hashSink struct{ hash.Hash }

func (s hashSink) Update(data []byte) error {
	_, err := s.Write(data) // never fails (hash.Hash)
	return err
}

func (s hashSink) sum() []byte { return s.Sum(nil) }

// collector keeps the data, and refuses more than max bytes of it.
type collector struct {
	data []byte
	max  int
	code ck.Error // the answer to too much data
}

func (c *collector) Update(data []byte) error {
	if len(data) > c.max-len(c.data) {
		return ck.Errorf(c.code, "more than %d bytes of data", c.max)
	}
	c.data = append(c.data, data...)
	return nil
}

func (c *collector) sum() []byte { return c.data }

// signer is a Signer over a sink.
type signer struct {
	sink
	len  int
	make func(message []byte) ([]byte, error)
}

func (s *signer) Len() int               { return s.len }
func (s *signer) Final() ([]byte, error) { return s.make(s.sum()) }

// verifier is a Verifier over a sink.
type verifier struct {
	sink
	len   int
	check func(message, signature []byte) error
}

func (v *verifier) Final(signature []byte) error {
	if len(signature) != v.len {
		return ck.Errorf(ck.CKR_SIGNATURE_LEN_RANGE, "the signature has %d bytes, not %d", len(signature), v.len)
	}
	return v.check(v.sum(), signature)
}

// whole is a Cipher that collects its input and works on it in one go.
type whole struct {
	collector
	// outLen is the length of the output, or an upper bound, for n bytes.
	outLen func(n int) int
	make   func(in []byte) ([]byte, error)
}

func (w *whole) UpdateLen(int) int { return 0 }

func (w *whole) Update(in []byte) ([]byte, error) { return nil, w.collector.Update(in) }

func (w *whole) FinalLen(n int) int { return w.outLen(len(w.data) + n) }

func (w *whole) Final() ([]byte, error) { return w.make(w.data) }

// fixed is an outLen that does not depend on the input.
func fixed(n int) func(int) int { return func(int) int { return n } }
