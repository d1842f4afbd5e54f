package resume

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"vtoken/daemon/peer"
	"vtoken/keystore/box"
	"vtoken/vtoken"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Sealer seals records. The keystore is one.
type Sealer interface {
	SealOutside(id [16]byte, plain []byte) ([]byte, error)
	OpenOutside(id [16]byte, sealed []byte) ([]byte, error)
}

// ID is the id of an application.
type ID = [16]byte

// Application is who a record is about.
type Application struct {
	ID      ID
	Process peer.Process
	ticket  [sha256.Size]byte // a hash
	public  []byte            // key that is made of the ticket
	// Ended are the sessions that an administrator ended: by slot, those up to the handle.
	Ended map[uint64]uint64
}

// NewApplication returns the application of a process that shows a ticket. It keeps no part of
// the ticket from which that could be found.
func NewApplication(id ID, p peer.Process, ticket secret.Bytes) (Application, error) {
	public, err := box.Public(ticket)
	if err != nil {
		return Application{}, fmt.Errorf("take the ticket of an application: %w", err)
	}
	return Application{ID: id, Process: p, ticket: sha256.Sum256(ticket), public: public}, nil
}

// Restored returns the application that a daemon before knew.
func Restored(id ID, p peer.Process, ticket [sha256.Size]byte, public []byte, ended map[uint64]uint64) Application {
	return Application{ID: id, Process: p, ticket: ticket, public: public, Ended: ended}
}

// Public is the key that is made of the ticket, to which its secrets are sealed.
func (a Application) Public() []byte { return a.public }

// Errors of Find.
var (
	// ErrNone means that there is no record of the application.
	ErrNone = errors.New("no record of the application")
	// ErrForeign means that the record is another process's, or was made before the machine
	// was switched on.
	ErrForeign = errors.New("the record is not this process's")
	// ErrTicket means that the ticket is not that of the record.
	ErrTicket = errors.New("the ticket is not that of the record")
	// ErrDamaged means that the file of the application is no record of this store.
	ErrDamaged = errors.New("the file of the application is no record of this store")
)

// Records are the records in one folder. All methods may be called concurrently.
type Records struct {
	mu     sync.Mutex // of the files
	dir    string
	boot   string
	sealer Sealer
	now    func() time.Time
}

const (
	suffix    = ".login"
	temporary = ".new"
	// maxRecord bounds a file in bytes: some hundred logins with PIN-bound tokens. The files of
	// all applications are in memory, in /run.
	maxRecord = 1 << 20
)

// Open opens the folder, makes it if it is missing, and removes records of processes that do
// not run any more, and everything else that is no record. It refuses a folder that others may
// write to, or may put another one in place of: so they could put back an earlier record.
func Open(dir string, sealer Sealer) (*Records, error) {
	r, err := OpenAgain(dir, sealer)
	if err != nil {
		return nil, err
	}
	if err := r.sweep(); err != nil {
		return nil, err // who cannot remove records cannot end logins
	}
	return r, nil
}

// OpenAgain is Open for the folder of a daemon whose place this one takes while applications
// wait. That daemon wrote all records, so that there are none to remove.
func OpenAgain(dir string, sealer Sealer) (*Records, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("ask the kernel for the id of this boot: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the folder for records of logins: %w", err)
	}
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	return &Records{dir: dir, boot: strings.TrimSpace(string(boot)), sealer: sealer, now: time.Now}, nil
}

// Folder is where the records are.
func (r *Records) Folder() string { return r.dir }

// Remove removes the folder and all records in it: who writes none any more must not leave
// earlier ones behind.
func Remove(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the records of logins: %w", err)
	}
	return nil
}

// checkFolder checks that only this user may write to the folder, and that only this user and
// root may move it.
func checkFolder(dir string) error {
	info, owner, err := look(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || owner != os.Geteuid() {
		return fmt.Errorf("%s is not a folder of this user alone (0700); remove it, and the daemon makes it again", dir)
	}
	parent := filepath.Dir(dir)
	info, owner, err = look(parent)
	if err != nil {
		return err
	}
	if owner != os.Geteuid() && owner != 0 || info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("others may write to %s, and so move the folder for records of logins; "+
			"take that right away (chmod go-w)", parent)
	}
	return nil
}

