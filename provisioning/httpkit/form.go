package httpkit

import (
	"mime"
	"net/http"
	"net/url"

	"vtoken/provisioning"
)

// ReadForm reads an application/x-www-form-urlencoded body of at most 64 KiB. It does not
// include the URL's query.
func ReadForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || t != "application/x-www-form-urlencoded" {
		return nil, &httpError{http.StatusUnsupportedMediaType, "the body must be a form; send Content-Type: application/x-www-form-urlencoded"}
	}
	body, err := readAll(w, r, maxJSON)
	if err != nil {
		return nil, err
	}
	defer clear(body)
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, provisioning.Errorf(provisioning.BadInput, "the form is malformed; check how its values are encoded")
	}
	return form, nil
}
