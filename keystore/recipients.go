package keystore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"vtoken/keystore/kek"
	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// ErrKEK is returned for a change of the KEKs after which none would open the store, and for
// one while another change is under way.
var ErrKEK = errors.New("the KEKs cannot be changed this way")

// KEK is a recipient as an administrator sees it.
type KEK struct {
	ID      string
	URI     string
	Created time.Time
	// Recovery is set for a passphrase, which opens the store anywhere.
	Recovery bool
	// Configure is the line that the daemon's configuration needs so that the next start
	// uses the KEK; empty if it needs none.
	Configure string
	// Status is what the provider says, where Err is nil.
	Status kek.Status
	// OtherCounters names the counters in the KEK's hardware that the store does not use.
	OtherCounters []string
	// Err is why the KEK does not open the store now. It is expected for a recovery KEK
	// whose file is locked away.
	Err error
}

const (
	// probeTime bounds how long the state of all KEKs is waited for.
	probeTime = 20 * time.Second
	// probesAtOnce bounds how many are tried at the same time: a passphrase takes
	// 64 MiB for it.
	probesAtOnce = 4
)

// KEKs lists the recipients by age, and tries whether each opens the store.
func (s *Store) KEKs(ctx context.Context) ([]KEK, error) {
	s.keks.Lock()
	defer s.keks.Unlock()
	list, err := s.recipients()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b recipient) int { return a.Created.Compare(b.Created) })
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	out := make([]KEK, len(list))
	var probes sync.WaitGroup
	free := make(chan struct{}, probesAtOnce)
	for i, r := range list {
		free <- struct{}{}
		probes.Go(func() {
			out[i] = s.probe(ctx, r)
			<-free
		})
	}
	probes.Wait()
	return out, nil
}

// recipients reads the recipients of the newest commit.
func (s *Store) recipients() (list []recipient, err error) {
	err = s.db.View(func(r kv.Reader) error {
		list, err = readRecipients(r)
		return err
	})
	return list, err
}

// probe opens the store with a recipient, as the next start would.
func (s *Store) probe(ctx context.Context, r recipient) KEK {
	k := KEK{ID: text(r.ID), URI: r.URI, Created: r.Created, Recovery: r.recovery(), Configure: s.options.toConfigure(r.URI)}
	var uris []string
	uris, k.Err = s.options.candidates(r, obeyReading)
	for _, uri := range uris {
		if k.Err = s.opens(ctx, uri, r); k.Err == nil {
			k.Status, k.OtherCounters, k.Err = s.status(ctx, uri)
			break
		}
	}
	s.options.tries.note(r.ID, k.Err)
	return k
}

// opens tries whether the KEK of a URI unwraps the present root key.
func (s *Store) opens(ctx context.Context, uri string, r recipient) error {
	root, err := unwrapUnder(ctx, s.options, uri, r.Wrapped)
	if err != nil {
		return err
	}
	defer root.Wipe()
	present := s.root.sealing().Raw()
	defer present.Wipe()
	if !present.Equal(root) {
		return fmt.Errorf("%w: it unwraps to another root key", kek.ErrWrongKey)
	}
	return nil
}

