package httpkit

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"time"
)

const (
	// turnsPerProcessor is how many requests run at a time for each processor. Those that
	// wait for a commit of the store count too, so it is large enough for them to share
	// commits.
	turnsPerProcessor = 32

	// maxTurn is how long a request waits for its turn, and how long a turn lasts. A
	// request continues after either: turns only order requests, and nobody can block
	// others by sending a body a byte at a time, or by making a key.
	maxTurn = 250 * time.Millisecond
)

// turns has one value for each request that is running. Without turns, hundreds of
// concurrent requests would all start, and the goroutine that leads the commit of the
// store would wait behind all of them each time it returns from the disk: writes would
// take far longer than reads. With turns, requests are served in the order in which they
// arrive.
type turns chan struct{}

func newTurns() turns { return make(turns, turnsPerProcessor*runtime.GOMAXPROCS(0)) }

// inTurn makes requests wait for their turn.
func (t turns) inTurn(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leave := t.enter()
		defer leave()
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), turnKey{}, leave)))
	})
}

type turnKey struct{}

// GiveUpTurn ends the turn of the request of ctx, which continues: it is about to wait
// for something else than a processor.
func GiveUpTurn(ctx context.Context) {
	if leave, ok := ctx.Value(turnKey{}).(func()); ok {
		leave()
	}
}

// enter waits for a turn, at most for maxTurn. The caller calls leave when it is done,
// once or more often.
func (t turns) enter() (leave func()) {
	select {
	case t <- struct{}{}:
	default:
		late := time.NewTimer(maxTurn)
		defer late.Stop()
		select {
		case t <- struct{}{}:
		case <-late.C:
			return func() {}
		}
	}
	once := sync.OnceFunc(func() { <-t })
	over := time.AfterFunc(maxTurn, once)
	return func() {
		over.Stop()
		once()
	}
}
