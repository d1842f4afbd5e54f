package kek_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek"
)

func TestReach(t *testing.T) {
	for uri, want := range map[string]kek.Reach{
		"file:kek.key":                                   kek.Inside,
		"file:/data/kek.key":                             kek.Inside,
		"file:../kek.key":                                kek.Reads,
		"file:link/kek.key":                              kek.Reads,
		"file:/etc/kek.key":                              kek.Reads,
		"passphrase:file=words":                          kek.Inside,
		"passphrase:file=/etc/words":                     kek.Reads,
		"passphrase:file=/etc/words;x=y":                 kek.Reads,
		"passphrase:words":                               kek.Acts,
		"tpm2:device=/dev/tpmrm0":                        kek.Inside,
		"tpm2:device=/dev/tpm0?pcrs=7+1":                 kek.Inside,
		"tpm2:device=/dev/tpmrm0?pcrs=7&auth-file=words": kek.Acts,
		"tpm2:device=/dev/tpmrm0?auth-file=/etc/shadow":  kek.Acts,
		"tpm2:device=/dev/tpm/../watchdog":               kek.Acts,
		"tpm2:device=/dev/watchdog":                      kek.Acts,
		"tpm2:device=dev/tpmrm0":                         kek.Acts,
		"tpm2:unix=sock":                                 kek.Acts,
		"tpm2:tcp=127.0.0.1:1":                           kek.Acts,
		"tpm2:device=/dev/tpmrm0?%":                      kek.Acts,
		"pkcs11:object=a?module-path=/m.so":              kek.Acts,
		"later:1":                                        kek.Acts,
	} {
		u, err := kek.Parse(uri)
		require.NoError(t, err, uri)
		require.Equal(t, want, u.Reach("/data"), uri)
	}
}
