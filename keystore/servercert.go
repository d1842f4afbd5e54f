package keystore

import (
	"vtoken/keystore/envelope"
	"vtoken/keystore/schema"
	"vtoken/vtoken/secret"
)

// ServerCertificate is the certificate with which the API shows itself, where the daemon
// made one for itself, and its private key.
type ServerCertificate struct {
	// Certificate is PEM.
	Certificate []byte
	// Key is PKCS #8 in PEM. The receiver wipes it.
	Key secret.Bytes
}

type serverCertificateJSON struct {
	Certificate []byte `json:"certificate"`
	Key         []byte `json:"key"`
}

func placeServer() envelope.Place { return place(schema.ID{}, schema.ID{}, 0, fieldServer) }

// ServerCertificate reads the certificate of the API, the zero value where none is kept.
func (tx *Tx) ServerCertificate() (c ServerCertificate, err error) {
	blob, err := tx.get(schema.KeyServer())
	if err != nil || blob == nil {
		return c, err
	}
	var j serverCertificateJSON
	if _, err := openJSON(tx.s.sys.header, blob, placeServer(), &j); err != nil {
		return c, err
	}
	return ServerCertificate{Certificate: j.Certificate, Key: j.Key}, nil
}

// PutServerCertificate stores the certificate of the API in the place of the one before.
func (tx *Tx) PutServerCertificate(c ServerCertificate) error {
	return tx.sealJSON(tx.s.sys.header, schema.KeyServer(), nil, placeServer(), serverCertificateJSON{c.Certificate, c.Key})
}
