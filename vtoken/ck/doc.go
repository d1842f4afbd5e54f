// Package ck is the vocabulary of PKCS#11 in Go: its constants, codes, handles
// and structures, in the standard's own spelling, so that a reader who knows
// the standard finds everything by searching for its words.
//
// It holds values only: no behaviour of a token, no wire format, no C. Every
// other package that speaks PKCS#11 imports it, and it imports nothing but the
// standard library.
//
// # Canonical values
//
// PKCS#11 passes attribute values as host memory, whose integers change with
// word size and byte order. Inside vtoken a value has one form, whatever the
// host:
//
//   - a CK_ULONG is 8 bytes, big endian ([Ulong], [Attribute.Ulong]);
//   - a CK_BBOOL is 1 byte, 0 or 1 ([Bool], [Attribute.Bool]);
//   - an array of CK_MECHANISM_TYPE is the 8-byte values in a row ([Mechanisms]);
//   - an array of CK_ATTRIBUTE (the CKA_*_TEMPLATE attributes) is the form of
//     [EncodeTemplate], at most one level deep;
//   - everything else is the bytes as they are.
//
// The p11-kit protocol, the store and the engine use this form unchanged; only
// the C edge of the module converts it to the host's.
//
// The standard is OASIS PKCS#11 version 3.2. Comments cite "section N" of the text of
// version 3.1, and "section N of 3.2" where only that has it.
package ck

//go:generate go run vtoken/tools/gen/ckconst -in ../../tools/gen/ckconst/constants.txt -out zconst.go
