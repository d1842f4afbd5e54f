// Package seedfile reads the files in which seeds of OTP tokens, and assignments of tokens,
// are delivered: PSKC (RFC 6030), seed XML, CSV with a header, and CSV of assignments. It
// writes nothing and knows no token and no store.
//
// A file in another format is an error. A row that cannot be used is a [Problem] with its
// line, and reading continues, so that one reading reports everything that is wrong.
//
// # Bounds
//
// A file has at most [MaxSize] bytes and [MaxRows] rows. XML has no document type
// definition, so there are no entities but the five of XML, and no element is nested
// deeper than [maxDepth]. Deriving a key takes at most [maxIterations] rounds. Key
// derivations, RSA decryptions and rows are paid from one budget ([work.Budget]) before
// they are done, and reading stops when its request ends.
//
// # PSKC
//
// Keys of HOTP and TOTP are read; keys of the PIN profile are ignored, because a PIN that a
// device checks itself does not concern the server. Values are plain or encrypted with
// AES-CBC or Triple DES under a shared key or one that is derived from a password (PBKDF2).
// Such an encrypted value must have a MAC (section 6.1.1): without it, a wrong key would
// make wrong seeds. Values, or the key of the others, that are encrypted for a certificate
// with RSA have none (section 6.3). Digital signatures are ignored, and keys without a
// value that name a key that both sides have are refused (section 5).
//
// # Encrypted seed XML
//
// The vendor of the seed XML does not publish the format of its encrypted files. Ours is:
// the header has two more elements, <salt> of 8 to 64 bytes in the encoding of the seeds,
// and optionally <iterations>, by default 100000. The key is 32 bytes of PBKDF2 with
// HMAC-SHA-256. Each seed is a nonce of 12 bytes and the output of AES-256-GCM for the
// seed, with the serial number as additional data, so a seed cannot be moved to another
// serial number.
//
// # What stays in memory
//
// The caller wipes the seeds, PINs and keys that this package returns ([File.Wipe]). The
// XML and CSV readers of the standard library keep copies of the text until the garbage
// collector frees them.
package seedfile
