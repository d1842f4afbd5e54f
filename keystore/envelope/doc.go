// Package envelope seals bytes so that they can be kept where others can read
// and write: nobody without the key learns more than their length, and a blob
// opens only in the place and the version that it was sealed for.
//
// # Algorithm
//
// XAES-256-GCM (C2SP, xaes-256-gcm): AES-256-GCM under a key that is derived
// from the sealing key and the first half of a random 192-bit nonce with the
// counter KDF of NIST SP 800-108r1 over CMAC. Plain AES-GCM with random 96-bit
// nonces is safe for 2^32 messages of one key, which a busy store could use up
// in weeks; with 192 bits the limit is 2^80, so that no message is counted and
// no nonce is remembered across restarts, restores and clones.
//
// # Format
//
//	1 byte     format: 1, or 2 where the version of the contents is not 1
//	2 bytes    version of the contents, big endian; in format 2 only
//	8 bytes    key id: which key it was sealed under
//	8 bytes    version of the record, big endian
//	24 bytes   nonce
//	           ciphertext and 16-byte tag
//
// The associated data is everything before the nonce and the [Place]: version of the
// contents, tenant, record, object and field, each of fixed length. Versions and key ids
// are in the clear so that a blob says which key to fetch and how to read it; all are
// authenticated.
//
// # What it does not do
//
// An old blob of the same place opens as well as the newest. The keystore
// compares the version, or a hash of the whole blob, with what a parent record
// says.
package envelope
