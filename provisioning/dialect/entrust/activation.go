package entrust

import (
	"encoding/base32"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/secret"
)

// The types of activation.
const (
	classic = "CLASSIC"
	online  = "ONLINE"
	offline = "OFFLINE"
)

var allTypes = []string{classic, online, offline}

// activationTypes are the requested types: all where none is named.
func activationTypes(asked []string) ([]string, error) {
	if len(asked) == 0 {
		return allTypes, nil
	}
	for _, a := range asked {
		if !slices.Contains(allTypes, a) {
			return nil, provisioning.Errorf(provisioning.BadInput,
				"there is no activation type %.40q; the types are CLASSIC, ONLINE and OFFLINE", a)
		}
	}
	return asked, nil
}

// The length in bytes that a seed may have which comes with a request.
const (
	minSecret = 10
	maxSecret = 64
)

// decodeSeed decodes a seed in Base32 (RFC 4648), in either case, with or without
// padding.
func decodeSeed(text secret.Text) (secret.Bytes, error) {
	clean := strings.TrimRight(strings.ToUpper(string(text)), "=")
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(clean)
	if err != nil {
		return nil, provisioning.Errorf(provisioning.BadInput, "the secret is not Base32")
	}
	if len(seed) < minSecret || len(seed) > maxSecret {
		return nil, provisioning.Errorf(provisioning.BadInput, "the secret has %d bytes; it needs %d to %d",
			len(seed), minSecret, maxSecret)
	}
	return seed, nil
}

// startActivation begins an activation. Without a body it has all types and a QR code; an
// empty body means all types without one. With the seed of Google's app it also ends the
// activation.
func (d *Dialect) startActivation(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in activateParms
	given, err := readOptional(w, r, &in)
	defer in.Secret.Wipe()
	if err != nil {
		return err
	}
	if !given {
		in.ReturnQRCode = true
	}
	asked, err := activationTypes(in.Type)
	if err != nil {
		return err
	}
	ref, t, err := d.look(r, c, provisioning.OpTokenActivate)
	if err == nil {
		err = softOnly(t, "activated")
	}
	if err != nil {
		return err
	}
	if len(in.Secret) > 0 {
		return d.seed(w, r, c, ref, t, in.Secret)
	}
	code, t, err := d.core.StartActivation(r.Context(), c, ref, 0)
	if err != nil {
		return err
	}
	defer code.Wipe()
	out := activateResult{SerialNumber: t.Serial}
	if slices.Contains(asked, classic) {
		out.ActivationCode, out.ActivationAddress = secret.Text(code), r.Host
	}
	if err := d.enrol(r, c, ref, t, in.ReturnQRCode, &out); err != nil {
		return err
	}
	defer out.ActivationURL.Wipe()
	if slices.Contains(asked, online) {
		out.ActivationOnlineURL = out.ActivationURL // the scheme of apps, which need no server for it
	}
	return httpkit.WriteJSON(w, http.StatusOK, out)
}

// seed activates a token with the seed that its holder's app has.
func (d *Dialect) seed(
	w http.ResponseWriter, r *http.Request, c provisioning.Caller, ref provisioning.TokenRef, t provisioning.Token, text secret.Text,
) error {
	if typeOf(t) != googleToken {
		return errNotGoogle
	}
	seed, err := decodeSeed(text)
	if err != nil {
		return err
	}
	defer seed.Wipe()
	if _, err := d.core.ReseedOTP(r.Context(), c, ref, seed); err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, activateResult{SerialNumber: t.Serial})
}

// errNotGoogle refuses a seed for another type of token.
var errNotGoogle = provisioning.Errorf(provisioning.BadInput, "a secret is for tokens of type %s", googleToken)

// enrol adds the link with the seed while the seed may leave: once, and never after a
// device had it.
func (d *Dialect) enrol(
	r *http.Request, c provisioning.Caller, ref provisioning.TokenRef, t provisioning.Token, qr bool, out *activateResult,
) error {
	if !t.Can(provisioning.OpTokenSeed) {
		return nil
	}
	e, err := d.core.EnrolOTP(r.Context(), c, ref, provisioning.Enrolment{})
	if err != nil {
		return err
	}
	defer e.Seed.Wipe()
	out.ActivationURL = secret.Text(e.URI)
	if qr {
		out.ActivationQRCode = secret.Text(base64.StdEncoding.EncodeToString(e.PNG))
	}
	return nil
}

// completeActivation ends an activation with the code.
func (d *Dialect) completeActivation(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	var in activateCompleteParms
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	defer in.RegistrationCode.Wipe()
	ref, err := ref(r, c)
	if err != nil {
		return err
	}
	if len(in.RegistrationCode) == 0 {
		return provisioning.Errorf(provisioning.BadInput, "registrationCode is missing")
	}
	if _, err := d.core.FinishActivation(r.Context(), c, ref, in.RegistrationCode.Bytes()); err != nil {
		return err
	}
	return empty(w)
}
