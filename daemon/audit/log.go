package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"filippo.io/age"
)

// Errors of Open and Begin. They come wrapped in a sentence.
var (
	// ErrFull is returned where there is no space for a line.
	ErrFull = errors.New("the audit log has no space left")
	// ErrInUse is returned by Open where another program writes to the folder.
	ErrInUse = errors.New("another program writes this audit log")
	// ErrBroken is returned after a line could not be written.
	ErrBroken = errors.New("the audit log cannot be written")
)

// Head is the newest line, and other state of the log that is kept where an attacker who can
// write to the folder cannot write.
type Head struct {
	Seq  uint64 // 0 where there is no line
	Hash hash
	Time time.Time
	// Archived is the number up to which lines are kept elsewhere on purpose
	// ([Log.Archive]), 0 where none are.
	Archived uint64
	// Missing are the lines that the log has told are gone ([EventGap]).
	Missing []Range
}

// Range is a range of lines.
type Range struct{ First, Last uint64 }

// String returns text such as "lines 1 to 40".
func (r Range) String() string {
	if r.First == r.Last {
		return fmt.Sprintf("line %d", r.First)
	}
	return fmt.Sprintf("lines %d to %d", r.First, r.Last)
}

func (h Head) same(other Head) bool { return h.Seq == other.Seq && h.Hash == other.Hash }

// Options are the settings of a log.
type Options struct {
	// Dir is made where it is missing, for its owner only.
	Dir string
	// Key signs. It belongs to the log, which wipes it.
	Key ed25519.PrivateKey
	// Head is the newest line that is known, from Anchor in earlier runs.
	Head Head
	// Anchor stores the head where an attacker who can write to Dir cannot write. It is called
	// from one goroutine, at most once a second while the log is written, and when it is
	// closed.
	Anchor func(Head) error
	// Failed is called with errors that occurred after the caller had done its work.
	Failed func(error)
	// Low is called once when the disk is nearly full, and again after it was not; nil is not
	// called.
	Low func(free int64)
	// Observer counts what happens to the log; nil is nobody.
	Observer Observer
	// Recipients can read the records: every record is encrypted to all of them. Without
	// recipients lines are in plain text.
	Recipients []age.Recipient
	// Rotate is the size at which a new file is begun; 0 is 16 MiB.
	Rotate int64
	// Now is the time; nil is that of the system.
	Now func() time.Time
}

// Observer counts. Its methods are fast and do not call the log.
type Observer interface {
	// Wrote is told every line that was written.
	Wrote(Record)
	// Refused is told why Begin failed.
	Refused(error)
	// Failed is told what Options.Failed is.
	Failed(error)
}

// noopObserver is the default Observer.
type noopObserver struct{}

func (noopObserver) Wrote(Record)  {}
func (noopObserver) Refused(error) {}
func (noopObserver) Failed(error)  {}

// Log is an open audit log. It is safe for concurrent use.
type Log struct {
	opt  Options
	lock *os.File // of the folder; held while the log is open

	anchoring sync.Mutex // held while the head is kept, so that no older one replaces it

	mu      sync.Mutex
	file    *os.File
	size    int64 // of what was written
	room    int64 // up to where space is reserved
	pending int64 // records that were begun
	head    Head
	broken  error
	closed  bool
	grown   chan struct{} // closed at the next line
	begun   begun         // what was begun and has no line yet
	repeats repeats       // refusals that are counted
	missing []Range       // as Open found
	low     bool          // it was told that the disk is nearly full

	dirty chan struct{} // wakes the goroutine that syncs
	stop  chan struct{}
	done  sync.WaitGroup
}

const defaultRotate = 16 << 20

// Open opens the log of a folder, and continues after its last line. If lines that the head
// knows of are missing, it continues after the head, so that [Verify] finds the gap, and
// writes a line about it; [Log.Missing] returns it. Acts that were interrupted when the last
// run was killed get a line each.
func Open(o Options) (*Log, error) {
	if o.Rotate == 0 {
		o.Rotate = defaultRotate
	}
	if o.Observer == nil {
		o.Observer = noopObserver{}
	}
	if o.Low == nil {
		o.Low = func(int64) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := checkRecipients(o.Recipients); err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the audit log: %w", err)
	}
	lock, err := lockFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	l := &Log{opt: o, lock: lock, head: o.Head, grown: make(chan struct{}), dirty: make(chan struct{}, 1), stop: make(chan struct{})}
	if err := l.openFiles(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the audit log: %w", err), lock.Close())
	}
	l.done.Go(l.sync)
	return l, nil
}

