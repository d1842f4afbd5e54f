package secret_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"unsafe"

	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
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
	n := left(t, func(f func()) { f() })
	require.NotEqual(t, 0, n, "the test does not see what is on a stack")
	n = left(t, secret.OnOwnStack)
	require.Equal(t, 0, n, "%d copies are left", n)
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
		if !strings.Contains(text, "stack_test.go") {
			t.Errorf("a panic does not say where it was: %q", text)
		}
	}
	require.Nil(t, caught(func() {}))
}

func BenchmarkOnOwnStack(b *testing.B) {
	for b.Loop() {
		secret.OnOwnStack(func() {})
	}
}
