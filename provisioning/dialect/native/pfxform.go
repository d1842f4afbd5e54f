package native

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
)

// maxPassword bounds the password of a PFX, in bytes.
const maxPassword = 1024

// readPFX reads a form with the file in the field "pfx" and its password in the
// field "password". The caller wipes the password.
func readPFX(r *request) (file []byte, password api.Secret, err error) {
	mediaType, params, err := mime.ParseMediaType(r.http.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/form-data" || params["boundary"] == "" {
		return nil, nil, provisioning.Errorf(provisioning.BadInput,
			"the body is a form (multipart/form-data) with the fields pfx and password")
	}
	form := multipart.NewReader(r.http.Body, params["boundary"])
	for {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, password, brokenForm(err)
		}
		switch name := part.FormName(); {
		case name == "pfx" && file == nil:
			file, err = readPart(part, provisioning.MaxPFX)
		case name == "password" && password == nil:
			password, err = readPart(part, maxPassword)
		default:
			err = provisioning.Errorf(provisioning.BadInput,
				"the form has the fields pfx and password, once each, and no others")
		}
		if err != nil {
			return nil, password, err
		}
	}
	if len(file) == 0 {
		return nil, password, provisioning.Errorf(provisioning.BadInput, "the form has no PFX in its field pfx")
	}
	return file, password, nil
}

// readPart reads a part of at most most bytes.
func readPart(part *multipart.Part, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(part, most+1))
	if err != nil {
		return nil, brokenForm(err)
	}
	if int64(len(b)) > most {
		return nil, provisioning.Errorf(provisioning.TooLarge, "the field %s has more than %d bytes", part.FormName(), most)
	}
	return b, nil
}

// brokenForm distinguishes a body that is too large from a truncated one.
func brokenForm(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return provisioning.Errorf(provisioning.TooLarge, "the body has more than the %d bytes that are accepted here",
			tooLarge.Limit)
	}
	return provisioning.Errorf(provisioning.BadInput, "the form broke off or is malformed; send it again")
}
