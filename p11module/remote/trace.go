package remote

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"vtoken/vtoken/ck"
)

// Trace writes a line for each call. A nil Trace writes nothing.
type Trace struct {
	mu      sync.Mutex
	to      descriptor
	secrets bool
}

// openTrace is nil where nothing is to be written or the file cannot be opened:
// there is nobody to tell.
func openTrace(to string, secrets bool) *Trace {
	t := &Trace{secrets: secrets}
	switch to {
	case "":
		return nil
	case "stderr":
		t.to.made(syscall.Stderr)
		return t
	}
	fd, err := syscall.Open(to, syscall.O_WRONLY|syscall.O_APPEND|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil
	}
	t.to.made(fd)
	return t
}

// Arg is an argument of a call in a trace.
type Arg struct {
	name   string
	number uint64
	data   []byte
	isData bool
}

// Number is an argument that is a handle, a flag or a type.
func Number[T ~uint64](name string, v T) Arg { return Arg{name: name, number: uint64(v)} }

// Data is an argument that is data. Only its length is written, unless secrets
// were asked for.
func Data(name string, v []byte) Arg { return Arg{name: name, data: v, isData: true} }

// Call writes a call and how it went.
func (t *Trace) Call(name string, err error, args ...Arg) {
	var b strings.Builder
	b.WriteString(name)
	for i, a := range args {
		b.WriteString(map[bool]string{true: "(", false: ", "}[i == 0])
		t.arg(&b, a)
	}
	if len(args) > 0 {
		b.WriteString(")")
	}
	fmt.Fprintf(&b, " = %v", ck.CodeOf(err))
	if _, bare := err.(ck.Error); err != nil && !bare {
		fmt.Fprintf(&b, ": %v", err)
	}
	t.line(b.String())
}

func (t *Trace) arg(b *strings.Builder, a Arg) {
	switch {
	case !a.isData:
		fmt.Fprintf(b, "%s=%d", a.name, a.number)
	case t.secrets && a.data != nil:
		fmt.Fprintf(b, "%s=%x", a.name, a.data)
	case a.data == nil:
		fmt.Fprintf(b, "%s=null", a.name)
	default:
		fmt.Fprintf(b, "%s=(%d bytes)", a.name, len(a.data))
	}
}

// note writes what happened outside of a call.
func (t *Trace) note(err error) {
	if t != nil {
		t.line(err.Error())
	}
}

func (t *Trace) line(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rest := fmt.Appendf(nil, "%s vtoken[%d] %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), os.Getpid(), text)
	for len(rest) > 0 && t.to.ours() {
		n, err := syscall.Write(t.to.fd, rest)
		if err != nil && err != syscall.EINTR {
			return // there is nobody to tell
		}
		rest = rest[max(n, 0):]
	}
}

// Panic writes a mistake of this library that was caught in a call.
func (t *Trace) Panic(name string, what any, stack []byte) {
	t.line(fmt.Sprintf("%s panicked: %v\n%s", name, what, stack))
}

// Close closes the file; the standard error stays open.
func (t *Trace) Close() {
	if t.to.fd != syscall.Stderr && t.to.ours() {
		_ = syscall.Close(t.to.fd)
	}
}
