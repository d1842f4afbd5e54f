package lint

// The consumers that the rules know. Others that are built on these do as they do.
const (
	java    = "Java"
	openSSH = "OpenSSH"
	nss     = "NSS"
	gnuTLS  = "GnuTLS"
	openSSL = "OpenSSL"
)

// rules are all rules. What Java does, and OpenSSH and GnuTLS do without a public
// key, is that of Debian 12 and tested with it (tests/e2e/testdata/module/lint.txtar).
var rules = [...]Rule{
	{
		Name:    "no-id",
		Problem: "a private key, a public key or the certificate of a key has no CKA_ID, so nobody knows what belongs together",
		Affects: []Effect{
			{java, "does not show the key"},
			{openSSH, "lists the key, and may sign with another one that has no CKA_ID either"},
			{nss, "takes the certificate for one without a key"},
			{gnuTLS, "finds no key for the certificate"},
			{openSSL, "finds the object by its label only"},
		},
		Advice: "give the key, its public key and its certificate one CKA_ID: pkcs11-tool --set-id, or import them again",
		find:   (*inventory).withoutID,
	},
	{
		Name:    "key-without-certificate",
		Problem: "a private key has no certificate with its CKA_ID",
		Affects: []Effect{
			{java, "does not show the key: the key store looks empty"},
			{nss, "offers the key to nobody"},
		},
		Advice: "store the certificate of the key with the same CKA_ID; vtoken token put-cert does",
		find:   (*inventory).keysWithoutCertificate,
	},
	{
		Name:    "key-without-public-key",
		Problem: "a private key has neither a public key nor a certificate with its CKA_ID",
		Affects: []Effect{
			{openSSH, "does not find the key"},
			{gnuTLS, "cannot show the public key"},
		},
		Advice: "store the public key or the certificate of the key with the same CKA_ID",
		find:   (*inventory).keysWithoutPublicKey,
	},
	{
		Name:    "certificate-without-key",
		Problem: "a certificate that is no CA's has no private key with its CKA_ID",
		Affects: []Effect{
			{java, "does not show the certificate, as it is neither a key's nor trusted"},
			{openSSH, "lists its key, and logins with that fail"},
			{nss, "shows it among those of other people"},
			{gnuTLS, "finds no key for it"},
			{openSSL, "finds no key for it"},
		},
		Advice: "give the certificate the CKA_ID of its key, or delete it: pkcs11-tool --delete-object --type cert --id ID",
		find:   (*inventory).certificatesWithoutKey,
	},
	{
		Name:    "shared-private-key-id",
		Problem: "private keys share a CKA_ID",
		Affects: []Effect{
			{java, "shows the key, and refuses to use it"},
			{openSSH, "uses one of them, perhaps the wrong one"},
			{nss, "uses one of them, perhaps the wrong one"},
			{gnuTLS, "uses one of them, perhaps the wrong one"},
			{openSSL, "uses one of them, perhaps the wrong one"},
		},
		Advice: "give each key a CKA_ID of its own: pkcs11-tool --set-id",
		find:   (*inventory).privateKeysThatShareAnID,
	},
	{
		Name:    "shared-certificate-id",
		Problem: "certificates share a CKA_ID, as where a renewed one was stored beside the old one",
		Affects: []Effect{
			{java, "shows the key with one of them, perhaps the old one"},
			{openSSH, "lists the key twice"},
			{gnuTLS, "uses one of them, perhaps the old one"},
			{openSSL, "uses one of them, perhaps the old one"},
		},
		Advice: "delete the old certificate",
		find:   (*inventory).certificatesThatShareAnID,
	},
	{
		Name:    "shared-certificate-label",
		Problem: "certificates share a label",
		Affects: []Effect{
			{java, "opens the key store for reading only, and calls the entries by issuer and serial number"},
			{nss, "shows them under one nickname"},
		},
		Advice: "give each certificate a label of its own",
		find:   (*inventory).certificatesThatShareALabel,
	},
	{
		Name:    "shared-secret-key-label",
		Problem: "secret keys share a label",
		Affects: []Effect{{java, "refuses the key store"}},
		Advice:  "give each secret key a label of its own",
		find:    (*inventory).secretKeysThatShareALabel,
	},
	{
		Name:    "wrong-certificate",
		Problem: "a certificate is for another key than that with its CKA_ID",
		Affects: []Effect{
			{java, "makes signatures that the certificate does not verify"},
			{openSSH, "offers a key with which logins fail"},
			{nss, "makes signatures that the certificate does not verify"},
			{gnuTLS, "refuses the pair, or makes signatures that the certificate does not verify"},
			{openSSL, "refuses the pair; nginx does not start"},
		},
		Advice: "give each the CKA_ID of what belongs to it, or store the right certificate",
		find:   (*inventory).wrongCertificates,
	},
	{
		Name:    "expired-certificate",
		Problem: "a certificate has expired",
		Affects: []Effect{
			{java, "is refused by its peers"},
			{nss, "is refused by its peers, and may not offer the certificate"},
			{gnuTLS, "is refused by its peers"},
			{openSSL, "is refused by its peers"},
		},
		Advice: "renew the certificate: vtoken token csr and vtoken token put-cert; then delete the old one",
		find:   (*inventory).expired,
	},
	{
		Name:    "no-issuer",
		Problem: "the certificate of a key is there without that of its issuer",
		Affects: []Effect{
			{java, "sends the certificate alone, which peers that know only the root refuse"},
			{nss, "sends the certificate alone, unless it knows the issuer"},
			{gnuTLS, "sends the certificate alone"},
		},
		Advice: "store the issuer's certificate too, unless it is a root that all peers have; a PFX or vtoken token put-cert brings the chain",
		find:   (*inventory).withoutIssuer,
	},
}
