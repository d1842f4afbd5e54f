package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// Record is one line. Fields that do not apply are empty.
type Record struct {
	Seq   uint64    `json:"seq,omitzero"`
	Time  time.Time `json:"time,omitzero"`
	Event string    `json:"event"`
	// Result is "ok", or the name of the error.
	Result string `json:"result,omitempty"`
	// Process is who asked through a Unix socket, and whose sessions an administrator ended.
	Process *Process `json:"process,omitempty"`
	// Caller is the name of the API key, or of the administrator, and From where
	// a request over HTTPS came from.
	Caller string `json:"caller,omitempty"`
	From   string `json:"from,omitempty"`
	// Request is the id of an API request, as in the daemon's log.
	Request string `json:"request,omitempty"`
	Tenant  string `json:"tenant,omitempty"`
	// Token is its id. Labels are not written: the log lies in clear beside the
	// store, which keeps them sealed. `vtoken token show ID` tells them.
	Token  string `json:"token,omitempty"`
	Serial string `json:"serial,omitempty"`
	Slot   uint64 `json:"slot,omitempty"`
	// Role is whose PIN it is about.
	Role string `json:"role,omitempty"`
	// Object is the key that was made, destroyed or exported, the KEK that was added or
	// removed, or the application whose sessions were to end.
	Object *Object `json:"object,omitempty"`
	// Detail says more: the mechanism, the route of a request, a version.
	Detail string `json:"detail,omitempty"`
	// Tries says what became of the tries of a PIN or code that an API request gave, or
	// gave new tries, such as "SO PIN wrong" or "user PIN unlocked".
	Tries string `json:"tries,omitempty"`
	// Locked says that the PIN is locked after this.
	Locked bool `json:"locked,omitempty"`
	// Repeated is how many more records of this kind there were since the last line of the
	// kind: refusals of the same caller that changed nothing. This line is like the last
	// of them.
	Repeated uint64 `json:"repeated,omitempty"`
	// Since is when the first of the repeated ones was, or when what has no other line
	// was begun.
	Since time.Time `json:"since,omitzero"`
	// ClockBack is how far this line's time is before that of the line before it: the
	// clock was set back.
	ClockBack string `json:"clockBack,omitempty"`
	// Sealed is the record itself, without number, time and predecessor, encrypted to
	// the auditors; nothing else is in the line then. It is a whole age file.
	Sealed []byte `json:"sealed,omitempty"`
	Prev   string `json:"prev,omitempty"`
}

// Process is the process at the other end of a Unix socket.
type Process struct {
	UID uint32 `json:"uid"`
	PID int32  `json:"pid"`
	// Executable is its program, where the daemon may see that.
	Executable string `json:"exe,omitempty"`
}

// Object names an object of a token, a KEK or an application.
type Object struct {
	Class string `json:"class"`
	Type  string `json:"keyType,omitempty"`
	ID    string `json:"id,omitempty"` // CKA_ID in hexadecimal digits; of a KEK its URI, of an application its own id
}

// Event names, beside those that name routes of the API.
const (
	EventBegin = "begin" // of a file
	EventStart = "start" // of the daemon
	EventStop  = "stop"
	// EventReload is that the daemon read its configuration again. The detail names the
	// settings that changed.
	EventReload = "reload"
	// EventLogin is the login of an application.
	EventLogin = "login"
	// EventResume is that an application has a login again that it had before the daemon
	// crashed, or that it does not. Without a token it is a ticket that was refused.
	EventResume = "resume"
	// EventGap is that lines are gone which were there.
	EventGap = "gap"
	// EventInterrupted is what was begun when the daemon was killed, and has no line of its
	// own: it may have been done, or not.
	EventInterrupted = "interrupted"
	// EventDiskLow is that the disk is nearly full.
	EventDiskLow = "disk-low"
	// EventArchive is that old lines are kept elsewhere from now on.
	EventArchive = "archive"
)

// MaxLine bounds a line with its newline, in bytes. Texts are clipped to fit.
const MaxLine = 8 << 10

// MaxText bounds each text in a line, in bytes; JSON makes at most six bytes of one.
const MaxText = 96

// clipped returns the record with each text cut to that many bytes.
func (r Record) clipped(most int) Record {
	texts := []*string{
		&r.Event, &r.Result, &r.Caller, &r.From, &r.Request, &r.Tenant, &r.Token, &r.Serial, &r.Role, &r.Detail, &r.Tries,
	}
	if r.Process != nil {
		p := *r.Process
		r.Process, texts = &p, append(texts, &p.Executable)
	}
	if r.Object != nil {
		o := *r.Object
		r.Object, texts = &o, append(texts, &o.Class, &o.Type, &o.ID)
	}
	for _, t := range texts {
		*t = clip(*t, most)
	}
	return r
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// hash is the hash of a line, by which the next line names it.
type hash = [sha256.Size]byte

const (
	signed  = "vtoken audit 1\n" // begins what is signed
	sigMark = `,"sig":"`
	sigEnd  = `"}`
)

// sigRoom is the length that the signature adds to a line, with its newline.
const sigRoom = len(sigMark) + (ed25519.SignatureSize+2)/3*4 + len(sigEnd)

// body returns the record as JSON, with texts cut to fit a line.
func (r Record) body() (body []byte, err error) {
	for most := MaxText; ; most /= 2 {
		body, err = json.Marshal(r.clipped(most))
		if err != nil || len(body)+sigRoom < MaxLine || most < leastText {
			return body, err
		}
	}
}

// line returns the record as a signed line without its newline.
func (r Record) line(key ed25519.PrivateKey) ([]byte, error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	body = bytes.TrimSuffix(body, []byte("}"))
	sig := ed25519.Sign(key, append([]byte(signed), body...))
	body = append(body, sigMark...)
	body = base64.StdEncoding.AppendEncode(body, sig)
	return append(body, sigEnd...), nil
}

// parseLine parses a line without its newline and checks its signature.
func parseLine(line []byte, key ed25519.PublicKey) (r Record, err error) {
	signature, ended := bytes.CutSuffix(line, []byte(sigEnd)) // first: mark and end could share a byte
	at := bytes.LastIndex(signature, []byte(sigMark))
	if len(line) >= MaxLine || at < 0 || !ended {
		return r, fmt.Errorf("line is not an audit record")
	}
	text := signature[at+len(sigMark):]
	// A decoder overlooks line ends; a line has one form only.
	sig, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || base64.StdEncoding.EncodeToString(sig) != string(text) || !ed25519.Verify(key, append([]byte(signed), line[:at]...), sig) {
		return r, fmt.Errorf("the signature of a line is wrong")
	}
	if err := json.Unmarshal(append(bytes.Clone(line[:at]), '}'), &r); err != nil {
		return r, fmt.Errorf("parse a line: %w", err)
	}
	return r, nil
}