// look returns what is at a path, and whose it is.
func look(path string) (info fs.FileInfo, owner int, err error) {
	info, err = os.Lstat(path)
	if err != nil {
		return nil, 0, fmt.Errorf("look at the folder for records of logins: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, 0, fmt.Errorf("look at the folder for records of logins: the owner of %s is not known", path)
	}
	return info, int(stat.Uid), nil
}

// contents are the contents of a record.
type contents struct {
	peer.Process
	Boot   string    `json:"boot"`
	Ticket []byte    `json:"ticket"` // its hash
	Time   time.Time `json:"time"`
	Logins []login   `json:"logins"`
	// Ended is as in Application.
	Ended map[uint64]uint64 `json:"ended,omitempty"`
}

type login struct {
	Token    record.TokenID `json:"token"`
	Role     pin.Role       `json:"role"`
	Verifier []byte         `json:"verifier"`
	Bound    []byte         `json:"bound,omitempty"` // sealed to the key of the ticket
}

// Keep writes the record of an application, which has these logins, and wipes their keys.
// Without logins and ended sessions, it removes the record. When it returns, the record survives
// the daemon. If it fails, it has removed the record, which would give back logins that are over.
func (r *Records) Keep(a Application, logins []vtoken.Login) error {
	defer Wipe(logins)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(logins) == 0 && len(a.Ended) == 0 {
		return r.forget(a.ID)
	}
	if !a.Process.Known() {
		return nil
	}
	if err := r.keep(a, logins); err != nil {
		return errors.Join(err, r.forget(a.ID))
	}
	return nil
}

func (r *Records) keep(a Application, logins []vtoken.Login) error {
	c := contents{Process: a.Process, Boot: r.boot, Ticket: a.ticket[:], Time: r.now().UTC(), Ended: a.Ended}
	for _, l := range logins {
		kept := login{Token: l.Token, Role: l.Role, Verifier: l.Verifier[:]}
		if l.Bound != nil {
			sealed, err := box.Seal(a.public, a.ID[:], l.Bound)
			if err != nil {
				return fmt.Errorf("keep the login of an application: %w", err)
			}
			kept.Bound = sealed
		}
		c.Logins = append(c.Logins, kept)
	}
	return r.seal(a.ID, c)
}

func (r *Records) seal(id ID, c contents) error {
	plain, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("keep the login of an application: %w", err)
	}
	sealed, err := r.sealer.SealOutside(id, plain)
	if err != nil {
		return fmt.Errorf("keep the login of an application: %w", err)
	}
	return r.write(id, sealed)
}

// Wipe wipes the keys of logins.
func Wipe(logins []vtoken.Login) {
	for _, l := range logins {
		l.Bound.Wipe()
	}
}

// Record is what a record says without the ticket of its application.
type Record struct {
	ID      ID
	Process peer.Process
	// Time is when the logins last changed.
	Time time.Time
	// Logins have no keys of PIN-bound tokens, which only the ticket opens.
	Logins []vtoken.Login
}

// All returns the records with logins of processes that run, in no order. It does not read those
// of applications that except reports; nil is none.
func (r *Records) All(except func(ID) bool) ([]Record, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("look for records of logins: %w", err)
	}
	var list []Record
	for _, e := range entries {
		id, ok := parseName(e.Name())
		if !ok || except != nil && except(id) {
			continue
		}
		c, err := r.read(id)
		if err != nil || len(c.Logins) == 0 || c.Boot != r.boot || !c.Process.Lives() {
			continue
		}
		one := Record{ID: id, Process: c.Process, Time: c.Time}
		for _, kept := range c.Logins {
			one.Logins = append(one.Logins, kept.withoutKey())
		}
		list = append(list, one)
	}
	return list, nil
}

func (kept login) withoutKey() vtoken.Login {
	l := vtoken.Login{Token: kept.Token, Role: kept.Role}
	copy(l.Verifier[:], kept.Verifier)
	return l
}

// End ends the logins of an application with a token, in its record, and all of its sessions
// with the token in the slot up to the handle. With handle 0 the sessions stay. When it
// returns, the record does not give the login back. If it fails, there is no record any more.
func (r *Records) End(id ID, token record.TokenID, slot, handle uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.read(id)
	if err == nil {
		c.Logins = slices.DeleteFunc(c.Logins, func(l login) bool { return l.Token == token })
		if handle != 0 {
			c.Ended = maps.Clone(c.Ended)
			if c.Ended == nil {
				c.Ended = make(map[uint64]uint64)
			}
			c.Ended[slot] = handle
		}
		if len(c.Logins) == 0 && len(c.Ended) == 0 {
			return r.forget(id)
		}
		err = r.seal(id, c)
	}
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return errors.Join(err, r.forget(id))
	}
	return nil
}

