package object

import (
	"slices"

	"vtoken/vtoken/ck"
)

// A key that wraps and decrypts opens what it wrapped, and so does a key pair whose
// private half decrypts. A template may ask for both uses all the same: programs ask
// for every use of a key and need few. What such a key may not do is wrap a sensitive
// key ([Object.MayWrap]).
//
// Every key remembers for good what it was made for and where its value comes from
// (attrPast). Nothing after its making changes that, because what would make a
// difference cannot be gained: CKA_WRAP and CKA_UNWRAP only go from true to false,
// and a key that can wrap sensitive keys gains nothing that opens them ([checkGains]).
// So a copy knows what the key knows, and no key needs to know its copies.

// attrPast is an attribute of our own, of 1 byte, on public, private and secret keys.
// Applications neither give nor read nor find it.
const attrPast = ck.CKA_VENDOR_DEFINED | 0x76540001

// past is the value of attrPast.
type past byte

const (
	pastWraps    past = 1 << iota // was made with CKA_WRAP
	pastUnwraps                   // was made with CKA_UNWRAP
	pastEncrypts                  // was made with CKA_ENCRYPT
	pastOpens                     // it, or the private half of its pair, was made to decrypt
	// pastKnown marks a value that somebody outside of the token may know: every value
	// but those that the token made at random and never let out. Of a public key it
	// says that somebody may have the private half.
	pastKnown
	// pastPairWraps marks a private key whose public half wraps sensitive keys.
	pastPairWraps
	// pastVouched marks a known key that may wrap sensitive keys while the security
	// officer has it marked CKA_TRUSTED.
	pastVouched
	// pastComplete says that the other bits tell all. Objects of earlier versions have
	// no such byte, or one with the first three bits for uses that were given up; once
	// changed, they have what was made out then.
	pastComplete
)

// remember is the past of a new key.
func (d *draft) remember() {
	if !remembers(d.class) {
		return
	}
	p := pastComplete | usesOf(d.attrs)
	readable := !d.attrs.Bool(ck.CKA_SENSITIVE) && d.attrs.Bool(ck.CKA_EXTRACTABLE)
	switch {
	case d.class == ck.CKO_PUBLIC_KEY:
		p |= pastKnown | pastVouched // until it is joined with the other half
	case d.src.Origin == Create && d.src.SO && !readable && d.attrs.Bool(ck.CKA_TRUSTED):
		p |= pastKnown | pastVouched // the security officer brought it
	case d.src.Origin != Generate || readable || d.src.Mechanism == ck.CKM_PKCS5_PBKD2:
		p |= pastKnown
	}
	d.attrs = d.attrs.With(p.attribute())
}

func (p past) attribute() ck.Attribute { return ck.Bytes(attrPast, []byte{byte(p)}) }

func (p past) has(bits past) bool { return p&bits != 0 }

func remembers(class ck.ObjectClass) bool {
	return class == ck.CKO_PUBLIC_KEY || class == ck.CKO_PRIVATE_KEY || class == ck.CKO_SECRET_KEY
}

// usesOf are the uses that the attributes give a key now.
func usesOf(s Set) (p past) {
	if wrapsAtAll(s) {
		p |= pastWraps
	}
	if s.Bool(ck.CKA_UNWRAP) {
		p |= pastUnwraps
	}
	if s.Bool(ck.CKA_ENCRYPT) {
		p |= pastEncrypts
	}
	if slices.ContainsFunc(openers(s), s.Bool) {
		p |= pastOpens
	}
	return p
}

// openers are the uses that undo a wrapping. A raw signature of RSA is a decryption.
func openers(s Set) []ck.AttributeType {
	class, _ := s.Ulong(ck.CKA_CLASS)
	if class == uint64(ck.CKO_PRIVATE_KEY) && isRSA(s) {
		return []ck.AttributeType{ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_SIGN_RECOVER}
	}
	return []ck.AttributeType{ck.CKA_DECRYPT}
}

func isRSA(s Set) bool {
	t, ok := s.Ulong(ck.CKA_KEY_TYPE)
	return ok && t == uint64(ck.CKK_RSA)
}

// wrapsAtAll reports whether the key has CKA_WRAP and a mechanism that wraps with it.
// pkcs11-tool turns all uses on for the generic secrets that it derives.
func wrapsAtAll(s Set) bool { return s.Bool(ck.CKA_WRAP) && !noCipher(s) }

// noCipher reports whether the key's type is one that no cipher takes.
func noCipher(attrs Set) bool {
	t, ok := attrs.Ulong(ck.CKA_KEY_TYPE)
	return ok && (t == uint64(ck.CKK_GENERIC_SECRET) || slices.Contains(HMACKeyTypes(), ck.KeyType(t)))
}

