package p11server

import "vtoken/vtoken/ck"

// MessageCiphers are the functions that encrypt and decrypt any number of
// messages in one operation (sections 5.9, 5.11). They write the nonce and the
// tag of an encryption into the parameter. An error ends a message, not the
// operation.
type MessageCiphers interface {
	MessageEncryptInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error
	EncryptMessage(h ck.SessionHandle, p *ck.MessageParams, aad, plain []byte, buf ck.Buffer) (ck.Output, error)
	EncryptMessageBegin(h ck.SessionHandle, p *ck.MessageParams, aad []byte) error
	EncryptMessageNext(h ck.SessionHandle, p *ck.MessageParams, plain []byte, buf ck.Buffer, flags ck.Flags) (ck.Output, error)
	MessageEncryptFinal(ck.SessionHandle) error
	MessageDecryptInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error
	DecryptMessage(h ck.SessionHandle, p *ck.MessageParams, aad, encrypted []byte, buf ck.Buffer) (ck.Output, error)
	DecryptMessageBegin(h ck.SessionHandle, p *ck.MessageParams, aad []byte) error
	DecryptMessageNext(h ck.SessionHandle, p *ck.MessageParams, encrypted []byte, buf ck.Buffer, flags ck.Flags) (ck.Output, error)
	MessageDecryptFinal(ck.SessionHandle) error
}

// messageCall is a call about such a message. Fields that a call does not have are empty.
type messageCall struct {
	h         ck.SessionHandle
	parameter *ck.MessageParams
	aad, data []byte
	buf       ck.Buffer
	flags     ck.Flags
}

// messageHandler reads a request, and answers with the output of do and with the nonce and the
// tag in the parameter.
func messageHandler(do func(c Client, m messageCall) (ck.Output, error)) handler {
	return func(r *request) error {
		m := messageCall{r.Session(), r.Message(), r.Data(), r.Data(), r.Buffer(), ck.Flags(r.Ulong())}
		if err := r.Done(); err != nil {
			return err
		}
		out, err := do(r.client, m)
		if err := r.output(out, err); err != nil {
			return err
		}
		r.out.Data(m.parameter.Nonce)
		r.out.Data(m.parameter.Tag)
		return nil
	}
}

func wholeMessage(do func(Client, ck.SessionHandle, *ck.MessageParams, []byte, []byte, ck.Buffer) (ck.Output, error)) handler {
	return messageHandler(func(c Client, m messageCall) (ck.Output, error) { return do(c, m.h, m.parameter, m.aad, m.data, m.buf) })
}

func messageBegin(do func(Client, ck.SessionHandle, *ck.MessageParams, []byte) error) handler {
	return messageHandler(func(c Client, m messageCall) (ck.Output, error) { return ck.Output{}, do(c, m.h, m.parameter, m.aad) })
}

func messageNext(do func(Client, ck.SessionHandle, *ck.MessageParams, []byte, ck.Buffer, ck.Flags) (ck.Output, error)) handler {
	return messageHandler(func(c Client, m messageCall) (ck.Output, error) {
		return do(c, m.h, m.parameter, m.data, m.buf, m.flags)
	})
}
