package idprime

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
)

// formCertificate is the field of operation 11 with the certificate in it.
const formCertificate = "signedCertificate"

// csrTemplate is CSRTemplateInfo, the body of operation 10.
type csrTemplate struct {
	GenerateKeyPairAlgorithm string   `json:"generateKeyPairAlgorithm"`
	SignAlgorithm            string   `json:"signAlgorithm"`
	SubjectDistinguishedName string   `json:"subjectDistinguishedName"`
	KeyUsage                 []int    `json:"keyUsage"`
	ExtendedKeyUsage         []string `json:"extendedKeyUsage"`
	SubjectAlternativeName   string   `json:"subjectAlternativeName"`
	RSAKeySize               string   `json:"rsaKeySize"`
}

// rsaEncryption is the only algorithm of keys.
const rsaEncryption = "1.2.840.113549.1.1.1"

// signAlgorithms are the signature algorithms of requests by OID. The vendor lists the
// first and, for one kind of HSM, the last.
var signAlgorithms = map[string]x509.SignatureAlgorithm{
	"1.2.840.113549.1.1.11": x509.SHA256WithRSA,
	"1.2.840.113549.1.1.12": x509.SHA384WithRSA,
	"1.2.840.113549.1.1.13": x509.SHA512WithRSA,
	"1.2.840.113549.1.1.5":  x509.SHA1WithRSA,
}

// keyUsages are the numbers of key usages, which are those of .NET's X509KeyUsageFlags,
// without signing certificates (4) and revocation lists (2).
var keyUsages = map[int]x509.KeyUsage{
	128:   x509.KeyUsageDigitalSignature,
	64:    x509.KeyUsageContentCommitment,
	32:    x509.KeyUsageKeyEncipherment,
	16:    x509.KeyUsageDataEncipherment,
	8:     x509.KeyUsageKeyAgreement,
	1:     x509.KeyUsageEncipherOnly,
	32768: x509.KeyUsageDecipherOnly,
}

// extendedKeyUsages are the ones that can be requested.
var extendedKeyUsages = map[string]asn1.ObjectIdentifier{
	"1.3.6.1.5.5.7.3.1":      {1, 3, 6, 1, 5, 5, 7, 3, 1}, // server authentication
	"1.3.6.1.5.5.7.3.2":      {1, 3, 6, 1, 5, 5, 7, 3, 2}, // client authentication
	"1.3.6.1.5.5.7.3.3":      {1, 3, 6, 1, 5, 5, 7, 3, 3}, // code signing
	"1.3.6.1.5.5.7.3.4":      {1, 3, 6, 1, 5, 5, 7, 3, 4}, // e-mail protection
	"1.3.6.1.5.5.7.3.5":      {1, 3, 6, 1, 5, 5, 7, 3, 5}, // IPsec end system
	"1.3.6.1.5.5.7.3.6":      {1, 3, 6, 1, 5, 5, 7, 3, 6}, // IPsec tunnel
	"1.3.6.1.5.5.7.3.7":      {1, 3, 6, 1, 5, 5, 7, 3, 7}, // IPsec user
	"1.3.6.1.5.5.7.3.8":      {1, 3, 6, 1, 5, 5, 7, 3, 8}, // time stamping
	"1.3.6.1.5.5.7.3.9":      {1, 3, 6, 1, 5, 5, 7, 3, 9}, // OCSP signing
	"1.3.6.1.1.1.1.22":       {1, 3, 6, 1, 1, 1, 1, 22},   // MAC address
	"1.3.6.1.4.1.311.20.2.2": {1, 3, 6, 1, 4, 1, 311, 20, 2, 2},
}

// keySizes are the values of rsaKeySize; the default is the smallest.
var keySizes = map[string]int{"": 2048, "2048": 2048, "3072": 3072, "4096": 4096}

