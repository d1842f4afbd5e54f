package mech

import (
	"hash"

	"vtoken/vtoken/ck"
)

// A sink takes the data of an operation and gives, at the end, what is signed:
// the data itself or its hash. The last three are what [Saver] needs of it.
type sink interface {
	Update(data []byte) error
	sum() []byte
	save() ([]byte, error)
	restore(state []byte) error
	confined() bool
}

// hashSink hashes the data.
type hashSink struct{ hash.Hash }

func (s hashSink) Update(data []byte) error {
	_, err := s.Write(data) // never fails (hash.Hash)
	return err
}

func (s hashSink) sum() []byte { return s.Sum(nil) }

// Meter is asked before an operation takes memory for data that it gathers.
type Meter interface {
	// Reserve takes n bytes, or none with an error that says why.
	Reserve(n int) error
}

// Gatherer is an ability of a [Cipher], [Signer] or [Verifier]: it gathers its input and
// works on it at the end.
type Gatherer interface {
	// Meter has m asked before memory is taken.
	Meter(m Meter)
	// Held is how many bytes of memory are in use for the input.
	Held() int
}

// collector keeps the data, and refuses more than max bytes of it.
type collector struct {
	data  []byte
	max   int
	code  ck.Error // the answer to too much data
	meter Meter    // nil is nobody
}

func (c *collector) Update(data []byte) error {
	if len(data) > c.max-len(c.data) {
		return ck.Errorf(c.code, "more than %d bytes of data", c.max)
	}
	if err := c.grow(len(c.data) + len(data)); err != nil {
		return err
	}
	c.data = append(c.data, data...)
	return nil
}

// grow makes room for so many bytes of data: twice what there was at least, so that
// small parts do not copy everything each time. What it leaves it wipes.
func (c *collector) grow(need int) error {
	if need <= cap(c.data) {
		return nil
	}
	room := max(need, min(2*cap(c.data), c.max))
	if c.meter != nil {
		if err := c.meter.Reserve(room - cap(c.data)); err != nil {
			return err
		}
	}
	old := c.data
	c.data = make([]byte, len(old), room)
	copy(c.data, old)
	clear(old)
	return nil
}

// Meter is of [Gatherer].
func (c *collector) Meter(m Meter) { c.meter = m }

// Held is of [Gatherer].
func (c *collector) Held() int { return cap(c.data) }

func (c *collector) sum() []byte { return c.data }

// signer is a Signer over a sink.
type signer struct {
	sink
	len  int
	make func(message []byte) ([]byte, error)
}

func (s *signer) Len() int               { return s.len }
func (s *signer) Final() ([]byte, error) { return s.make(s.sum()) }

// Meter is of [Gatherer].
func (s *signer) Meter(m Meter) { meterSink(s.sink, m) }

// Held is of [Gatherer].
func (s *signer) Held() int { return heldBy(s.sink) }

func meterSink(s sink, m Meter) {
	if g, ok := s.(Gatherer); ok {
		g.Meter(m)
	}
}

func heldBy(s sink) int {
	if g, ok := s.(Gatherer); ok {
		return g.Held()
	}
	return 0
}

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

// Meter is of [Gatherer].
func (v *verifier) Meter(m Meter) { meterSink(v.sink, m) }

// Held is of [Gatherer].
func (v *verifier) Held() int { return heldBy(v.sink) }

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
