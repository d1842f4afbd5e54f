package p11server

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

func digestInit(r *request) error {
	h, m := r.Session(), r.Mechanism()
	if err := r.Done(); err != nil {
		return err
	}
	if m == nil {
		return r.client.SessionCancel(h, ck.CKF_DIGEST)
	}
	return r.client.DigestInit(h, cloneMechanism(m))
}

func verify(r *request) error {
	h, data, signature := r.Session(), r.Data(), r.Data()
	if err := r.Done(); err != nil {
		return err
	}
	return r.client.Verify(h, data, signature)
}

func setOperationState(r *request) error {
	h, state, encryption, authentication := r.Session(), r.Data(), r.Object(), r.Object()
	if err := r.Done(); err != nil {
		return err
	}
	return r.client.SetOperationState(h, state, encryption, authentication)
}

// errNoMechanism is for calls that need a mechanism and have none to cancel.
var errNoMechanism = ck.Errorf(ck.CKR_ARGUMENTS_BAD, "no mechanism was given to make a key with")

func generateKey(r *request) error {
	h, m, t := r.Session(), r.Mechanism(), r.Template()
	if err := r.Done(); err != nil {
		return err
	}
	if m == nil {
		return errNoMechanism
	}
	key, err := r.client.GenerateKey(h, cloneMechanism(m), cloneTemplate(t))
	return r.handle(uint64(key), err)
}

func generateKeyPair(r *request) error {
	h, m, pub, priv := r.Session(), r.Mechanism(), r.Template(), r.Template()
	if err := r.Done(); err != nil {
		return err
	}
	if m == nil {
		return errNoMechanism
	}
	pubKey, privKey, err := r.client.GenerateKeyPair(h, cloneMechanism(m), cloneTemplate(pub), cloneTemplate(priv))
	if err == nil {
		r.out.Ulong(uint64(pubKey))
		r.out.Ulong(uint64(privKey))
	}
	return err
}

// maxRandom bounds one C_GenerateRandom, so that its answer fits a frame.
const maxRandom = p11rpc.MaxBody / 2

func generateRandom(r *request) error {
	h, buf := r.Session(), r.Buffer()
	if err := r.Done(); err != nil {
		return err
	}
	if buf.Len > maxRandom {
		return ck.Errorf(ck.CKR_DATA_LEN_RANGE, "%d random bytes asked for, the limit of one call is %d", buf.Len, maxRandom)
	}
	if err := r.pay(buf.Len); err != nil {
		return err
	}
	v, err := r.client.GenerateRandom(h, buf.Len)
	if err == nil {
		r.out.Output(ck.Output{Data: v, Len: uint64(len(v))})
	}
	return err
}
