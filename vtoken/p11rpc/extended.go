package p11rpc

// Extended is version 2 with more: the calls that p11-kit does not have
// ([CallEncapsulateKey] and those after it), and the parameters of mechanisms that
// p11-kit would pass on as bytes of host memory, pointers included. These travel field
// by field. Our client offers this version. A server of p11-kit answers with its own
// newest version, which is lower, and both sides speak that. The number leaves room for
// p11-kit's versions to come.
const Extended = 0xf0 | MaxVersion

// Versions returns the versions that this package speaks.
func Versions() []byte { return []byte{0, 1, 2, Extended} }
