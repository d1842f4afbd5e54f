// Package pfxfile reads PFX files (PKCS #12, RFC 7292): the private key in them and
// the certificates. It knows no token and no store, and writes nothing.
//
// # Bounds
//
// The sender of a PFX chooses how many iterations the derivation of each of its keys takes,
// including those that appear only after something else was decrypted. So the file is read
// step by step. The parameters of an algorithm are checked, and its price is taken from the
// budget of the request ([work.Budget]), before a key is derived for it. Everything that
// the file shows without a password is added up before the first derivation.
//
// The counts are bounded: at most [maxSafes] contents, [maxBags] entries in all of
// them, contents within contents [maxNesting] deep, [maxAttributes] attributes of an
// entry, salts of [maxSalt] bytes. All that is kept is part of the file or was decrypted
// from it, so the memory is a small multiple of the file's size.
//
// The numbers of an RSA key have at most [maxRSA] bits, because computing with larger
// ones costs more than their size.
//
// # What is read
//
// DER, with a MAC by a password: the one of PKCS #12 with SHA-1 or SHA-2, or PBMAC1
// (RFC 9579). Contents are plain or encrypted with the password: by the schemes of
// PKCS #12 with Triple DES and RC2, or by PBES2 with PBKDF2 and AES-CBC or Triple DES.
// Entries are one private key, certificates (X.509), and others, which are ignored.
package pfxfile
