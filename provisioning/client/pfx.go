package client

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"

	"vtoken/provisioning/api"
)

// pfxForm is a PFX file and its password.
type pfxForm struct {
	file     []byte
	password api.Secret
}

// encode makes the form of both.
func (p pfxForm) encode() (body, error) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	file, err := form.CreateFormFile("pfx", "pfx")
	if err != nil {
		return body{}, err
	}
	if _, err := file.Write(p.file); err != nil {
		return body{}, err
	}
	if err := form.WriteField("password", string(p.password)); err != nil {
		return body{}, err
	}
	if err := form.Close(); err != nil {
		return body{}, err
	}
	return body{form.FormDataContentType(), b.Bytes()}, nil
}

// ImportPFX stores the key and the certificates of a PFX file (PKCS #12,
// RFC 7292), all or nothing. The caller keeps password and wipes it.
func (c *Client) ImportPFX(ctx context.Context, id string, file []byte, password api.Secret) (*api.Imported, error) {
	return send[api.Imported](ctx, c, "import into the token "+id,
		http.MethodPost, path("tokens", id, "pfx"), pfxForm{file, password})
}
