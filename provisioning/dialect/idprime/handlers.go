package idprime

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Headers of the operations that take a password.
const (
	headerPassword      = "X-IDPrimeVirtual-CertificatePassword"
	headerEncrypted     = "X-IDPrimeVirtual-IsPasswordEncrypted"
	headerNewPassword   = "X-IDPrimeVirtual-IsNewPasswordEncrypted"
	formPFX             = "pfxCertificate"
	maxLabel            = 32 // characters
	minUserPIN          = 8  // characters
	maxUserPIN          = 25
	adminPIN            = 48 // hexadecimal digits
	roleUser, roleAdmin = "user", "admin"
)

// exchangeKey is operation 1.
func (d *Dialect) exchangeKey(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	tenant, err := tenantID(r)
	if err != nil {
		return err
	}
	key, err := d.core.ExchangeKey(r.Context(), c, tenant)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, newTenantConfiguration(key))
}

// createToken is operation 2, and 2b for larger keys.
func (d *Dialect) createToken(maxRSABits int) httpkit.Handler {
	return func(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
		tenant, err := tenantID(r)
		if err != nil {
			return err
		}
		t, err := d.core.CreateToken(r.Context(), c, provisioning.NewToken{
			Tenant: tenant, User: r.PathValue("userId"), CreateUser: true, MaxRSABits: maxRSABits,
		})
		if err != nil {
			return err
		}
		httpkit.NoteToken(r, t.Tenant, t.ID)
		return httpkit.WriteJSON(w, http.StatusOK, t.ID)
	}
}

// listTokenIDs is operation 3: the tokens that V1.0 made.
func (d *Dialect) listTokenIDs(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	all, err := d.tokensOf(r, c)
	if err != nil {
		return err
	}
	ids := []record.TokenID{}
	for _, t := range all {
		if t.MaxRSABits == smallRSA {
			ids = append(ids, t.ID)
		}
	}
	return httpkit.WriteJSON(w, http.StatusOK, ids)
}

// listTokens is operation 3b: all tokens, with details.
func (d *Dialect) listTokens(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	all, err := d.tokensOf(r, c)
	if err != nil {
		return err
	}
	list := []tokenDetails{}
	for _, t := range all {
		list = append(list, newTokenDetails(t))
	}
	return httpkit.WriteJSON(w, http.StatusOK, list)
}

func (d *Dialect) tokensOf(r *http.Request, c provisioning.Caller) ([]provisioning.Token, error) {
	tenant, err := tenantID(r)
	if err != nil {
		return nil, err
	}
	user, err := userID(r)
	if err != nil {
		return nil, err
	}
	return d.core.TokensOf(r.Context(), c, tenant, user)
}

// importPFX is operation 4.
func (d *Dialect) importPFX(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	ref, err := tokenRef(r)
	if err != nil {
		return err
	}
	file, err := httpkit.ReadFile(w, r, formPFX, provisioning.MaxPFX)
	if err != nil {
		return err
	}
	password, err := d.password(r, c, ref.Tenant)
	if err != nil {
		return err
	}
	defer password.Wipe()
	result, err := d.core.ImportPFX(r.Context(), c, ref, file, password)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, result.Serials)
}

// password returns the password of a PFX, from its header.
func (d *Dialect) password(r *http.Request, c provisioning.Caller, tenant record.TenantID) (secret.Bytes, error) {
	text := r.Header.Get(headerPassword)
	if text == "" {
		return nil, provisioning.Errorf(provisioning.BadInput,
			"the header %s is missing or empty; send the PFX password in it, a PFX without one is not imported",
			headerPassword)
	}
	encrypted, err := flag(r, headerEncrypted)
	if err != nil {
		return nil, err
	}
	if encrypted {
		return d.core.Decrypt(r.Context(), c, tenant, text)
	}
	return headerText(text), nil
}

// headerText returns the value of a header as UTF-8. HTTP does not define the encoding of
// its bytes: what is not UTF-8 is read as ISO 8859-1.
func headerText(value string) secret.Bytes {
	if utf8.ValidString(value) {
		return secret.Bytes(value)
	}
	text := secret.Bytes{}
	for i := range len(value) {
		text = utf8.AppendRune(text, rune(value[i]))
	}
	return text
}

