package secret_test

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/secret"
)

// fill leaves a text in a frame, and tells where.
//
//go:noinline
func fill(text string) uintptr {
	var frame [4 << 10]byte
	for i := range frame {
		frame[i] = text[i%len(text)]
	}
	return uintptr(unsafe.Pointer(&frame))
}

// left is how much of what fill left on the stack is there after run. The memory
// is no variable's any more, so it is read as the system has it.
func left(t *testing.T, run func(func())) int {
	t.Helper()
	mem, err := os.Open("/proc/self/mem")
	require.NoError(t, err)
	defer mem.Close()
	frame := make([]byte, 4<<10)
	var at uintptr
	run(func() { at = fill("canary") })
	_, err = mem.ReadAt(frame, int64(at))
	require.NoError(t, err)
	return bytes.Count(frame, []byte("canary"))
}

// TestOwnStackIsCleared also does it without, to show that the test can see.
func TestOwnStackIsCleared(t *testing.T) {
	if n := left(t, func(f func()) { f() }); n == 0 {
		t.Error("the test does not see what is on a stack")
	}
	if n := left(t, secret.OnOwnStack); n != 0 {
		t.Errorf("%d copies are left", n)
	}
}

func TestPanicGoesOn(t *testing.T) {
	caught := func(f func()) (p any) {
		defer func() { p = recover() }()
		secret.OnOwnStack(f)
		return nil
	}
	wanted := errors.New("wanted")
	if p := caught(func() { panic(wanted) }); p != wanted {
		t.Errorf("an error came as %v", p)
	}
	var none []byte
	for _, f := range []func(){func() { panic("text") }, func() { none[0] = 1 }} {
		text, _ := caught(f).(string)
		require.Contains(t, text, "stack_test.go", "a panic does not say where it was: %q", text)
	}
	if p := caught(func() {}); p != nil {
		t.Error(p)
	}
}

func BenchmarkOnOwnStack(b *testing.B) {
	for b.Loop() {
		secret.OnOwnStack(func() {})
	}
}
