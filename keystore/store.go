package keystore

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kek"
	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Options are what [Open] needs.
type Options struct {
	// Dir is the data folder. It is made where it is missing, for its owner only.
	Dir string
	// KEKs are the KEK URIs that the administrator names. A new store gets one
	// recipient for each; without any, the key file kek.key in the data folder.
	// For a store that exists, they are tried for the recipients of the same scheme.
	// The store uses a URI that reaches beyond the data folder and the machine's TPM
	// (kek.Reach) only if it is one of these, even if the store names others.
	KEKs []string
	// Later leaves what the store does all the time, besides what it is asked for, until
	// [Store.Begin], so that those who wait for the opening have the processors.
	Later bool
	// Root is the root key, from the daemon whose place this one takes (Store.RootKey); nil
	// asks a KEK for it. The caller wipes it.
	Root secret.Bytes
	// Providers opens KEK URIs by scheme.
	Providers map[string]kek.OpenFunc
	// Log gets what an administrator needs to know about the store's files and KEKs; nil
	// discards it. Views and updates log only that the store was changed from outside.
	Log *slog.Logger
	// LookupUser finds the name of an OS user; nil asks the system.
	LookupUser func(uid uint32) (name string, err error)
	// Committed is called for every commit: how many updates shared it, how long it took,
	// and how it ended. It may be nil.
	Committed func(updates int, took time.Duration, err error)
	// Existing refuses a folder without a store, instead of making a new one.
	Existing bool
	// Pinned says which id the store must have ([Store.ID]), for each place where the caller
	// keeps it; none is any. Those who can write to the data folder cannot write there.
	Pinned []kek.Pin
	// Recognize gets the public key of the store's audit log before anything of the store
	// is used or changed. Its error refuses the store. It may be nil.
	Recognize func(ed25519.PublicKey) error
	// Before says why there must have been a store, such as a pinned id; empty is no
	// reason. With a reason, a missing store is [ErrMissing], unless Init is set.
	Before string
	// Init makes a new store where there was one. It is [ErrStoreExists] where there is
	// one.
	Init bool
	// AcceptRollback accepts a store that is older than its counter, or whose counter does
	// not answer. It is an administrator's decision for one start, and the store records it.
	AcceptRollback bool
	// Restoring is called with a store that [Restore] has authenticated and is about to put
	// in place. Its error refuses that; done gets the outcome. It may be nil.
	Restoring func(Restored) (done func(error), err error)

	// Tampered is called for every use of the store that read a record changed from outside
	// ([ErrTampered]), with whether the log has a line for it. It returns quickly and does
	// not use the store. It may be nil.
	Tampered func(reason error, logged bool)

	tries   *tries        // how recipients did when they were tried
	refused *kek.Refusals // wrong secrets that hardware would count again
	added   *added        // KEKs that administrators added in this run
	trust   trust         // in the recipients of a store that is opened

	lazily bool // verify a small store as a large one

	quickPINs bool              // new verifiers cost as little as a stored one may, for tests of other things
	step      func(name string) // told of the steps of a migration
}

// Store is an open store. It is safe for concurrent use.
type Store struct {
	db   *kv.DB
	lock *os.File // held while the store is open; nil in tests without a folder
	log  *slog.Logger

	root *rootKeys
	sys  *systemKeys

	options  Options    // as they were given to Open
	keks     sync.Mutex // held while recipients or the root key change
	rewrap   background // wraps tenant keys after a rotation
	renewals background // seals records under new keys of tenants
	scrubs   background // overwrites what was deleted
	patrols  patrol     // verifies all the time
	staged   stagedSums // of the commit that is under way
	last     lastSums
	usages   usages
	known    *known
	alarms   alarms

	uses       keyUses
	tenantKeys keyCache[*envelope.Key]
	tokenKeys  keyCache[*tokenKeys]
	verified   sync.Map // schema.ID of tokens whose sum was compared in this run

	guard    atomic.Pointer[guard] // nil where no KEK counts
	replaced atomic.Bool           // another file is in the place of the store's
	accepted bool                  // an older store was accepted since it was opened

	watchers  atomic.Pointer[[]func([]record.Change)]
	overQuota atomic.Uint64 // updates that a quota refused

	hashed  newPINs
	renewed renewedKeys

	argon chan struct{} // one value for each Argon2id that runs
	names userNames
}

// path is that of the store file.
func (s *Store) path() string { return filepath.Join(s.options.Dir, storeFile) }

func newStore(db *kv.DB, o Options) *Store {
	s := &Store{db: db, log: o.Log, options: o, known: newKnown(), argon: make(chan struct{}, maxArgon())}
	s.tenantKeys.uses, s.tokenKeys.uses = &s.uses, &s.uses
	db.Observe(s.committed)
	db.Around(s.beginCommit, s.endCommit)
	s.names.lookup = o.LookupUser
	if s.names.lookup == nil {
		s.names.lookup = lookupUser
	}
	return s
}

// committed hears of every commit.
func (s *Store) committed(updates int, took time.Duration, err error) {
	if errors.Is(err, kv.ErrReplaced) && !s.replaced.Swap(true) {
		s.log.Error("ALARM: the store file was renamed, removed or replaced under the running daemon; the store refuses every change", "error", err)
	}
	if s.options.Committed != nil {
		s.options.Committed(updates, took, err)
	}
}

// lookupUser asks the system for the name of a user.
func lookupUser(uid uint32) (string, error) {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return "", err
	}
	return u.Username, nil
}

