package main

import (
	"runtime/debug"
	"testing"
	"time"
)

// TestSweeper: a note has the garbage collector run, and one that comes while
// it runs is not lost.
func TestSweeper(t *testing.T) {
	collections := func() int64 {
		var stats debug.GCStats
		debug.ReadGCStats(&stats)
		return stats.NumGC
	}
	s := newSweeper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.run()
	}()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for range 2 {
		before := collections()
		s.note()
		s.note()
		for collections() < before+int64(len(pauses)) {
			<-again.C
		}
	}
	s.stop()
	<-ended
}
