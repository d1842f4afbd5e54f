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
	"os"
	"path/filepath"
	"strings"
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
func Restored(id ID, p peer.Process, ticket [sha256.Size]byte, public []byte) Application {
	return Application{ID: id, Process: p, ticket: ticket, public: public}
}

// Public is the key that is made of the ticket, to which its secrets are sealed.
func (a Application) Public() []byte { return a.public }

// Errors of Find.
var (
	// ErrNone means that there is no record of the application.
	ErrNone = errors.New("no record of the application")
	// ErrForeign means that the record is another process's, or was made before the machine
	// was switched on, or that the ticket is wrong.
	ErrForeign = errors.New("the record is not this process's")
)

// Records are the records in one folder. All methods may be called concurrently, for one
// application one at a time.
type Records struct {
	dir    string
	boot   string
	sealer Sealer
	now    func() time.Time
}

const (
	suffix    = ".login"
	temporary = ".new"
	// maxRecord bounds a file in bytes: some hundred logins with PIN-bound tokens.
	maxRecord = 1 << 20
)

// Open opens the folder, makes it if it is missing, and removes records of processes that do
// not run any more. It refuses a folder that others may write to.
func Open(dir string, sealer Sealer) (*Records, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("ask the kernel for the id of this boot: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the folder for records of logins: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("look at the folder for records of logins: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ok || owner.Uid != uint32(os.Geteuid()) {
		return nil, fmt.Errorf("%s is not a folder of this user alone (0700); remove it, and the daemon makes it again", dir)
	}
	r := &Records{dir: dir, boot: strings.TrimSpace(string(boot)), sealer: sealer, now: time.Now}
	return r, r.sweep()
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
// the daemon. If it fails, there is no record, so that no login comes back that has ended.
func (r *Records) Keep(a Application, logins []vtoken.Login) error {
	defer Wipe(logins)
	if len(logins) == 0 && len(a.Ended) == 0 {
		return r.Forget(a.ID)
	}
	if err := r.keep(a, logins); err != nil {
		return errors.Join(err, r.Forget(a.ID))
	}
	return nil
}

func (r *Records) keep(a Application, logins []vtoken.Login) error {
	if !a.Process.Known() {
		return nil
	}
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
	plain, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("keep the login of an application: %w", err)
	}
	sealed, err := r.sealer.SealOutside(a.ID, plain)
	if err != nil {
		return fmt.Errorf("keep the login of an application: %w", err)
	}
	return r.write(a.ID, sealed)
}

// Wipe wipes the keys of logins.
func Wipe(logins []vtoken.Login) {
	for _, l := range logins {
		l.Bound.Wipe()
	}
}

// Forget removes the record of an application, if there is one.
func (r *Records) Forget(id ID) error {
	if err := os.Remove(r.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the login of an application: %w", err)
	}
	return nil
}

// Ended returns the sessions of an application that an administrator ended, as its record says.
func (r *Records) Ended(id ID) map[uint64]uint64 {
	c, err := r.read(id)
	if err != nil {
		return nil // without a record none were ended
	}
	return c.Ended
}

// Found is an application and the logins that it had.
type Found struct {
	// Application is the one of the record: its process has the user that it began with.
	Application Application
	Logins      []vtoken.Login
}

// Find returns the logins of an application that shows its ticket. The caller wipes their
// keys. It fails with ErrNone or ErrForeign. The record stays.
func (r *Records) Find(a Application, ticket secret.Bytes) (Found, error) {
	c, err := r.read(a.ID)
	if err != nil {
		return Found{}, err
	}
	same := subtle.ConstantTimeCompare(c.Ticket, a.ticket[:]) == 1
	if !same || !a.Process.Known() || !c.Process.Is(a.Process) || c.Boot != r.boot {
		return Found{}, ErrForeign
	}
	var logins []vtoken.Login
	for _, kept := range c.Logins {
		l := vtoken.Login{Token: kept.Token, Role: kept.Role}
		if copy(l.Verifier[:], kept.Verifier) != len(l.Verifier) {
			continue
		}
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
	if err := os.WriteFile(path+temporary, sealed, 0o600); err != nil {
		return fmt.Errorf("write the record of a login: %w", err)
	}
	if err := os.Rename(path+temporary, path); err != nil {
		return fmt.Errorf("write the record of a login: %w", err)
	}
	return nil
}

func (r *Records) read(id ID) (c contents, err error) {
	f, err := os.OpenFile(r.path(id), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return c, ErrNone
	}
	if err != nil {
		return c, fmt.Errorf("read the record of a login: %w", err)
	}
	defer f.Close()
	sealed, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return c, fmt.Errorf("read the record of a login: %w", err)
	}
	plain, err := r.sealer.OpenOutside(id, sealed)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	if err := json.Unmarshal(plain, &c); err != nil {
		return c, fmt.Errorf("%w: %w", ErrForeign, err)
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
		if err := os.Remove(filepath.Join(r.dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an old record of a login: %w", err)
		}
	}
	return nil
}

func (r *Records) wanted(name string) bool {
	text, ok := strings.CutSuffix(name, suffix)
	raw, err := hex.DecodeString(text)
	if !ok || err != nil || len(raw) != len(ID{}) {
		return false
	}
	c, err := r.read(ID(raw))
	return err == nil && c.Boot == r.boot && c.Process.Lives()
}
