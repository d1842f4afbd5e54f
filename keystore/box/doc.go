// Package box seals bytes to a public key, so that they can be written without
// the key that reads them: what the secrets of PIN-bound tokens need, which are
// imported while nobody who knows the PIN is there.
//
// # Algorithm
//
// HPKE in base mode (RFC 9180), one shot, with
//
//   - KEM: MLKEM768-X25519, which is X-Wing (draft-ietf-hpke-pq, KEM id 0x647a;
//     draft-connolly-cfrg-xwing-kem). A box may lie around for decades, so it does
//     not rest on elliptic curves alone;
//   - KDF: HKDF-SHA256 (0x0001);
//   - AEAD: AES-256-GCM (0x0002), with no associated data: what the box is for
//     is HPKE's info.
//
// # Format
//
//	1120 bytes    the encapsulated key
//	n + 16 bytes  ciphertext and tag
//
// A private key is the 32-byte seed of X-Wing, a public key has 1216 bytes.
//
// # What it does not do
//
// It does not say who sealed: anybody with the public key can. The keystore
// seals boxes once more, under a key that the public does not have.
package box
