package audit

import (
	"crypto/ed25519"
	"testing"
)

// BenchmarkRecord is what a recorded call costs beside the call.
func BenchmarkRecord(b *testing.B) {
	l, err := Open(Options{
		Dir: b.TempDir(), Key: ed25519.NewKeyFromSeed(seed), Anchor: func(Head) error { return nil },
		Failed: func(err error) { b.Error(err) },
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e, err := l.Begin()
		if err != nil {
			b.Fatal(err)
		}
		e.End(Record{Event: "login", Result: "ok", Process: &Process{UID: 1000, PID: 42, Executable: "/usr/bin/ssh"}})
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}
