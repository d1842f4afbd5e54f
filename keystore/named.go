package keystore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"vtoken/keystore/kek"
)

// Recipients are stored in the clear, so anyone who can write to the data folder can write
// their URIs. The store uses a URI that reaches outside of the data folder (kek.Reach) only if
// an administrator named it: in Options.KEKs, or to AddKEK in this run.

// added are the URIs that administrators gave to AddKEK in this run. It is safe for
// concurrent use; nil has none.
type added struct {
	mu   sync.Mutex
	uris map[string]struct{}
}

func (a *added) note(uri string) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.uris == nil {
		a.uris = map[string]struct{}{}
	}
	a.uris[uri] = struct{}{}
}

func (a *added) has(uri string) bool {
	if a == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.uris[uri]
	return ok
}

// named reports whether an administrator named the URI.
func (o Options) named(uri string) bool { return slices.Contains(o.KEKs, uri) || o.added.has(uri) }

// trust is how far the store obeys a URI that it read from its file.
type trust int

const (
	// obeyQuiet is for a store that is not open yet: kek.Inside.
	obeyQuiet trust = iota
	// obeyNothing is for a backup.
	obeyNothing
	// obeyReading is for a store that is open and authenticated: kek.Reads.
	obeyReading
	// obeySealed is for a URI that was sealed, which nobody wrote without the root key.
	obeySealed
)

// candidates returns the URIs to try for a recipient: its own, if t allows it, and those of the
// same scheme that the administrator named. If there are none, the error says what to add to
// the configuration.
func (o Options) candidates(r recipient, t trust) (list []string, err error) {
	own, err := kek.Parse(r.URI)
	if err != nil {
		return nil, err
	}
	if o.obeys(own, t) {
		list = append(list, r.URI)
	}
	for _, text := range o.KEKs {
		if u, err := kek.Parse(text); err == nil && u.Scheme == own.Scheme && text != r.URI {
			list = append(list, text)
		}
	}
	if len(list) == 0 {
		return nil, notNamed(r.URI)
	}
	return list, nil
}

// obeys reports whether the store uses a URI that it read from its file.
func (o Options) obeys(own kek.URI, t trust) bool {
	switch {
	case t == obeySealed, o.named(own.String()):
		return true
	case t == obeyNothing, own.Reach(o.Dir) == kek.Acts:
		return false
	case t == obeyQuiet && own.Reach(o.Dir) == kek.Reads:
		return false
	}
	return own.TakesSecret() || !o.demandsSecret(own.Scheme)
}

// demandsSecret reports whether the administrator named a KEK of the scheme that asks
// for a secret: one without does not stand in for it.
func (o Options) demandsSecret(scheme string) bool {
	return slices.ContainsFunc(o.KEKs, func(text string) bool {
		u, err := kek.Parse(text)
		return err == nil && u.Scheme == scheme && u.TakesSecret()
	})
}

// errNotNamed is returned for a KEK that only the store names.
var errNotNamed = errors.New("only the store names it, and anyone who can write to the data folder could have put it there")

func notNamed(uri string) error {
	return fmt.Errorf("%w: %w; if this KEK is yours, add it to the daemon's configuration: %s, or start with --kek", kek.ErrUnavailable, errNotNamed, ConfigurationLine(uri))
}

// ConfigurationLine returns the line of the daemon's configuration that names a KEK. If the
// configuration names others, it is one more item of their list.
func ConfigurationLine(uri string) string {
	return "kek: ['" + strings.ReplaceAll(uri, "'", "''") + "']"
}

// toConfigure returns the line that the next start needs in the configuration to use the KEK,
// empty if it needs none.
func (o Options) toConfigure(uri string) string {
	u, err := kek.Parse(uri)
	if err != nil || slices.Contains(o.KEKs, uri) || u.Reach(o.Dir) == kek.Inside {
		return ""
	}
	return ConfigurationLine(uri)
}