func (s *Store) status(ctx context.Context, uri string) (st kek.Status, others []string, err error) {
	p, err := openProvider(ctx, s.options, uri, firstUse{})
	if err != nil {
		return st, nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if st, err = p.Status(ctx); err != nil {
		return st, nil, err
	}
	return st, s.otherCounters(ctx, uri, p), nil
}

// otherCounters lists the counters in a KEK's hardware that the store does not use. It only
// informs, so that a KEK that cannot tell is none that fails.
func (s *Store) otherCounters(ctx context.Context, uri string, p kek.Provider) []string {
	lister, can := p.(kek.CounterLister)
	if !can {
		return nil
	}
	row, _, err := s.generation()
	var others []string
	if err == nil {
		mine := secret.Bytes(row.Name)
		defer mine.Wipe()
		others, err = lister.OtherCounters(ctx, mine)
	}
	if err != nil {
		s.log.Debug("the counters of a KEK cannot be listed", "kek", uri, "error", err)
	}
	return others
}

// AddKEK makes a recipient for a KEK, which can open the store from then on.
// With generate, an HSM makes the key first. Clients go on meanwhile. It fails
// with kek.ErrURI, kek.ErrUnavailable, and record.ErrExists where the URI has a
// recipient already.
func (s *Store) AddKEK(ctx context.Context, uri string, generate bool) (KEK, error) {
	if _, err := kek.Parse(uri); err != nil {
		return KEK{}, err
	}
	s.keks.Lock()
	defer s.keks.Unlock()
	list, err := s.recipients()
	if err != nil {
		return KEK{}, err
	}
	if slices.ContainsFunc(list, func(r recipient) bool { return r.URI == uri }) {
		return KEK{}, fmt.Errorf("KEK %s: %w", uri, record.ErrExists)
	}
	if len(list) >= maxRecipients {
		return KEK{}, fmt.Errorf("%w: there are %d, which is the limit; remove one first", ErrKEK, len(list))
	}
	root := s.root.sealing().Raw()
	defer root.Wipe()
	wrapped, err := wrapUnder(ctx, s.options, uri, root, firstUse{create: true, generate: generate})
	if err != nil {
		return KEK{}, fmt.Errorf("wrap the root key under %s: %w", uri, err)
	}
	r := recipient{newID(), uri, wrapped, time.Now().UTC()}
	err = s.Update(func(tx *Tx) error { return tx.put(schema.Record(schema.PrefixRecipient, r.ID), r.encode()) })
	if err != nil {
		return KEK{}, err
	}
	s.options.added.note(uri)
	s.log.Info("added a KEK", "kek", uri)
	if line := s.options.toConfigure(uri); line != "" {
		s.log.Warn("the next start uses this KEK only where the configuration names it", "kek", uri, "todo", line)
	}
	if err := s.protectWith(ctx, r); err != nil {
		s.log.Warn("could not make a rollback counter in the added KEK; the next start tries again", "kek", uri, "reason", err)
	}
	return s.probe(ctx, r), nil
}

// RemoveKEK removes a recipient: the KEK does not open the store any more, and what
// it unwrapped is overwritten in the file. It still opens older copies. It fails with record.ErrNotFound, and with
// [ErrKEK] where no other KEK opens the store now.
func (s *Store) RemoveKEK(ctx context.Context, id string) error {
	s.keks.Lock()
	defer s.keks.Unlock()
	list, err := s.recipients()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(r recipient) bool { return text(r.ID) == id })
	if i < 0 {
		return missing("KEK", id)
	}
	gone := list[i]
	if err := s.opensWith(ctx, slices.Delete(list, i, i+1)); err != nil {
		return err
	}
	s.dropKept(s.path(), time.Time{}) // before: a kill between would leave what the KEK opens
	err = s.Update(func(tx *Tx) error {
		tx.count(promptly, owner{})
		return tx.remove(schema.Record(schema.PrefixRecipient, gone.ID))
	})
	if err != nil {
		return err
	}
	s.log.Info("removed a KEK", "kek", gone.URI)
	s.scrub()
	return nil
}

// opensWith looks for a recipient that opens the store.
func (s *Store) opensWith(ctx context.Context, rest []recipient) error {
	if len(rest) == 0 {
		return fmt.Errorf("%w: it is the last one, and without it nobody could open the store; add another one first", ErrKEK)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	var reasons []error
	for _, r := range inOrder(rest) {
		k := s.probe(ctx, r)
		if k.Err == nil {
			return nil
		}
		reasons = append(reasons, fmt.Errorf("%s: %w", r.URI, k.Err))
	}
	return fmt.Errorf("%w: none of the others opens the store now; repair one first: %w", ErrKEK, errors.Join(reasons...))
}