// openFiles opens or creates the current file, and records gaps and interrupted acts.
func (l *Log) openFiles() (err error) {
	if l.missing, err = findMissing(l.opt.Dir, l.opt.Head, l.opt.Key.Public().(ed25519.PublicKey)); err != nil {
		return err
	}
	cut, err := l.begun.open(l.opt.Dir)
	if err != nil {
		return err
	}
	if err := l.resume(); err != nil {
		return errors.Join(err, l.begun.file.Close())
	}
	if err := errors.Join(l.recordGaps(), l.recordInterrupted(cut)); err != nil {
		return errors.Join(err, l.file.Close(), l.begun.file.Close())
	}
	return nil
}

// writeOwn writes a record of the log itself, in plain text if clear is set. The lock is held,
// or nobody else uses the log yet.
func (l *Log) writeOwn(r Record, clear bool) error {
	if err := l.reserve(); err != nil {
		return err
	}
	line := r
	if !clear && len(l.opt.Recipients) > 0 {
		var err error
		if line, err = seal(r, l.opt.Recipients); err != nil {
			return err
		}
	}
	return l.write(line, r)
}

// resume opens the newest file, if that ends with the newest line, otherwise it creates a new
// one.
func (l *Log) resume() error {
	names, err := files(l.opt.Dir)
	if err != nil {
		return err
	}
	for len(names) > 0 {
		name := names[len(names)-1]
		f, err := os.OpenFile(filepath.Join(l.opt.Dir, name), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		end := tail(f, firstOf(name), l.opt.Key.Public().(ed25519.PublicKey))
		if end.size == 0 { // a file that was begun when the daemon was killed
			if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
				return err
			}
			names = names[:len(names)-1]
			continue
		}
		if end.sound && (end.Seq > l.head.Seq || end.Head.same(l.head)) {
			l.file, l.size, l.room = f, end.size, end.size
			l.setHead(end.Head)
			return f.Truncate(end.size) // a line that a power cut left half written
		}
		if end.Seq >= l.head.Seq {
			l.setHead(end.Head)
		}
		return errors.Join(f.Close(), l.begin())
	}
	return l.begin()
}

// setHead sets the line after which the log continues.
func (l *Log) setHead(h Head) { l.head.Seq, l.head.Hash, l.head.Time = h.Seq, h.Hash, h.Time }

// begin creates a new file with its first line. The lock is held, or nobody else uses the log
// yet.
func (l *Log) begin() error {
	path := filepath.Join(l.opt.Dir, fileName(l.head.Seq+1))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return classify(err)
	}
	old, size, room := l.file, l.size, l.room
	l.file, l.size, l.room = f, 0, 0
	err = l.reserve()
	if err == nil {
		first := Record{Event: EventBegin, Result: "ok", Detail: "format 1"} // in the clear, always
		err = l.write(first, first)
	}
	if err != nil {
		l.file, l.size, l.room = old, size, room
		return errors.Join(err, f.Close(), os.Remove(path))
	}
	if old != nil { // it gives back the space that it has reserved
		err = errors.Join(old.Truncate(size), old.Sync(), old.Close())
	}
	return errors.Join(err, syncDir(l.opt.Dir))
}

// Dir returns the folder of the log.
func (l *Log) Dir() string { return l.opt.Dir }

// Entry is an act that was begun, with space for its line.
type Entry struct {
	log  *Log
	slot int
	once sync.Once
}

// Begin reserves space for one record. If it fails, with [ErrFull] or [ErrBroken], the act
// must not be done. The caller ends every entry once, with [Entry.End] or [Entry.Cancel]. If
// the program is killed before, the next run records about, which is what is known so far.
func (l *Log) Begin(about Record) (*Entry, error) {
	e, err := l.tryBegin()
	if err == nil {
		if err = l.begun.put(e.slot, l.note(about)); err != nil {
			e.Cancel()
		}
	}
	if err != nil {
		l.opt.Observer.Refused(err)
		return nil, err
	}
	return e, nil
}

func (l *Log) tryBegin() (*Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil || l.closed {
		return nil, errors.Join(ErrBroken, l.broken)
	}
	if l.size >= l.opt.Rotate {
		// What was begun finds its space in the new file. Where there is none, the old
		// file goes on as long as it has some.
		if err := l.begin(); err != nil && !errors.Is(err, ErrFull) {
			return nil, err
		}
	}
	l.pending++
	if err := l.reserve(); err != nil {
		l.pending--
		return nil, err
	}
	return &Entry{log: l, slot: l.begun.take()}, nil
}

