package p11server

import (
	"io"
	"log/slog"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// The cost of the way to the engine and back, with an engine that does nothing.
func BenchmarkRoundTrip(b *testing.B) {
	quiet := Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	answer := make([]byte, 64)
	s := serve(b, quiet, func(f *fakeClient) {
		f.signInit = func(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return nil }
		f.sign = func(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
			return ck.Output{Data: answer, Len: 64}, nil
		}
	})
	digest := make([]byte, 32)
	sign, init := signRequest(5, digest), signInitRequest(5)
	read := func(d *p11rpc.Decoder) { _, _ = d.Output(ck.Buffer{Len: 64}) }

	b.Run("one", func(b *testing.B) {
		c, _ := s.initialized(b)
		b.ReportAllocs()
		for b.Loop() {
			if err := c.call(p11rpc.CallSign, sign, read); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("two-pipelined", func(b *testing.B) {
		c, _ := s.initialized(b)
		b.ReportAllocs()
		for b.Loop() {
			c.add(p11rpc.CallSignInit, init)
			c.add(p11rpc.CallSign, sign)
			c.send()
			if _, err := c.answer(p11rpc.CallSignInit, nil); err != nil {
				b.Fatal(err)
			}
			if _, err := c.answer(p11rpc.CallSign, read); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("eight-sessions-one-connection", func(b *testing.B) {
		c, _ := s.initialized(b)
		for i := range 8 {
			c.add(p11rpc.CallSign, signRequest(ck.SessionHandle(i+1), digest))
			c.send()
		}
		for b.Loop() {
			code, err := c.answer(p11rpc.CallSign, read)
			if err != nil {
				b.Fatal(err)
			}
			c.add(p11rpc.CallSign, signRequest(ck.SessionHandle(code%8+1), digest))
			c.send()
		}
	})
	b.Run("parallel-connections", func(b *testing.B) {
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			c, _ := s.initialized(b)
			for pb.Next() {
				if err := c.call(p11rpc.CallSign, sign, read); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
