package vtoken

import (
	"reflect"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/object"
)

// What is charged to the account of an application's user, in bytes, beside the contents
// of what it makes the engine hold. These are about what the structures take.
const (
	sessionWeight    = 1 << 10
	operationWeight  = 1 << 10 // with the mechanism's state
	attachmentWeight = 4 << 10
	objectWeight     = 1 << 10 // with its places in the indexes
	// keyFactor is how many times the size of its attributes a key is charged, as it is
	// parsed when it is used.
	keyFactor = 4
)

// sessionAdvance is charged for a session as long as it is open. It covers the session and a
// few operations that collect no data, so that signing charges nothing.
const sessionAdvance = 4 << 10

// maxAnswer bounds the values of one C_GetAttributeValue.
const maxAnswer = 16 << 20

// Reserve charges n more bytes to the session. s.mu is locked.
func (s *session) Reserve(n int) error {
	err := s.purse.Take(n)
	if err == nil {
		s.weighed += n
	}
	return err
}

// settle refunds what the session no longer holds. s.mu is locked.
func (s *session) settle() {
	weight := s.weight()
	switch {
	case weight < s.weighed:
		s.purse.Give(s.weighed - weight)
	case weight > s.weighed:
		if s.purse.Take(weight-s.weighed) != nil {
			return // what was to be reserved before it was held; the next call tries again
		}
	}
	s.weighed = weight
}

// weight is the memory that the session holds. s.mu is locked.
func (s *session) weight() int {
	n := sessionWeight
	if s.finder != nil {
		n += s.finder.weight
	}
	for _, op := range s.ops {
		if op != nil {
			n += op.weight()
		}
	}
	return n
}

func (op *operation) weight() int {
	n := operationWeight + op.parameter + op.associated + gathered(op.signer) + gathered(op.verifier)
	if c := op.cipher; c != nil {
		n += gathered(c.Cipher)
		if c.kept != nil {
			n += cap(c.kept.in) + cap(c.kept.out)
		}
	}
	if op.message != nil && op.message.cipher != nil {
		n += gathered(op.message.cipher.cipher)
	}
	return n
}

// gathered is the data that a mechanism's part of an operation has collected.
func gathered(part any) int {
	if g, ok := part.(mech.Gatherer); ok {
		return g.Held()
	}
	return 0
}

// metered charges the session for the data that a mechanism's part collects.
func (op *operation) metered(part any) {
	if g, ok := part.(mech.Gatherer); ok && op.session != nil {
		g.Meter(op.session)
	}
}

// parameterWeight is the memory of a mechanism's parameter, and of the copy that the mechanism
// keeps.
func parameterWeight(p ck.Parameter) int {
	switch p := p.(type) {
	case nil, ck.RSAPkcsPssParams, ck.AESCtrParams, ck.MACGeneralParams:
		return 0
	case ck.RawParameter:
		return 2 * len(p)
	}
	return 2 * bytesIn(reflect.ValueOf(p))
}

// bytesIn is the size of all slices in a value, recursively.
func bytesIn(v reflect.Value) (n int) {
	switch v.Kind() {
	case reflect.Slice:
		n = v.Len() * int(v.Type().Elem().Size())
		if v.Type().Elem().Kind() != reflect.Uint8 {
			for i := range v.Len() {
				n += bytesIn(v.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			n += bytesIn(v.Field(i))
		}
	}
	return n
}

// weightOf is the memory of a session object.
func weightOf(o *object.Object) int {
	n := int(o.Size())
	if o.IsKey() {
		n *= keyFactor
	}
	return objectWeight + n
}

// reserve charges for one more session object before it is made, and checks the limits of the
// attachment. Two concurrent calls may exceed them by one object each, which does no harm.
func (a *attachment) reserve(o *object.Object) error {
	if o.Token() {
		return nil
	}
	if err := a.checkRoom(o.Size()); err != nil {
		return err
	}
	return meter.Charge(a.client.account, weightOf(o))
}

// checkRoom checks that one more session object of that size fits.
func (a *attachment) checkRoom(size uint64) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.objects.len() >= maxSessionObjects || a.bytes+size > maxSessionBytes {
		return ck.Errorf(ck.CKR_DEVICE_MEMORY, "the application has %d session objects of %d bytes; destroy some", a.objects.len(), a.bytes)
	}
	return nil
}

// release refunds what reserve charged for objects that do not exist, or no longer.
func (a *attachment) release(objects ...*object.Object) {
	for _, o := range objects {
		if !o.Token() {
			meter.Refund(a.client.account, weightOf(o))
		}
	}
}