// pastOf is the past of a key. What an earlier version did not write down is taken for
// what harms most, or for what the rules of that version were: there no secret key had
// both uses of CKA_WRAP and CKA_DECRYPT, or of CKA_UNWRAP and CKA_ENCRYPT, at any time.
func pastOf(s Set) past {
	var p past
	if v := s.Get(attrPast); len(v) == 1 {
		p = past(v[0])
	}
	if p.has(pastComplete) {
		return p
	}
	p = p&(pastWraps|pastUnwraps|pastEncrypts|pastOpens) | usesOf(s)
	class, _ := s.Ulong(ck.CKA_CLASS)
	switch ck.ObjectClass(class) {
	case ck.CKO_PUBLIC_KEY:
		p |= pastKnown | pastVouched
	case ck.CKO_PRIVATE_KEY:
		if isRSA(s) && p.has(pastUnwraps) && !p.has(pastOpens) {
			p |= pastPairWraps
		}
	case ck.CKO_SECRET_KEY:
		by, _ := s.Ulong(ck.CKA_KEY_GEN_MECHANISM)
		if !s.Bool(ck.CKA_LOCAL) || by == uint64(ck.CKM_PKCS5_PBKD2) ||
			!s.Bool(ck.CKA_ALWAYS_SENSITIVE) && !s.Bool(ck.CKA_NEVER_EXTRACTABLE) {
			p |= pastKnown
		}
	}
	return p
}

// Join ties the halves of a pair that was made on the token in one call. Until then,
// and for ever where a public key came by itself, the private half counts as known.
func Join(public, private *Object) {
	priv := pastOf(private.Attrs)
	pub := pastComplete | usesOf(public.Attrs) | priv&(pastOpens|pastKnown)
	if isRSA(private.Attrs) && pub.has(pastWraps) && !priv.has(pastOpens|pastKnown) {
		private.Attrs = private.Attrs.With((priv | pastPairWraps).attribute())
	}
	public.Attrs = public.Attrs.With(pub.attribute())
}

// guards reports whether the key, or its public half, wraps sensitive keys or did. Its
// value opens them.
func (p past) guards() bool {
	return p.has(pastPairWraps) || p.has(pastWraps) && !p.has(pastOpens) &&
		(!p.has(pastComplete) || !p.has(pastKnown) || p.has(pastVouched))
}

// mayHide checks that the key may wrap sensitive keys.
func (o *Object) mayHide() error {
	p := pastOf(o.Attrs)
	switch {
	case p.has(pastOpens):
		return ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "a sensitive key is not wrapped with a key that decrypts or did, itself or its pair; use another wrapping key")
	case p.has(pastKnown) && !(p.has(pastVouched) && o.Bool(ck.CKA_TRUSTED)):
		return ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "a sensitive key is not wrapped with a key that is known outside of the token; generate the wrapping key on the token")
	}
	return nil
}

// MaySeal checks that o, which may wrap the key, may do so in a counter mode. Such a
// mode is undone by encryption: who encrypts with the nonce that wrapped a key has
// what hides the key.
func (o *Object) MaySeal(key *Object) error {
	if key.Sensitive() && pastOf(o.Attrs).has(pastEncrypts) {
		return ck.Errorf(ck.CKR_KEY_FUNCTION_NOT_PERMITTED, "a key that has or had CKA_ENCRYPT wraps no sensitive key in a counter mode; use another")
	}
	return nil
}

// checkGains refuses a change that would open what the key, its pair, or a copy of it
// hides: for a copy has the same value and none of the other's memory.
func checkGains(old, next Set) error {
	p := pastOf(old)
	class, _ := old.Ulong(ck.CKA_CLASS)
	gains := func(t ck.AttributeType) bool { return !old.Bool(t) && next.Bool(t) }
	inconsistent := func(format string, args ...any) error {
		return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, format+"; use two keys", args...)
	}
	if p.has(pastWraps|pastPairWraps) && !p.has(pastOpens) {
		for _, t := range openers(old) {
			if gains(t) {
				return inconsistent("a key that was made to wrap, or whose pair was, does not gain %v", t)
			}
		}
	}
	if class == uint64(ck.CKO_SECRET_KEY) && !noCipher(old) &&
		p.has(pastWraps|pastUnwraps) && !p.has(pastEncrypts) && gains(ck.CKA_ENCRYPT) {
		return inconsistent("a secret key that was made to wrap or unwrap does not gain CKA_ENCRYPT")
	}
	return nil
}

// checkTrust refuses CKA_TRUSTED for a secret key that is known outside of the token,
// but for one that the security officer brought and marked so at once. Of a public key
// the mark says that the private half is in good hands.
func checkTrust(old, next Set) error {
	if old.Bool(ck.CKA_TRUSTED) || !next.Bool(ck.CKA_TRUSTED) {
		return nil
	}
	class, _ := next.Ulong(ck.CKA_CLASS)
	p := pastOf(next)
	if class == uint64(ck.CKO_SECRET_KEY) && p.has(pastKnown) && !p.has(pastVouched) {
		return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "a key that is known outside of the token is not trusted; generate one on the token")
	}
	return nil
}

// checkPrivate refuses a key that asks for the user's PIN at each use and is visible
// without a login.
func checkPrivate(attrs Set) error {
	if attrs.Bool(ck.CKA_ALWAYS_AUTHENTICATE) && !attrs.Bool(ck.CKA_PRIVATE) {
		return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "CKA_ALWAYS_AUTHENTICATE needs CKA_PRIVATE true")
	}
	return nil
}
