package keystore

import (
	"encoding/json"
	"errors"
	"time"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kek"
	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// generation is the age of the store, which the guard compares with a counter outside of the
// store.
type generation struct {
	// URI is the recipient whose KEK has the counter; empty is none.
	URI string `json:"uri,omitempty"`
	// Name is the counter's (kek.Counter). It is secret.
	Name []byte `json:"name,omitempty"`
	// Number is the value of the counter, or one more while an increment is under
	// way.
	Number uint64 `json:"number,omitempty"`
	// Adopt is set if an administrator accepted the store while the counter did not answer.
	// The store takes over its value when it does.
	Adopt bool `json:"adopt,omitempty"`
	// Accepted is when an administrator last accepted an older store.
	Accepted time.Time `json:"accepted,omitzero"`
}

func placeGeneration() envelope.Place {
	return place(schema.ID{}, schema.ID{}, 0, fieldGeneration)
}

// generation reads the generation, the zero value where there is none.
func (tx *Tx) generation() (g generation, err error) {
	blob, err := tx.get(schema.KeyGeneration())
	if err != nil || blob == nil {
		return g, err
	}
	if _, err := openJSON(tx.s.sys.header, blob, placeGeneration(), &g); err != nil {
		return g, err
	}
	if len(g.Name) > kek.MaxCounter {
		return g, tampered("the name of the counter has %d bytes", len(g.Name))
	}
	return g, nil
}

func (tx *Tx) putGeneration(g generation) error {
	plain, err := json.Marshal(g)
	if err != nil {
		return err
	}
	defer secret.Bytes(plain).Wipe()
	return tx.seal(tx.s.sys.header, schema.KeyGeneration(), nil, placeGeneration(), plain)
}

// urgency is how soon an update must be counted.
type urgency byte

const (
	atLeisure urgency = iota // within the hour, or at the next start
	promptly                 // before it returns, if the counter can be asked
	strictly                 // before it returns, or it fails
)

// count has the update counted before it returns, and charges an owner.
func (tx *Tx) count(u urgency, by owner) {
	if u > tx.urgent {
		tx.urgent, tx.owner = u, by
	}
}

// tokenOwner returns who pays for a change of a token: its holder, or the token itself if it
// has none or several. The tenant pays for changes through the API.
func (tx *Tx) tokenOwner(t *record.Token) owner {
	switch {
	case tx.api:
		return tenantOwner(t.Tenant)
	case len(t.Holders) == 1:
		return owner{kind: byUser, id: string(t.Holders[0].User), token: t.ID}
	}
	return owner{kind: byToken, id: string(t.ID), token: t.ID}
}

// codesOwner pays for one-time passwords and activation codes. A tenant may use many of them,
// so they have a budget apart from the tenant's other changes.
func codesOwner(id record.TenantID) owner { return owner{kind: byCodes, id: string(id)} }

// objectsOwner pays for the objects of a token.
func objectsOwner(id record.TokenID) owner { return owner{kind: byObjects, id: string(id)} }

func tenantOwner(id record.TenantID) owner { return owner{kind: byTenant, id: string(id)} }

// demand is what an update asks of the counter.
type demand struct {
	urgency urgency
	owner   owner
}

// counting says what an update does about the counter.
type counting struct {
	number uint64 // the generation that its commit begins, or 0
	off    bool   // the counter cannot be asked, and it is committed anyway
}

// errUncounted ends an update that must run again in a round of the counter.
var errUncounted = errors.New("the update must be counted")

// counted is called when the function of an update is done. It begins the
// generation, or ends the update with errUncounted and says how urgent it is.
func (tx *Tx) counted(c counting) (demand, error) {
	switch {
	case tx.s.guard.Load() == nil || c.off:
		return demand{}, nil
	case c.number == 0 && tx.urgent == atLeisure:
		return demand{}, nil
	case c.number == 0:
		return demand{tx.urgent, tx.owner}, errUncounted
	}
	// In a round every commit writes the generation, also where the update finds
	// nothing urgent any more: the counter is incremented after it.
	g, err := tx.generation()
	if err != nil || g.Number >= c.number {
		return demand{}, err
	}
	g.Number = c.number
	return demand{}, tx.putGeneration(g)
}