// End writes the record, and sets its number, time and predecessor. If the same caller had
// many such refusals already, it only counts it (see [Record.Repeated]).
func (e *Entry) End(r Record) {
	e.once.Do(func() {
		l := e.log
		if l.repeats.count(r, l.opt.Now()) {
			e.release()
			return
		}
		line, sealErr := r, error(nil)
		if len(l.opt.Recipients) > 0 {
			line, sealErr = seal(r, l.opt.Recipients) // before the lock, as it takes a while
		}
		l.mu.Lock()
		if sealErr != nil && l.broken == nil {
			l.broken = sealErr // a record is missing, so nothing more is done
		}
		err := l.broken
		if err == nil {
			err = l.write(line, r)
		}
		if err != nil {
			l.pending-- // what is noted of it stays for the next run
		}
		l.mu.Unlock()
		if err != nil {
			l.failed(fmt.Errorf("record %q: %w", r.Event, err))
			return
		}
		e.release()
	})
}

// release deletes the note, and releases the space.
func (e *Entry) release() {
	l := e.log
	if err := l.begun.erase(e.slot); err != nil {
		l.failed(fmt.Errorf("note that a record is written: %w", err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending--
	l.begun.free = append(l.begun.free, e.slot)
}

// failed reports an error that occurred after the caller had done its work.
func (l *Log) failed(err error) {
	l.opt.Observer.Failed(err)
	l.opt.Failed(err)
}

// Cancel ends an entry without a line.
func (e *Entry) Cancel() { e.once.Do(e.release) }

// write appends a line, and tells the observer the plain record. The lock is held.
func (l *Log) write(r, told Record) error {
	r.Seq, r.Time, r.Prev = l.head.Seq+1, l.opt.Now().UTC(), hex.EncodeToString(l.head.Hash[:])
	if back := l.head.Time.Sub(r.Time); l.head.Seq > 0 && back > 0 {
		r.ClockBack = back.String()
	}
	line, err := r.line(l.opt.Key)
	if err != nil {
		return err
	}
	if _, err := l.file.WriteAt(append(line, '\n'), l.size); err != nil {
		l.broken = errors.Join(classify(err), l.file.Truncate(l.size))
		return l.broken
	}
	l.size += int64(len(line)) + 1
	l.head.Seq, l.head.Hash, l.head.Time = r.Seq, sha256.Sum256(line), r.Time
	told.Seq, told.Time, told.Prev, told.ClockBack = r.Seq, r.Time, r.Prev, r.ClockBack
	l.opt.Observer.Wrote(told)
	close(l.grown)
	l.grown = make(chan struct{})
	select {
	case l.dirty <- struct{}{}:
	default:
	}
	return nil
}

// Head returns the newest line, and a channel that is closed when there is a newer one.
func (l *Log) Head() (Head, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head, l.grown
}

// anchorEvery is how old the anchored head may be.
const anchorEvery = time.Second

// sync syncs lines to stable storage, anchors the newest one, and writes the counts of
// refusals.
func (l *Log) sync() {
	counts := time.NewTicker(repeatWindow)
	defer counts.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-counts.C:
			l.tellRepeats(false)
			continue
		case <-l.dirty:
		}
		l.watchSpace()
		if err := l.settle(); err != nil {
			l.failed(err)
		}
		select {
		case <-l.stop:
			return
		case <-time.After(anchorEvery):
		}
	}
}

// settle syncs the log and anchors its head.
func (l *Log) settle() error {
	l.anchoring.Lock()
	defer l.anchoring.Unlock()
	l.mu.Lock()
	head, path := l.head, l.file.Name()
	l.mu.Unlock()
	// The file may be rotated meanwhile, so it is opened by its name.
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync the audit log: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync the audit log: %w", err)
	}
	if err := l.opt.Anchor(head); err != nil {
		return fmt.Errorf("keep the head of the audit log: %w", err)
	}
	return nil
}

// Close closes the log, syncs it and wipes the key. It does not wait for entries: those that
// end later fail.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	close(l.stop)
	l.done.Wait()
	l.tellRepeats(true)
	err := l.settle()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = errors.Join(l.broken, os.ErrClosed)
	clear(l.opt.Key)
	return errors.Join(err, l.file.Truncate(l.size), l.file.Close(), l.begun.file.Close(), l.lock.Close())
}