// request converts the body to a request for the core.
func (t *csrTemplate) request() (provisioning.NewCSR, error) {
	n := provisioning.NewCSR{Subject: t.SubjectDistinguishedName}
	var ok bool
	if t.GenerateKeyPairAlgorithm != "" && t.GenerateKeyPairAlgorithm != rsaEncryption {
		return n, provisioning.Errorf(provisioning.NotSupported,
			"generateKeyPairAlgorithm must be %s: only RSA keys are made here", rsaEncryption)
	}
	if n.RSABits, ok = keySizes[t.RSAKeySize]; !ok {
		return n, provisioning.Errorf(provisioning.BadInput, `rsaKeySize must be "2048", "3072" or "4096"`)
	}
	if n.Signature, ok = signAlgorithms[t.SignAlgorithm]; !ok && t.SignAlgorithm != "" {
		return n, provisioning.Errorf(provisioning.NotSupported,
			"this signAlgorithm is not known; use 1.2.840.113549.1.1.11 (SHA-256 with RSA)")
	}
	for _, usage := range t.KeyUsage {
		flag, ok := keyUsages[usage]
		if !ok {
			return n, provisioning.Errorf(provisioning.BadInput,
				"there is no keyUsage %d; it is some of 1, 8, 16, 32, 64, 128 and 32768", usage)
		}
		n.KeyUsage |= flag
	}
	for _, usage := range t.ExtendedKeyUsage {
		oid, ok := extendedKeyUsages[usage]
		if !ok {
			return n, provisioning.Errorf(provisioning.BadInput,
				"there is no extendedKeyUsage %.40q here; see the API's document for those that there are", usage)
		}
		if !slices.ContainsFunc(n.ExtKeyUsage, oid.Equal) {
			n.ExtKeyUsage = append(n.ExtKeyUsage, oid)
		}
	}
	var err error
	n.Emails, n.UPNs, err = altNames(t.SubjectAlternativeName)
	return n, err
}

// altNames parses subjectAlternativeName: parts such as email:john@example.com and
// otherName:msUPN;UTF8:john@example.com, separated by commas. As the vendor says, other
// otherNames and other formats are ignored.
func altNames(text string) (emails, upns []string, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		kind, value, _ := strings.Cut(strings.TrimSpace(part), ":")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "email":
			emails = append(emails, strings.TrimSpace(value))
		case "othername":
			name, rest, _ := strings.Cut(value, ";")
			format, upn, ok := strings.Cut(rest, ":")
			if ok && strings.EqualFold(strings.TrimSpace(name), "msUPN") && strings.EqualFold(strings.TrimSpace(format), "UTF8") {
				upns = append(upns, strings.TrimSpace(upn))
			}
		default:
			return nil, nil, provisioning.Errorf(provisioning.BadInput,
				"subjectAlternativeName is parts such as email:john@example.com and otherName:msUPN;UTF8:john@example.com, with commas between")
		}
	}
	return emails, upns, nil
}

// signingRequest is CertificateSigningRequest, the answer of operation 10. The
// names are ours (DIVERGENCES.md).
type signingRequest struct {
	Key keyObject `json:"key"`
	CSR string    `json:"certificateSigningRequest"` // PKCS#10 in PEM
}

// keyObject is the key of a certificate request.
type keyObject struct {
	KeyID     string    `json:"keyId"` // for operation 11
	KeyType   string    `json:"keyType"`
	KeySize   int       `json:"keySize"` // bits
	CreatedOn time.Time `json:"createdOn"`
	ExpiresOn time.Time `json:"expiresOn"` // when the key is deleted if no certificate came
}

// generateCSR is operation 10.
func (d *Dialect) generateCSR(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	tenant, err := tenantID(r)
	if err != nil {
		return err
	}
	user, err := userID(r)
	if err != nil {
		return err
	}
	var template csrTemplate
	if err := httpkit.ReadJSON(w, r, &template); err != nil {
		return err
	}
	n, err := template.request()
	if err != nil {
		return err
	}
	made, err := d.core.GenerateCSR(r.Context(), c, tenant, user, n)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, signingRequest{
		Key: keyObject{
			KeyID: string(made.Key.ID), KeyType: made.Key.Algorithm, KeySize: made.Key.Bits,
			CreatedOn: made.Key.CreatedAt.UTC(), ExpiresOn: made.Key.ExpiresAt.UTC(),
		},
		CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: made.DER})),
	})
}

// storeCertificate is operation 11.
func (d *Dialect) storeCertificate(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	ref, err := tokenRef(r)
	if err != nil {
		return err
	}
	key, err := provisioning.ParseID[record.KeyID]("key", r.PathValue("keyId"))
	if err != nil {
		return err
	}
	file, err := httpkit.ReadFile(w, r, formCertificate, provisioning.MaxCertificates)
	if err != nil {
		return err
	}
	if _, err := d.core.StoreCertificate(r.Context(), c, ref, key, file); err != nil {
		return err
	}
	return noContent(w)
}

// expiry parses the expiry of a new API key in the query; zero is never.
func expiry(r *http.Request) (time.Time, error) {
	values, given := r.URL.Query()["expiresAt"]
	if !given {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, values[0])
	if err != nil || len(values) > 1 {
		return time.Time{}, provisioning.Errorf(provisioning.BadInput, "expiresAt must be one time such as %s",
			strconv.Quote("2030-01-31T00:00:00Z"))
	}
	return at, nil
}
