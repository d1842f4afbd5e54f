package mech_test

import (
	"sync"
	"testing"
)

// One key serves any number of operations at the same time; the race detector
// sees whether one writes to it.
func TestKeysAreShared(t *testing.T) {
	for _, s := range signSuites(t) {
		data := s.data()
		if len(data) == 0 {
			data = []byte{1}
		}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				sig := sign(t, s.m, s.priv, s.p, data)
				if err := verify(t, s.m, s.pub, s.p, sig, data); err != nil {
					t.Errorf("%v: %v", s.m, err)
				}
			})
		}
		wg.Wait()
	}
}
