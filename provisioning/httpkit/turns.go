package httpkit

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"time"
)

const (
	// turnsPerProcessor is how many requests are worked on at a time for each
	// processor. Those that wait for the commit to the store count too, so it is
	// wide enough that they share commits.
	turnsPerProcessor = 32

	// maxTurn is how long a request waits for its turn, and how long it has it. It
	// goes on after either: turns are for the order, and nobody who sends a body a
	// byte at a time, or makes a key, keeps others out.
	maxTurn = 250 * time.Millisecond
)

// turns has one value for each request that is worked on. Without them, hundreds of
// requests at once are all begun, and whoever leads the commit to the store stands
// behind all of them each time it comes back from the disk: writes then take far
// longer than reads, and some of them longer still. In turns, requests are served in
// the order in which they came.
type turns chan struct{}

func newTurns() turns { return make(turns, turnsPerProcessor*runtime.GOMAXPROCS(0)) }

// inTurn has requests wait for their turn.
func (t turns) inTurn(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leave := t.enter()
		defer leave()
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), turnKey{}, leave)))
	})
}

type turnKey struct{}

// GiveUpTurn lets another request be worked on in place of the one that ctx is of, which
// goes on: it has to wait for something that is no work.
func GiveUpTurn(ctx context.Context) {
	if leave, ok := ctx.Value(turnKey{}).(func()); ok {
		leave()
	}
}

// enter waits for a turn, maxTurn at the most. The caller calls leave when it is done,
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
