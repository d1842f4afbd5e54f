package p11rpc

import "vtoken/vtoken/ck"

// Message writes the parameter of a message that is encrypted or decrypted
// ([CallEncryptMessage2] and its like).
func (e *Encoder) Message(p *ck.MessageParams) {
	e.Ulong(uint64(p.Mechanism))
	e.Ulong(p.Generator)
	e.Ulong(p.FixedBits)
	e.Ulong(p.DataLen)
	e.Ulong(p.TagBits)
	e.Data(p.Nonce)
	e.Data(p.Tag)
}

// Message reads the parameter of a message. Its nonce and tag share the memory
// of the request.
func (d *Decoder) Message() *ck.MessageParams {
	return &ck.MessageParams{
		Mechanism: ck.MechanismType(d.Ulong()), Generator: d.Ulong(), FixedBits: d.Ulong(), DataLen: d.Ulong(), TagBits: d.Ulong(),
		Nonce: d.Data(), Tag: d.Data(),
	}
}
