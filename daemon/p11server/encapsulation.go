package p11server

import (
	"vtoken/vtoken/ck"
)

// encapsulateKey answers a size query, and a buffer that is too short, with the length and no
// key.
func encapsulateKey(r *request) error {
	h, m, public, t, buf := r.Session(), r.Mechanism(), r.Object(), r.Template(), r.Buffer()
	if err := r.Done(); err != nil {
		return err
	}
	if m == nil {
		return errNoMechanism
	}
	out, key, err := r.client.EncapsulateKey(h, cloneMechanism(m), public, cloneTemplate(t), buf)
	if err := r.output(out, err); err != nil {
		return err
	}
	r.out.Ulong(uint64(key))
	return nil
}

func decapsulateKey(r *request) error {
	h, m, private, t, ciphertext := r.Session(), r.Mechanism(), r.Object(), r.Template(), r.Data()
	if err := r.Done(); err != nil {
		return err
	}
	if m == nil {
		return errNoMechanism
	}
	key, err := r.client.DecapsulateKey(h, cloneMechanism(m), private, cloneTemplate(t), ciphertext)
	return r.handle(uint64(key), err)
}

// Encapsulation are the functions for key encapsulation (sections 5.18.8 and 5.18.9 of 3.2).
type Encapsulation interface {
	// EncapsulateKey returns CKR_BUFFER_TOO_SMALL and the length where the buffer
	// is too short, and then makes no key.
	EncapsulateKey(h ck.SessionHandle, m ck.Mechanism, public ck.ObjectHandle, t ck.Template, buf ck.Buffer) (ck.Output, ck.ObjectHandle, error)
	DecapsulateKey(h ck.SessionHandle, m ck.Mechanism, private ck.ObjectHandle, t ck.Template, ciphertext []byte) (ck.ObjectHandle, error)
}
