package provisioning

import "vtoken/vtoken/object"

// lintRule is something that applications stumble over.
type lintRule struct {
	name, problem string
	affects       []Effect
	advice        string
	// find returns the objects of each finding.
	find func(*linted) [][]*object.Object
}

// The consumers that the rules know. Others that are built on these do as they do.
const (
	java    = "Java"
	openSSH = "OpenSSH"
	nss     = "NSS"
	gnuTLS  = "GnuTLS"
	openSSL = "OpenSSL"
)

// lintRules are all rules. What Java does, and OpenSSH and GnuTLS do without a public
// key, is that of Debian 12 and tested with it (tests/e2e/testdata/module/lint.txtar).
var lintRules = [...]lintRule{
	{
		name:    "no-id",
		problem: "a private key, a public key or the certificate of a key has no CKA_ID, so nobody knows what belongs together",
		affects: []Effect{
			{java, "does not show the key"},
			{openSSH, "lists the key, and may sign with another one that has no CKA_ID either"},
			{nss, "takes the certificate for one without a key"},
			{gnuTLS, "finds no key for the certificate"},
			{openSSL, "finds the object by its label only"},
		},
		advice: "give the key, its public key and its certificate one CKA_ID: pkcs11-tool --set-id, or import them anew",
		find:   (*linted).withoutID,
	},
	{
		name:    "key-without-certificate",
		problem: "a private key has no certificate with its CKA_ID",
		affects: []Effect{
			{java, "does not show the key: the key store looks empty"},
			{nss, "offers the key to nobody"},
		},
		advice: "store the certificate of the key with the same CKA_ID; vtoken token put-cert does",
		find:   (*linted).keysWithoutCertificate,
	},
	{
		name:    "key-without-public-key",
		problem: "a private key has neither a public key nor a certificate with its CKA_ID",
		affects: []Effect{
			{openSSH, "does not find the key"},
			{gnuTLS, "cannot show the public key"},
		},
		advice: "store the public key or the certificate of the key with the same CKA_ID",
		find:   (*linted).keysWithoutPublicKey,
	},
	{
		name:    "certificate-without-key",
		problem: "a certificate that is no CA's has no private key with its CKA_ID",
		affects: []Effect{
			{java, "does not show the certificate, as it is neither a key's nor trusted"},
			{openSSH, "lists its key, and logins with that fail"},
			{nss, "shows it among those of other people"},
			{gnuTLS, "finds no key for it"},
			{openSSL, "finds no key for it"},
		},
		advice: "give the certificate the CKA_ID of its key, or delete it: pkcs11-tool --delete-object --type cert --id ID",
		find:   (*linted).certificatesWithoutKey,
	},
	{
		name:    "shared-private-key-id",
		problem: "private keys share a CKA_ID",
		affects: []Effect{
			{java, "shows the key, and refuses to use it"},
			{openSSH, "uses one of them, perhaps the wrong one"},
			{nss, "uses one of them, perhaps the wrong one"},
			{gnuTLS, "uses one of them, perhaps the wrong one"},
			{openSSL, "uses one of them, perhaps the wrong one"},
		},
		advice: "give each key a CKA_ID of its own: pkcs11-tool --set-id",
		find:   (*linted).privateKeysThatShareAnID,
	},
	{
		name:    "shared-certificate-id",
		problem: "certificates share a CKA_ID, as where a renewed one was stored beside the old one",
		affects: []Effect{
			{java, "shows the key with one of them, perhaps the old one"},
			{openSSH, "lists the key twice"},
			{gnuTLS, "uses one of them, perhaps the old one"},
			{openSSL, "uses one of them, perhaps the old one"},
		},
		advice: "delete the old certificate",
		find:   (*linted).certificatesThatShareAnID,
	},
	{
		name:    "shared-certificate-label",
		problem: "certificates share a label",
		affects: []Effect{
			{java, "opens the key store for reading only, and calls the entries by issuer and serial number"},
			{nss, "shows them under one nickname"},
		},
		advice: "give each certificate a label of its own",
		find:   (*linted).certificatesThatShareALabel,
	},
	{
		name:    "shared-secret-key-label",
		problem: "secret keys share a label",
		affects: []Effect{{java, "refuses the key store"}},
		advice:  "give each secret key a label of its own",
		find:    (*linted).secretKeysThatShareALabel,
	},
	{
		name:    "wrong-certificate",
		problem: "a certificate is for another key than that with its CKA_ID",
		affects: []Effect{
			{java, "makes signatures that the certificate does not verify"},
			{openSSH, "offers a key with which logins fail"},
			{nss, "makes signatures that the certificate does not verify"},
			{gnuTLS, "refuses the pair, or makes signatures that the certificate does not verify"},
			{openSSL, "refuses the pair; nginx does not start"},
		},
		advice: "give each the CKA_ID of what belongs to it, or store the right certificate",
		find:   (*linted).wrongCertificates,
	},
	{
		name:    "expired-certificate",
		problem: "a certificate has expired",
		affects: []Effect{
			{java, "is refused by its peers"},
			{nss, "is refused by its peers, and may not offer the certificate"},
			{gnuTLS, "is refused by its peers"},
			{openSSL, "is refused by its peers"},
		},
		advice: "renew the certificate: vtoken token csr and vtoken token put-cert; then delete the old one",
		find:   (*linted).expired,
	},
	{
		name:    "no-issuer",
		problem: "the certificate of a key is there without that of its issuer",
		affects: []Effect{
			{java, "sends the certificate alone, which peers that know only the root refuse"},
			{nss, "sends the certificate alone, unless it knows the issuer"},
			{gnuTLS, "sends the certificate alone"},
		},
		advice: "store the issuer's certificate too, unless it is a root that all peers have; a PFX or vtoken token put-cert brings the chain",
		find:   (*linted).withoutIssuer,
	},
}
