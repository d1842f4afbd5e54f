package p11server

import (
	"vtoken/vtoken/ck"
)

func wrapKey(r *request) error {
	h, m, wrapping, key, buf := r.Session(), r.Mechanism(), r.Object(), r.Object(), r.Buffer()
	if err := r.Done(); err != nil {
		return err
	}
	if m == nil {
		return errNoMechanism
	}
	out, err := r.client.WrapKey(h, cloneMechanism(m), wrapping, key, buf)
	return r.output(out, err)
}

func unwrapKey(r *request) error {
	h, m, unwrapping, wrapped, t := r.Session(), r.Mechanism(), r.Object(), r.Data(), r.Template()
	if err := r.Done(); err != nil {
		return err
	}
	if m == nil {
		return errNoMechanism
	}
	key, err := r.client.UnwrapKey(h, cloneMechanism(m), unwrapping, wrapped, cloneTemplate(t))
	return r.handle(uint64(key), err)
}

func deriveKey(r *request) error {
	key, _, err := derive(r)
	return r.handle(uint64(key), err)
}

// deriveKey2 also returns a code, and the mechanism's parameter after the call: no mechanism
// here changes it.
func deriveKey2(r *request) error {
	key, m, err := derive(r)
	if err == nil {
		r.out.Ulong(uint64(ck.CKR_OK))
		r.out.NoParameterUpdate(m)
	}
	return r.handle(uint64(key), err)
}

func derive(r *request) (ck.ObjectHandle, ck.MechanismType, error) {
	h, m, base, t := r.Session(), r.Mechanism(), r.Object(), r.Template()
	if err := r.Done(); err != nil {
		return 0, 0, err
	}
	if m == nil {
		return 0, 0, errNoMechanism
	}
	key, err := r.client.DeriveKey(h, cloneMechanism(m), base, cloneTemplate(t))
	return key, m.Type, err
}
