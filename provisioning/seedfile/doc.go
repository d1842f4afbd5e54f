// Package seedfile reads the files in which seeds of one-time-password tokens,
// and assignments of tokens, are delivered: PSKC (RFC 6030), seed XML, CSV with a
// header, and CSV of assignments. It writes nothing
// and knows no token and no store.
//
// A file that is no such file at all is an error. A row of it that cannot be used
// is a [Problem] with its line, and the others are read on, so that one reading
// tells everything that is wrong.
//
// # Bounds
//
// A file has at most [MaxSize] bytes and [MaxRows] rows. XML has no document type
// definition, so there are no entities but the five of XML, and no element is
// nested deeper than [maxDepth]. Deriving a key takes at most [maxIterations]
// rounds. Derivations, decryptions with RSA and rows are taken from one budget
// ([work.Budget]) before they are done, and the reading stops where its request ends.
//
// # PSKC
//
// Keys of HOTP and TOTP are read; keys of the PIN profile are passed over,
// because a PIN that a device checks by itself is not the server's. Values are
// plain or encrypted with AES-CBC or Triple DES under a key that was shared before
// or is derived from a password (PBKDF2). A value that is encrypted so has to have
// its MAC (section 6.1.1): without it a wrong key would make wrong seeds. What is
// encrypted for a certificate, with RSA, has none (section 6.3): the values, or the
// key of the others. Digital signatures are not looked at, and keys that have no value
// but name one that both sides have are refused (section 5).
//
// # Encrypted seed XML
//
// The vendor of the seed XML does not publish how its encrypted files are made. Here
// it is chosen so: the header has two more elements, <salt> of 8 to 64 bytes in the encoding of
// the seeds, and optionally <iterations>, 100000 where it is absent. The key is
// 32 bytes of PBKDF2 with HMAC-SHA-256. Each seed is a nonce of 12 bytes and what
// AES-256-GCM makes of the seed with the serial number as additional data: so a
// seed cannot be given to another serial number.
//
// # What stays in memory
//
// Seeds, PINs and keys that this package returns are for the caller to wipe
// ([File.Wipe]). The readers of XML and CSV of the standard library keep copies of
// the text that only the garbage collector takes.
package seedfile