// Close waits for views and updates, closes the file and wipes the keys.
func (s *Store) Close() error {
	s.rewrap.stop()
	s.renewals.stop()
	s.scrubs.stop()
	s.patrols.stop()
	err := errors.Join(s.guard.Load().stop(), s.db.Close())
	s.wipe()
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// wipe overwrites the keys.
func (s *Store) wipe() {
	s.root.Wipe()
	s.sys.wipe()
	s.hashed.wipe()
	s.tenantKeys.wipe()
	s.tokenKeys.wipe()
}

// View runs fn in a consistent snapshot and returns its error. fn keeps nothing
// of tx; the records that it got from tx may be kept.
func (s *Store) View(fn func(tx *Tx) error) error {
	defer s.uses.end(s.uses.begin())
	var fnErr error
	start := s.known.commits.Load() // the snapshot is this one or newer
	err := s.db.View(func(r kv.Reader) error {
		fnErr = fn(&Tx{s: s, r: r, start: start})
		return fnErr
	})
	s.alarm(fnErr)
	return outcome(err, fnErr)
}

// Update runs fn and commits what it wrote, all or nothing, to stable storage
// before it returns. It returns the error of fn unchanged. A full disk is
// CKR_DEVICE_MEMORY and another fault of the storage CKR_DEVICE_ERROR; nothing
// is changed then.
//
// Updates that arrive together share a commit. fn may run more than once and must have no effect
// except through tx, so it makes the records that it stores on each run.
//
// If a KEK has a counter, an update with a PIN try or the like is counted before Update returns.
// If a try cannot be counted, Update fails with CKR_DEVICE_ERROR, and nearly always nothing is
// changed; a PIN whose try was stored nevertheless was not compared. Update fails with
// [ErrWear] if the owner of the token has used up its increments.
func (s *Store) Update(fn func(tx *Tx) error) error {
	d, err := s.update(fn, counting{})
	if d.urgency == atLeisure {
		s.noteQuota(err)
		return err
	}
	if g := s.guard.Load(); g != nil {
		return g.update(fn, d)
	}
	_, err = s.update(fn, counting{off: true}) // it began to count, and could not
	return err
}

// UpdateByAPI is [Store.Update] for changes through the API: the tenant pays for increments of the
// counter, not the holder of the token.
func (s *Store) UpdateByAPI(fn func(tx *Tx) error) error {
	return s.Update(func(tx *Tx) error {
		tx.api = true
		return fn(tx)
	})
}

// update runs fn and commits. If it returns an urgency, nothing was committed, and fn must run
// again in a round of the counter.
func (s *Store) update(fn func(tx *Tx) error, c counting) (demand, error) {
	defer s.uses.end(s.uses.begin())
	var fnErr error
	var urgent demand
	wrote := false
	err := s.db.Update(func(w kv.Tx) error {
		tx := &Tx{s: s, r: w, w: w}
		fnErr = fn(tx)
		if fnErr == nil {
			urgent, fnErr = tx.counted(c)
		}
		if fnErr == nil {
			fnErr = tx.flush()
		}
		if fnErr == nil {
			tx.stage()
		}
		wrote = tx.node != nil && tx.node.dirty
		return fnErr
	})
	s.alarm(fnErr)
	if g := s.guard.Load(); err == nil && wrote && g != nil && c.number == 0 {
		g.dirty.Store(true)
	}
	return urgent, outcome(err, fnErr)
}

// outcome tells the error of a transaction's function from one of the storage.
func outcome(err, fnErr error) error {
	if err == nil || fnErr != nil {
		return fnErr
	}
	return fault(err)
}

// Watch calls fn with the changes of every commit from now on: in the order of
// commits, one call at a time, and before the Update that made them returns. fn
// does not call Update and is quick.
func (s *Store) Watch(fn func([]record.Change)) {
	for {
		old := s.watchers.Load()
		var list []func([]record.Change)
		if old != nil {
			list = append(list, *old...)
		}
		list = append(list, fn)
		if s.watchers.CompareAndSwap(old, &list) {
			return
		}
	}
}

// tell hands the changes of one update to the watchers.
func (s *Store) tell(changes []record.Change) {
	if list := s.watchers.Load(); list != nil {
		for _, fn := range *list {
			fn(changes)
		}
	}
}

// unlock takes the root key and loads the keys under it.
func (s *Store) unlock(root *envelope.Key) error {
	s.root = newRootKeys(root)
	return s.db.View(func(r kv.Reader) error {
		blob, err := r.Get(schema.KeySystem())
		if errors.Is(err, kv.ErrNotFound) {
			return tampered("the system key is missing")
		}
		if err != nil {
			return fault(err)
		}
		raw, _, err := root.Open(place(schema.ID{}, schema.ID{}, 0, fieldSystemKey), blob)
		if err != nil {
			return tampered("open the system key: %w", err)
		}
		defer clear(raw)
		if s.sys, err = newSystemKeys(raw); err != nil {
			return err
		}
		return s.unlockOld(r)
	})
}

// openProvider opens the KEK of a URI. first is set for its first use.
func openProvider(ctx context.Context, o Options, text string, first firstUse) (kek.Provider, error) {
	uri, err := kek.Parse(text)
	if err != nil {
		return nil, err
	}
	open, ok := o.Providers[uri.Scheme]
	if !ok {
		return nil, errors.Join(kek.ErrUnavailable, errors.New("this program has no provider for "+uri.Scheme+":"))
	}
	return open(ctx, uri, kek.Env{
		Dir: o.Dir, Create: first.create, Generate: first.generate, Count: first.count, Before: first.before, Refused: o.refused, Log: o.Log,
	})
}
