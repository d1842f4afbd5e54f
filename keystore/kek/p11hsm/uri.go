package p11hsm

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"vtoken/keystore/kek"
)

// Scheme is the scheme of the URIs.
const Scheme = "pkcs11"

// target is what a URI says. Empty parts fit everything.
type target struct {
	token, manufacturer, model, serial string
	slot                               *uint
	object, id                         string
	class                              string // "private", "secret-key" or empty

	module string // path
	pin    string // path of the file, or empty
}

// parse reads a URI. It fails with [kek.ErrURI].
func parse(uri kek.URI) (target, error) {
	var t target
	if err := t.parsePath(uri.Opaque); err != nil {
		return target{}, fmt.Errorf("%w: %s: %w", kek.ErrURI, uri, err)
	}
	if err := t.parseQuery(uri.Query); err != nil {
		return target{}, fmt.Errorf("%w: %s: %w", kek.ErrURI, uri, err)
	}
	if t.object == "" && t.id == "" {
		return target{}, fmt.Errorf("%w: %s names no key; add object= or id=", kek.ErrURI, uri)
	}
	if t.module == "" {
		return target{}, fmt.Errorf("%w: %s names no module; add ?module-path=/path/of/the/hsm.so", kek.ErrURI, uri)
	}
	return t, nil
}

func (t *target) parsePath(path string) error {
	attrs, err := kek.Attributes(path)
	if err != nil {
		return err
	}
	texts := map[string]*string{
		"token": &t.token, "manufacturer": &t.manufacturer, "model": &t.model, "serial": &t.serial,
		"object": &t.object, "id": &t.id, "type": &t.class,
	}
	for name, escaped := range attrs {
		value, err := url.PathUnescape(escaped)
		if err != nil || value == "" {
			return fmt.Errorf("%s=%s is empty or escaped wrongly", name, escaped)
		}
		if name == "slot-id" {
			n, err := strconv.ParseUint(value, 10, 32)
			if err != nil {
				return fmt.Errorf("slot-id=%s is no number", value)
			}
			slot := uint(n)
			t.slot = &slot
			continue
		}
		to, ok := texts[name]
		if !ok {
			return fmt.Errorf("%s is no part of a KEK URI", name)
		}
		*to = value
	}
	if t.class != "" && t.class != "private" && t.class != "secret-key" {
		return fmt.Errorf("type=%s is no kind of KEK; there are secret-key (AES) and private (RSA)", t.class)
	}
	return nil
}

func (t *target) parseQuery(query string) error {
	if query == "" {
		return nil
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, escaped, _ := strings.Cut(pair, "=")
		value, err := url.PathUnescape(escaped)
		switch {
		case err != nil || value == "":
			return fmt.Errorf("%s is empty or escaped wrongly", name)
		case name == "module-path" && t.module == "":
			t.module = value
		case name == "pin-source" && t.pin == "":
			t.pin = strings.TrimPrefix(strings.TrimPrefix(value, "file:"), "//")
		default:
			return fmt.Errorf("%s after the question mark is not known, or there twice", name)
		}
	}
	return nil
}
