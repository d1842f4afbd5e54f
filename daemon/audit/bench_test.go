package audit

import (
	"crypto/ed25519"
	"testing"

	"filippo.io/age"
)

// BenchmarkRecord is what a recorded call costs beside the call.
func BenchmarkRecord(b *testing.B) { benchmarkRecord(b) }

// BenchmarkSealedRecord is the same with one auditor.
func BenchmarkSealedRecord(b *testing.B) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		b.Fatal(err)
	}
	benchmarkRecord(b, key.Recipient())
}

func benchmarkRecord(b *testing.B, to ...age.Recipient) {
	l, err := Open(Options{
		Dir: b.TempDir(), Key: ed25519.NewKeyFromSeed(seed), Anchor: func(Head) error { return nil }, Recipients: to,
		Failed: func(err error) { b.Error(err) },
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e, err := l.Begin(Record{Event: "event"})
		if err != nil {
			b.Fatal(err)
		}
		e.End(Record{Event: "login", Result: "ok", Process: &Process{UID: 1000, PID: 42, Executable: "/usr/bin/ssh"}})
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}
