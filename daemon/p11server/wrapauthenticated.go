package p11server

import "vtoken/vtoken/ck"

// wrapKeyAuthenticated answers with the wrapped key, and with the nonce and the tag in the
// parameter.
func wrapKeyAuthenticated(r *request) error {
	h, p := r.Session(), &ck.WrapParams{MessageParams: *r.Message()}
	wrapping, key := r.Object(), r.Object()
	p.AAD = r.Data()
	buf := r.Buffer()
	if err := r.Done(); err != nil {
		return err
	}
	out, err := r.client.WrapKeyAuthenticated(h, p, wrapping, key, buf)
	if err := r.output(out, err); err != nil {
		return err
	}
	r.out.Data(p.Nonce)
	r.out.Data(p.Tag)
	return nil
}

// AuthenticatedWrapping is wrapping with associated data (section 5.18.6 of 3.2). It writes
// the nonce and the tag into the parameter. UnwrapKey unwraps, with the tag at the end of the
// wrapped key.
type AuthenticatedWrapping interface {
	WrapKeyAuthenticated(h ck.SessionHandle, p *ck.WrapParams, wrapping, key ck.ObjectHandle, buf ck.Buffer) (ck.Output, error)
}
