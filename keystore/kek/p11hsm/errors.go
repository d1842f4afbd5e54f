//go:build cgo

package p11hsm

import (
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/pkcs11"

	"vtoken/keystore/kek"
)

// pinTrouble is what an HSM says to a PIN, and what to do.
var pinTrouble = map[uint]string{
	pkcs11.CKR_PIN_INCORRECT:            "the HSM refuses the PIN of pin-source; correct the file before the next try, because the HSM counts",
	pkcs11.CKR_PIN_LEN_RANGE:            "the HSM refuses the PIN of pin-source for its length; correct the file before the next try, because the HSM may count",
	pkcs11.CKR_PIN_LOCKED:               "the HSM has locked the user PIN; unlock it with its security officer",
	pkcs11.CKR_PIN_EXPIRED:              "the user PIN of the HSM has expired; set a new one and write it into the file of pin-source",
	pkcs11.CKR_USER_PIN_NOT_INITIALIZED: "the HSM's token has no user PIN yet; set one",
}

// lost are the codes after which the provider logs in and looks for the key again.
var lost = [...]uint{
	pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED, pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED,
	pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_TOKEN_NOT_RECOGNIZED,
	pkcs11.CKR_SLOT_ID_INVALID, pkcs11.CKR_USER_NOT_LOGGED_IN, pkcs11.CKR_KEY_HANDLE_INVALID,
	pkcs11.CKR_OBJECT_HANDLE_INVALID, pkcs11.CKR_UNWRAPPING_KEY_HANDLE_INVALID, pkcs11.CKR_WRAPPING_KEY_HANDLE_INVALID,
}

// short are the codes of an HSM that cannot do anything now.
var short = [...]uint{pkcs11.CKR_HOST_MEMORY, pkcs11.CKR_DEVICE_MEMORY, pkcs11.CKR_SESSION_COUNT}

func is(err error, code uint) bool {
	var e pkcs11.Error
	return errors.As(err, &e) && uint(e) == code
}

// in reports whether the code of err is one of a list.
func in(err error, list []uint) bool {
	return slices.ContainsFunc(list, func(code uint) bool { return is(err, code) })
}

// gone reports whether it may help to look for the key again. CKR_GENERAL_ERROR can mean that,
// or anything.
func gone(err error) bool { return in(err, lost[:]) || is(err, pkcs11.CKR_GENERAL_ERROR) }

// unavailable is a [kek.ErrUnavailable] for an error that no wrapped key caused.
func unavailable(doing string, err error) error {
	switch {
	case errors.Is(err, kek.ErrUnavailable):
		return fmt.Errorf("%s: %w", doing, err)
	case in(err, lost[:]):
		return fmt.Errorf("%s: %w: the HSM does not answer, or the key is gone from it; check the HSM: %w", doing, kek.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, kek.ErrUnavailable, err)
}

// refused is the error of unwrapping: the wrapped key's fault, unless the HSM
// cannot be used at all.
func refused(doing string, err error) error {
	if errors.Is(err, kek.ErrUnavailable) || in(err, lost[:]) || in(err, short[:]) {
		return unavailable(doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, kek.ErrWrongKey, err)
}
