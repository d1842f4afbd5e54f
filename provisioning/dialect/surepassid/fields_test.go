package surepassid

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzFields: no body breaks what reads it, and what is read has the form that its
// reader says.
func FuzzFields(f *testing.F) {
	seeds := []string{
		`{"type": "find_device", "psn": "1", "OtpPin": "0012", "otp1": 12345, "otp2": "012345", "force": "1"}`,
		`{"otp1": "\"", "force": 1.5, "OTPPIN": [], "type": null, "psn": "\ud800"}`, `{"a": 1, "A": 2}`, `null`, `[]`, `{`,
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		in, err := readFields(httptest.NewRecorder(), r)
		defer in.wipe()
		if err != nil {
			return
		}
		for name := range in {
			if name != strings.ToLower(name) {
				t.Fatalf("the name %q is not in lower case", name)
			}
			code, err := in.code(name)
			if err == nil && strings.Trim(string(code.Text), "0123456789") != "" {
				t.Fatalf("%q was read as a one-time password", code.Text)
			}
			pin, err := in.pin(name)
			if err == nil && strings.Trim(string(pin), "0123456789") != "" {
				t.Fatalf("%q was read as a PIN", string(pin))
			}
			_, _ = in.text(name)
			_, _ = in.number(name)
			_, _ = in.secret(name)
		}
	})
}
