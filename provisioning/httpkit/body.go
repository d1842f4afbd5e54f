package httpkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"vtoken/provisioning"
	"vtoken/vtoken/secret"
)

// MaxBody bounds the body of every request whose route has no other bound: a PFX of the
// maximal size in its multipart envelope.
const MaxBody = provisioning.MaxPFX + 64<<10

// maxJSON bounds a JSON body, and maxDepth its nesting.
const (
	maxJSON  = 64 << 10
	maxDepth = 16
)

// JSON configures how a dialect reads JSON bodies. The zero value is for our own API: at
// most 64 KiB, a JSON media type or none, and no unknown fields. Names of fields match in
// either case.
type JSON struct {
	// Max bounds the body, in bytes; 0 is 64 KiB. The route's MaxBody must be at least as
	// large.
	Max int64
	// ExtraFields allows unknown fields.
	ExtraFields bool
	// AnyType ignores the media type.
	AnyType bool
}

// ReadJSON decodes a JSON body into v as the zero [JSON] does.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) error { return JSON{}.Read(w, r, v) }

// Read decodes a JSON body into v: one value, of bounded size and depth.
func (j JSON) Read(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := j.body(w, r)
	if err != nil {
		return err
	}
	defer clear(body) // it may be a PIN
	return j.decode(body, v)
}

// ReadSecret decodes a body that is one JSON string and a secret, such as a PIN. The
// caller wipes it.
func ReadSecret(w http.ResponseWriter, r *http.Request) (secret.Bytes, error) {
	body, err := JSON{}.body(w, r)
	if err != nil {
		return nil, err
	}
	defer clear(body)
	var text string
	if err := (JSON{}).decode(body, &text); err != nil {
		return nil, provisioning.Errorf(provisioning.BadInput, "the body must be one JSON string, in double quotes")
	}
	return secret.Bytes(text), nil
}

func (j JSON) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if t := r.Header.Get("Content-Type"); t != "" && !j.AnyType && !isJSON(t) {
		return nil, &httpError{http.StatusUnsupportedMediaType, "the body must be JSON; send Content-Type: application/json"}
	}
	if j.Max == 0 {
		j.Max = maxJSON
	}
	return readAll(w, r, j.Max)
}

// isJSON accepts application/json, text/json and application/*+json.
func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || t == "text/json" ||
		strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json"))
}

// readAll reads a body of at most limit bytes. It refuses a body with a larger
// Content-Length before it reads it.
func readAll(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	return body, explainRead(err, limit)
}

func tooLarge(limit int64) error {
	return provisioning.Errorf(provisioning.TooLarge, "the body is larger than the %d bytes that are accepted here", limit)
}

// explainRead distinguishes a body that is too large from one that is truncated or
// malformed.
func explainRead(err error, limit int64) error {
	var max *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &max):
		return tooLarge(limit)
	}
	return provisioning.Errorf(provisioning.BadInput, "the body is truncated or malformed; send it again")
}

func (j JSON) decode(body []byte, v any) error {
	if err := checkDepth(body); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if !j.ExtraFields {
		d.DisallowUnknownFields()
	}
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			return provisioning.Errorf(provisioning.BadInput, "the body has something after its JSON value; send one value")
		}
		return nil
	}
	return explainJSON(err)
}

// explainJSON says what is wrong with a body without quoting it.
func explainJSON(err error) error {
	var wrongType *json.UnmarshalTypeError
	const unknown = "json: unknown field " // encoding/json has no type for this error
	switch {
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return provisioning.Errorf(provisioning.BadInput, "the field %q cannot be a %s; it is a %s",
			wrongType.Field, wrongType.Value, wrongType.Type)
	case strings.HasPrefix(err.Error(), unknown):
		return provisioning.Errorf(provisioning.BadInput, "there is no field %.64s here; leave it out",
			strings.TrimPrefix(err.Error(), unknown))
	case errors.Is(err, io.EOF):
		return provisioning.Errorf(provisioning.BadInput, "the body is empty; send JSON")
	}
	return provisioning.Errorf(provisioning.BadInput,
		"the body is not the JSON that is expected here; check it against the API's document under /docs")
}

// checkDepth refuses deep nesting before anything is decoded.
func checkDepth(body []byte) error {
	depth, text, escaped := 0, false, false
	for _, b := range body {
		switch {
		case escaped:
			escaped = false
		case text && b == '\\':
			escaped = true
		case b == '"':
			text = !text
		case text:
		case b == '[' || b == '{':
			if depth++; depth > maxDepth {
				return provisioning.Errorf(provisioning.BadInput, "the body is nested more than %d deep", maxDepth)
			}
		case b == ']' || b == '}':
			depth--
		}
	}
	return nil
}

// ReadFile reads the file in the named field of a multipart form, of at most limit bytes.
// It ignores all other fields.
func ReadFile(w http.ResponseWriter, r *http.Request, field string, limit int64) ([]byte, error) {
	whole := limit + 64<<10 // the envelope
	if r.ContentLength > whole {
		return nil, tooLarge(limit)
	}
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/form-data" || params["boundary"] == "" {
		return nil, provisioning.Errorf(provisioning.BadInput,
			"the body must be multipart/form-data with the file in its field %q", field)
	}
	form := multipart.NewReader(http.MaxBytesReader(w, r.Body, whole), params["boundary"])
	for range maxParts {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, explainRead(err, limit)
		}
		if part.FormName() != field {
			continue
		}
		file, err := io.ReadAll(io.LimitReader(part, limit+1))
		switch {
		case err != nil:
			return nil, explainRead(err, limit)
		case int64(len(file)) > limit:
			return nil, tooLarge(limit)
		case len(file) == 0:
			return nil, provisioning.Errorf(provisioning.BadInput, "the file in the field %q is empty", field)
		}
		return file, nil
	}
	return nil, provisioning.Errorf(provisioning.BadInput, "the form has no field %q with the file in it; add one", field)
}

// maxParts bounds the parts of a form that are read.
const maxParts = 16
