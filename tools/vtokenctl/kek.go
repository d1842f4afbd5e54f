package main

import "github.com/spf13/cobra"

func kekCommand(a *app) *cobra.Command {
	g := group("kek", "List, add and remove the keys that open the store",
		kekListCommand(a),
		kekAddCommand(a),
		kekRemoveCommand(a),
		kekRotateCommand(a),
	)
	g.Long = `A key-encryption key (KEK) opens the store when the daemon starts. There can be
any number of them, and each one is enough: a TPM or an HSM for every day, and a
passphrase, locked away, for the day when that is lost.

The URI says what a KEK is:

  tpm2:device=/dev/tpmrm0?pcrs=7+11                    the TPM of the machine
  pkcs11:token=T;object=O?module-path=M&pin-source=P   a key in an HSM
  passphrase:file=FILE                                 a passphrase
  file:FILE                                            a key file

Relative paths start in the data folder of the daemon.`
	return g
}
