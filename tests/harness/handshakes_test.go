package harness

import (
	"crypto/tls"
	"errors"
	"testing"
)

// TestFeed: at least as many jobs as asked for, and none after a reload failed.
func TestFeed(t *testing.T) {
	kinds := []*tls.Config{{}, {}}
	for _, c := range []struct {
		count int
		err   error
	}{{count: 10}, {count: 0}, {count: 10, err: errors.New("a reload failed")}} {
		jobs, reloaded := make(chan *tls.Config), make(chan error, 1)
		handed, done := 0, make(chan bool)
		go func() {
			for range jobs {
				handed++
			}
			close(done)
		}()
		reloaded <- c.err
		if err := feed(c.count, kinds, jobs, reloaded); !errors.Is(err, c.err) {
			t.Errorf("%d jobs: error %v, not %v", c.count, err, c.err)
		}
		<-done
		if c.err == nil && handed < c.count {
			t.Errorf("%d jobs were handed out, of %d", handed, c.count)
		}
	}
}
