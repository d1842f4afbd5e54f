package keystore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kek"
	"vtoken/keystore/kek/passphrase"
	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
	"vtoken/vtoken/secret"
)

// maxRecipients bounds how many KEKs a store has.
const maxRecipients = 64

// recipient is a KEK that opens the store. It is stored in the clear, because
// it is read before there is a key; the header's sum covers it.
type recipient struct {
	ID      schema.ID `json:"-"`
	URI     string    `json:"uri"`
	Wrapped []byte    `json:"wrapped"` // the root key
	Created time.Time `json:"created"`
}

func (r recipient) encode() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic("encode a recipient: " + err.Error()) // strings, bytes and a time always encode
	}
	return b
}

// readRecipients reads all recipients of a store, in the order of their ids.
func readRecipients(rd kv.Reader) (list []recipient, err error) {
	err = rd.Scan([]byte{schema.PrefixRecipient}, nil, func(key, value []byte) error {
		r, err := parseRecipient(key, value)
		if err != nil {
			return err
		}
		if len(list) == maxRecipients {
			return tampered("there are more than %d recipients", maxRecipients)
		}
		list = append(list, r)
		return nil
	})
	return list, err
}

func parseRecipient(key, value []byte) (r recipient, err error) {
	id, ok := schema.RecordID(key)
	if !ok || len(value) > 4*kek.MaxWrapped {
		return r, tampered("a recipient has a key of %d bytes and %d bytes", len(key), len(value))
	}
	if err := json.Unmarshal(value, &r); err != nil {
		return r, tampered("recipient %x does not read: %w", id, err)
	}
	r.ID = id
	return r, nil
}

// wrapRoot makes one recipient for each KEK URI.
func wrapRoot(ctx context.Context, o Options, uris []string, root secret.Bytes) (list []recipient, err error) {
	for _, uri := range uris {
		if _, err := kek.Parse(uri); err != nil {
			return nil, err
		}
		wrapped, err := wrapUnder(ctx, o, uri, root, firstUse{create: true})
		if err != nil {
			return nil, fmt.Errorf("wrap the root key under %s: %w", uri, err)
		}
		list = append(list, recipient{newID(), uri, wrapped, time.Now().UTC()})
	}
	return list, nil
}

// firstUse says what a provider may make where it is missing, and whether it is
// opened to count only.
// before is what was wrapped under the KEK until now.
type firstUse struct {
	create, generate, count bool
	before                  []byte
}

// wrapUnder wraps the root key, and unwraps it again: a later failure would be too late.
func wrapUnder(ctx context.Context, o Options, uri string, root secret.Bytes, first firstUse) (wrapped []byte, err error) {
	p, err := openProvider(ctx, o, uri, first)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if wrapped, err = p.Wrap(ctx, root); err != nil {
		return nil, err
	}
	again, err := p.Unwrap(ctx, wrapped)
	if err != nil {
		return nil, fmt.Errorf("unwrap what was just wrapped: %w", err)
	}
	defer again.Wipe()
	if !again.Equal(root) {
		return nil, fmt.Errorf("%w: it unwraps to another key than was wrapped", kek.ErrUnavailable)
	}
	return wrapped, nil
}

// recovery reports whether the recipient is one that a person can open when
// machine, TPM and HSM are gone.
func (r recipient) recovery() bool { return strings.HasPrefix(r.URI, passphrase.Scheme+":") }

// inOrder sorts the recovery recipients last: their files are usually locked away, and are not
// needed while another KEK opens the store.
func inOrder(list []recipient) []recipient {
	return slices.SortedStableFunc(slices.Values(list), func(a, b recipient) int {
		return cmp.Compare(btoi(a.recovery()), btoi(b.recovery()))
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// unwrapRoot asks one recipient after the other for the root key. It fails with
// [ErrNoKEK].
func unwrapRoot(ctx context.Context, o Options, recipients []recipient) (*envelope.Key, error) {
	if o.Root != nil {
		o.Log.Info("opened the store", "kek", "none: the root key is that of the daemon before")
		return envelope.NewKey(o.Root)
	}
	failed := new(NoKEKError)
	for _, a := range inTurn(o, recipients) {
		err := a.err
		var root secret.Bytes
		if err == nil {
			root, err = unwrapUnder(ctx, o, a.uri, a.Wrapped)
		}
		o.tries.note(a.ID, err)
		if err != nil {
			failed.Reasons = append(failed.Reasons, RecipientError{a.uri, err})
			continue
		}
		for _, f := range failed.Reasons {
			o.Log.Warn("a KEK did not open the store; another KEK did", "kek", f.URI, "reason", f.Err)
		}
		o.Log.Info("opened the store", "kek", a.uri)
		defer root.Wipe()
		return envelope.NewKey(root)
	}
	return nil, failed
}

// candidate is a recipient with a URI to try, or the reason why there is none.
type candidate struct {
	recipient
	uri string
	err error
}

// inTurn returns all candidates in the order in which they are tried: those that stay within the
// data folder and the machine first, recovery recipients last.
func inTurn(o Options, recipients []recipient) (list []candidate) {
	for _, r := range recipients {
		uris, err := o.candidates(r, o.trust)
		if err != nil {
			list = append(list, candidate{r, r.URI, err})
		}
		for _, uri := range uris {
			list = append(list, candidate{r, uri, nil})
		}
	}
	late := func(a candidate) int {
		u, err := kek.Parse(a.uri)
		return 2*btoi(a.recovery()) + btoi(err != nil || u.Reach(o.Dir) > kek.Inside)
	}
	return slices.SortedStableFunc(slices.Values(list), func(a, b candidate) int { return cmp.Compare(late(a), late(b)) })
}

func unwrapUnder(ctx context.Context, o Options, uri string, wrapped []byte) (root secret.Bytes, err error) {
	p, err := openProvider(ctx, o, uri, firstUse{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if root, err = p.Unwrap(ctx, wrapped); err != nil {
		return nil, err
	}
	if len(root) != envelope.KeySize {
		return nil, fmt.Errorf("%w: it gives a root key of %d bytes", kek.ErrWrongKey, len(root))
	}
	return root, nil
}