// certificates is operation 5.
func (d *Dialect) certificates(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	ref, err := tokenRef(r)
	if err != nil {
		return err
	}
	all, err := d.core.Certificates(r.Context(), c, ref)
	if err != nil {
		return err
	}
	list := []tokenCertificate{}
	for _, cert := range all {
		one, err := newTokenCertificate(cert)
		if err != nil {
			return fmt.Errorf("reading certificate %q of token %s: %w", cert.Label, ref.ID, err)
		}
		list = append(list, one)
	}
	return httpkit.WriteJSON(w, http.StatusOK, list)
}

// complete is operation 6. The vendor's document has no condition for it, so a
// token without a user PIN is completed too (DIVERGENCES.md).
func (d *Dialect) complete(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	ref, err := tokenRef(r)
	if err != nil {
		return err
	}
	if _, err := d.core.Complete(r.Context(), c, ref, true); err != nil {
		return err
	}
	return noContent(w)
}

// deleteToken is operation 7.
func (d *Dialect) deleteToken(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	ref, err := tokenRef(r)
	if err != nil {
		return err
	}
	if err := d.core.DeleteToken(r.Context(), c, ref); err != nil {
		return err
	}
	return noContent(w)
}

// setLabel is operation 8.
func (d *Dialect) setLabel(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	ref, err := tokenRef(r)
	if err != nil {
		return err
	}
	rule := provisioning.LabelRule{MaxChars: maxLabel}
	if _, err := d.core.SetLabel(r.Context(), c, ref, r.PathValue("tokenLabel"), rule); err != nil {
		return err
	}
	return noContent(w)
}

// resetPIN is operation 9.
func (d *Dialect) resetPIN(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	ref, err := tokenRef(r)
	if err != nil {
		return err
	}
	role, rule, err := roleOf(r.PathValue("roleName"))
	if err != nil {
		return err
	}
	encrypted, err := flag(r, headerNewPassword)
	if err != nil {
		return err
	}
	newPIN, err := httpkit.ReadSecret(w, r)
	if err != nil {
		return err
	}
	defer newPIN.Wipe()
	if encrypted {
		if newPIN, err = d.core.Decrypt(r.Context(), c, ref.Tenant, string(newPIN)); err != nil {
			return err
		}
		defer newPIN.Wipe()
	}
	if err := d.core.ResetPIN(r.Context(), c, ref, role, newPIN, rule); err != nil {
		return err
	}
	return noContent(w)
}

func tenantID(r *http.Request) (record.TenantID, error) {
	return provisioning.ParseID[record.TenantID]("tenant", r.PathValue("tenantId"))
}

func tokenRef(r *http.Request) (provisioning.TokenRef, error) {
	tenant, err := tenantID(r)
	if err != nil {
		return provisioning.TokenRef{}, err
	}
	user, err := userID(r)
	if err != nil {
		return provisioning.TokenRef{}, err
	}
	id, err := provisioning.ParseID[record.TokenID]("token", r.PathValue("tokenId"))
	return provisioning.TokenRef{Tenant: tenant, User: user, ID: id}, err
}

// userID returns the user in the path. An empty one would mean any user to the core.
func userID(r *http.Request) (string, error) {
	if user := r.PathValue("userId"); user != "" {
		return user, nil
	}
	return "", provisioning.Errorf(provisioning.BadInput, "the user in the path is empty; name the token's user")
}

// roleOf parses a role name and returns what this dialect requires of its PIN.
func roleOf(name string) (pin.Role, provisioning.PINRule, error) {
	switch strings.ToLower(name) {
	case roleUser:
		return pin.User, provisioning.PINRule{MinLen: minUserPIN, MaxLen: maxUserPIN}, nil
	case roleAdmin:
		return pin.SO, provisioning.PINRule{MinLen: adminPIN, MaxLen: adminPIN, Hex: true}, nil
	}
	return 0, provisioning.PINRule{}, provisioning.Errorf(provisioning.RoleNotFound,
		"there is no such role; the roles are User and Admin")
}

// flag parses a header that is true, false or absent.
func flag(r *http.Request, header string) (bool, error) {
	switch strings.ToLower(r.Header.Get(header)) {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	}
	return false, provisioning.Errorf(provisioning.BadInput, "the header %s must be true or false", header)
}

func noContent(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}
