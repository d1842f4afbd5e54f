// Package policy says which algorithms a token offers. It is one table: what
// weak mechanisms may still be used for. The engine asks it at one place for the
// mechanism list, the mechanism info and every call that begins an operation.
//
// There are two named policies and lists. Modern, the default, offers every
// mechanism that is sound, and of SHA-1 signatures only the verification; not
// PBKDF2, for the sake of NSS. Legacy offers everything that is built in, for
// software that cannot be changed yet.
// A list offers the mechanisms on it, and for everything that they can do.
//
// SHA-1 as a plain digest, in HMAC and inside OAEP is sound and stays in Modern.
// RSA keys of fewer than 2048 bits only verify, but under Legacy, where those of
// 1024 bits and more do everything.
package policy
