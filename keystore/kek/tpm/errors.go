package tpm

import (
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"vtoken/keystore/kek"
)

// advice is what an answer of the TPM means to an administrator.
type advice struct {
	code tpm2.TPMRC
	text string
}

// advices are the answers that keep a TPM from being used now (TPM 2.0 Part 2
// section 6.6.3).
var advices = [...]advice{
	{tpm2.TPMRCLockout, "the TPM is locked out after too many wrong auth values; wait until it recovers, or run tpm2_dictionarylockout --clear-lockout"},
	{tpm2.TPMRCInitialize, "the TPM was not started; the firmware does that, or swtpm with --flags startup-clear"},
	{tpm2.TPMRCFailure, "the TPM is in failure mode; power the machine off and on"},
	{tpm2.TPMRCObjectMemory, "the TPM has no room for another key; use /dev/tpmrm0, or restart the software TPM"},
	{tpm2.TPMRCSessionMemory, "the TPM has no room for another session; use /dev/tpmrm0, or restart the software TPM"},
	{tpm2.TPMRCSessionHandles, "the TPM has no room for another session; use /dev/tpmrm0, or restart the software TPM"},
}

// unavailable is a [kek.ErrUnavailable] for an error of a command that does not
// touch a wrapped key.
func unavailable(doing string, err error) error {
	if errors.Is(err, kek.ErrUnavailable) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	for _, a := range advices {
		if errors.Is(err, a.code) {
			return fmt.Errorf("%s: %w: %s (%w)", doing, kek.ErrUnavailable, a.text, err)
		}
	}
	return fmt.Errorf("%s: %w: %w", doing, kek.ErrUnavailable, err)
}

// owned is the error of a command that takes the rights of the TPM's owner, or nil.
func owned(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, tpm2.TPMRCAuthFail), errors.Is(err, tpm2.TPMRCBadAuth):
		return fmt.Errorf("%s: %w: the owner hierarchy of the TPM has a password; remove it with tpm2_changeauth (%w)", doing, kek.ErrUnavailable, err)
	case errors.Is(err, tpm2.TPMRCNVSpace):
		return fmt.Errorf("%s: %w: it has no room for another; look for what is not needed with tpm2_getcap handles-nv-index, and remove it with tpm2_nvundefine (%w)",
			doing, kek.ErrUnavailable, err)
	}
	return unavailable(doing, err)
}

// refused is the error of a command that was given a wrapped key: the key's
// fault, unless the TPM cannot be used at all.
func refused(doing string, err error) error {
	if errors.Is(err, kek.ErrUnavailable) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	for _, a := range advices {
		if errors.Is(err, a.code) {
			return unavailable(doing, err)
		}
	}
	return fmt.Errorf("%s: %w: %w", doing, kek.ErrWrongKey, err)
}
