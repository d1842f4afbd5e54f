package p11server

import "vtoken/vtoken/ck"

// Messages are the functions that sign and verify any number of messages in one
// operation (sections 5.14, 5.16). An error ends a message, not the operation.
type Messages interface {
	MessageSignInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error
	SignMessage(h ck.SessionHandle, parameter, data []byte, buf ck.Buffer) (ck.Output, error)
	SignMessageBegin(h ck.SessionHandle, parameter []byte) error
	SignMessageNext(h ck.SessionHandle, parameter, data []byte, last bool, buf ck.Buffer) (ck.Output, error)
	MessageSignFinal(ck.SessionHandle) error
	MessageVerifyInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error
	VerifyMessage(h ck.SessionHandle, parameter, data, signature []byte) error
	VerifyMessageBegin(h ck.SessionHandle, parameter []byte) error
	// VerifyMessageNext has a signature with the last part only, else nil.
	VerifyMessageNext(h ck.SessionHandle, parameter, data, signature []byte) error
	MessageVerifyFinal(ck.SessionHandle) error
}

func signMessage(r *request) error {
	h, parameter, data, buf := r.Session(), r.Data(), r.Data(), r.Buffer()
	if err := r.Done(); err != nil {
		return err
	}
	out, err := r.client.SignMessage(h, parameter, data, buf)
	return r.output(out, err)
}

func signMessageNext(r *request) error {
	h, parameter, data, last, buf := r.Session(), r.Data(), r.Data(), r.Byte() != 0, r.Buffer()
	if err := r.Done(); err != nil {
		return err
	}
	out, err := r.client.SignMessageNext(h, parameter, data, last, buf)
	return r.output(out, err)
}

func verifyMessage(do func(Client, ck.SessionHandle, []byte, []byte, []byte) error) handler {
	return func(r *request) error {
		h, parameter, data, signature := r.Session(), r.Data(), r.Data(), r.Data()
		if err := r.Done(); err != nil {
			return err
		}
		return do(r.client, h, parameter, data, signature)
	}
}
