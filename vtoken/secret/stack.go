package secret

import (
	"fmt"
	"runtime/debug"
)

// Go does not clear a stack: what a function had there stays until another
// function's frame covers it, and a stack that grows or shrinks leaves a copy
// behind. OnOwnStack gives a function that handles secrets a stack that does
// neither, and that is cleared.
const (
	// room is what f may use of the stack, in bytes. Go makes the stack of the next
	// power of two above room and pad.
	room = 80 << 10
	// pad is held while f runs, and is more than a quarter of the whole stack: with
	// less in use, the garbage collector would move it to a smaller one.
	pad = 40 << 10
)

// OnOwnStack calls f on a stack of its own, which is overwritten before it is
// given back, and waits for it: f runs on another goroutine. A panic of f goes on
// in the caller. What f leaves in the heap is not touched.
//
// A call takes some microseconds. It is for work on secrets that is done in Go:
// reading, making and encoding keys, checking PINs.
func OnOwnStack(f func()) {
	done := make(chan any, 1)
	go func() {
		defer func() {
			p := recover()
			burn()
			done <- p
		}()
		deep(f)
	}()
	if p := <-done; p != nil {
		panic(p)
	}
}

// deep calls f with the stack grown, under a frame that is large.
//
//go:noinline
func deep(f func()) {
	var held [pad]byte
	burn() // grows the stack, as the frame of burn has to fit
	relay(f)
	touch(held[:])
}

// relay calls f, and adds to a panic where it was, unless that is an error which
// somebody above may be waiting for.
func relay(f func()) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case interface{ RuntimeError() }:
			panic(fmt.Sprintf("%v\n%s", p, debug.Stack()))
		case error:
			panic(p)
		default:
			panic(fmt.Sprintf("%v\n%s", p, debug.Stack()))
		}
	}()
	f()
}

// burn covers the stack below its caller with zeroes.
//
//go:noinline
func burn() {
	var zero [room]byte
	touch(zero[:])
}

// touch keeps the compiler from leaving an array out.
//
//go:noinline
func touch(b []byte) byte { return b[len(b)-1] }
