// Package tpm is the KEK in a TPM 2.0.
//
//	tpm2:device=/dev/tpmrm0                          the TPM of this machine, through its resource manager
//	tpm2:unix=/run/swtpm.sock                        a software TPM on a Unix socket
//	tpm2:tcp=127.0.0.1:2321                          a software TPM on TCP (the bare command stream that swtpm serves)
//	tpm2:device=/dev/tpmrm0?pcrs=7+11                only while PCR 7 and 11 (SHA-256 bank) are as they were
//	tpm2:device=/dev/tpmrm0?auth-file=/etc/vtoken/a  and only with the secret in this file
//
// The parameters after the question mark can be joined by "&". The secret is a
// file that only its owner may open; one newline at its end is not part of it.
//
// # What is in the TPM
//
// Of KEKs, nothing stays there. For each wrapped key a fresh KEK of 32 bytes is sealed
// by the TPM under its storage primary key (the ECC P-256 template of the TCG,
// which the owner seed makes again each time), and the sealed object is part of
// the wrapped key. Commands that carry the KEK are in sessions salted to the
// primary, with encrypted parameters, and the primary's name is part of the
// wrapped key: an eavesdropper between us and the TPM learns nothing, and the sessions detect
// another TPM.
//
// Clearing the TPM, or moving to another machine, makes the wrapped key
// worthless for good; so does a changed PCR, as after an update of the
// firmware, until it is back. Have a recovery passphrase.
//
// # Counters
//
// A counter (see [kek.Counter]) does stay in the TPM: it is an NV index, one for
// each store, and survives everything but clearing the TPM. Its memory bears some hundred
// thousand increments, so the store uses it sparingly.
//
// # Pins
//
// The id of a store (see [kek.Pinner]) stays in the TPM, too, so that another store in the data
// folder is detected: an NV index for each data folder, written once and locked. The handle follows
// from the path of the folder, since nothing that is in the folder can be trusted before the
// store is opened. A pin needs no auth value and no KEK: [Pinners] finds the TPMs by the
// configuration and by their devices. pin.go has the format.
//
// The index is one of type ordinary and not bound to a secret of the store, because it must be
// read when there is no store, and by a daemon that opens a foreign one. So an answer is
// believed that comes from another TPM in the place of this one; who can cause that can also
// keep the TPM from answering.
//
// # Lockout
//
// A KEK without auth-file is exempt from the TPM's dictionary-attack counter:
// it neither counts there nor is locked out by others. With auth-file a wrong
// secret counts, once for each start of the daemon. PINs of tokens never reach the TPM, where
// wrong ones would lock out its other users, such as disk encryption (irtimmer/tpm2-pk11#75).
//
// # Format of a wrapped key
//
//	'T', 1
//	1 byte     1 where auth-file is needed, else 0
//	1 byte     number of PCRs; for each, ascending: 1 byte index, 32 bytes value
//	34 bytes   name of the primary (TPM 2.0 Part 1 section 16)
//	32 bytes   unique value of the sealed object's public area
//	2 bytes    length of the sealed object's private area, big endian; then that
//	           nonce, ciphertext and tag of AES-256-GCM; all before it is authenticated
package tpm
