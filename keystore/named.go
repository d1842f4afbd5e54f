package keystore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"vtoken/keystore/kek"
)

// Recipients lie in the clear, so that their URIs are what anybody wrote who can write
// to the data folder. What a URI does outside of it (kek.Reach) happens only where an
// administrator named that URI: in Options.KEKs, or to AddKEK in this run.

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

// trust is how far a URI is obeyed that stands in the store.
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

// candidates are the URIs to try for a recipient: its own, as far as it is obeyed,
// and those of the same scheme that the administrator named. Where there is none, the
// error says what to write into the configuration.
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

// obeys reports whether a URI that stands in the store is used.
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

// errNotNamed is that a KEK is in the store and not in the configuration.
var errNotNamed = errors.New("it stands in the store only, which anybody may have written who can write to the data folder")

func notNamed(uri string) error {
	return fmt.Errorf("%w: %w; where this KEK is yours, write it into the daemon's configuration: %s, or start with --kek", kek.ErrUnavailable, errNotNamed, ConfigurationLine(uri))
}

// ConfigurationLine is what the daemon's configuration says to name a KEK. Where there
// are others, it is one more item of the list.
func ConfigurationLine(uri string) string {
	return "kek: ['" + strings.ReplaceAll(uri, "'", "''") + "']"
}

// toConfigure is the line without which the next start does not use the KEK; empty
// where it does.
func (o Options) toConfigure(uri string) string {
	u, err := kek.Parse(uri)
	if err != nil || slices.Contains(o.KEKs, uri) || u.Reach(o.Dir) == kek.Inside {
		return ""
	}
	return ConfigurationLine(uri)
}