// Forget removes the record of an application, if there is one.
func (r *Records) Forget(id ID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.forget(id)
}

func (r *Records) forget(id ID) error {
	if err := os.Remove(r.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the login of an application: %w", err)
	}
	return nil
}

// Found is an application and the logins that it had.
type Found struct {
	// Application is the one of the record: its process has the user that it began with.
	Application Application
	Logins      []vtoken.Login
}

// Find returns the logins of an application that shows its ticket. The caller wipes their
// keys. It fails with ErrNone, ErrForeign, ErrTicket or ErrDamaged, among others. The record
// stays.
func (r *Records) Find(a Application, ticket secret.Bytes) (Found, error) {
	c, err := r.read(a.ID)
	if err != nil {
		return Found{}, err
	}
	switch {
	case !a.Process.Known(), !c.Process.Is(a.Process), c.Boot != r.boot:
		return Found{}, ErrForeign
	case subtle.ConstantTimeCompare(c.Ticket, a.ticket[:]) != 1:
		return Found{}, ErrTicket
	}
	var logins []vtoken.Login
	for _, kept := range c.Logins {
		l := kept.withoutKey()
		if kept.Bound != nil {
			if l.Bound, err = box.Open(ticket, a.ID[:], kept.Bound); err != nil {
				Wipe(logins)
				return Found{}, fmt.Errorf("open the key of a PIN-bound token in a record: %w", err)
			}
		}
		logins = append(logins, l)
	}
	a.Process, a.Ended = c.Process, c.Ended
	return Found{Application: a, Logins: logins}, nil
}

func (r *Records) path(id ID) string { return filepath.Join(r.dir, hex.EncodeToString(id[:])+suffix) }

// write replaces the record in one step, so that a daemon that is killed leaves the old one or
// the new one. It does not wait for the disk.
func (r *Records) write(id ID, sealed []byte) error {
	path := r.path(id)
	if len(sealed) > maxRecord {
		return fmt.Errorf("write the record of a login: it would have %d bytes, and %d is the limit", len(sealed), maxRecord)
	}
	// A file of that name was left by a daemon that was killed.
	if err := os.Remove(path + temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write the record of a login: %w", err)
	}
	f, err := os.OpenFile(path+temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the record of a login: %w", err)
	}
	_, err = f.Write(sealed)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the record of a login: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

func (r *Records) read(id ID) (c contents, err error) {
	// Opening a pipe would wait for a writer.
	f, err := os.OpenFile(r.path(id), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, ErrNone
	case errors.Is(err, syscall.ELOOP):
		return c, fmt.Errorf("%w: it is a symbolic link", ErrDamaged)
	case err != nil:
		return c, fmt.Errorf("read the record of a login: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxRecord {
		return c, fmt.Errorf("%w: it is no regular file of up to %d bytes", ErrDamaged, maxRecord)
	}
	sealed, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return c, fmt.Errorf("read the record of a login: %w", err)
	}
	plain, err := r.sealer.OpenOutside(id, sealed)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := json.Unmarshal(plain, &c); err != nil {
		return c, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return c, nil
}

// sweep removes the records of processes that do not run any more, and files that are no
// records of this store.
func (r *Records) sweep() error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return fmt.Errorf("look for records of logins: %w", err)
	}
	for _, e := range entries {
		if r.wanted(e.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.dir, e.Name())); err != nil {
			return fmt.Errorf("remove an old record of a login: %w", err)
		}
	}
	return nil
}

// parseName returns the id in the name of a record's file.
func parseName(name string) (id ID, ok bool) {
	text, ok := strings.CutSuffix(name, suffix)
	raw, err := hex.DecodeString(text)
	if !ok || err != nil || len(raw) != len(id) {
		return id, false
	}
	return ID(raw), true
}

func (r *Records) wanted(name string) bool {
	id, ok := parseName(name)
	if !ok {
		return false
	}
	c, err := r.read(id)
	return err == nil && c.Boot == r.boot && c.Process.Lives()
}
