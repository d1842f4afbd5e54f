package httpkit

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurnsComeInOrder has one place, and requests that come a millisecond apart.
func TestTurnsComeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests = 20
		place, order, inside := make(turns, 1), make(chan int, requests), 0
		for i := range requests {
			go func() {
				<-time.After(time.Duration(i) * time.Millisecond)
				defer place.enter()()
				if inside++; inside > 1 {
					t.Errorf("request %d is the %dth at a time", i, inside)
				}
				<-time.After(5 * time.Millisecond)
				inside--
				order <- i
			}()
		}
		var got []int
		for range requests {
			got = append(got, <-order)
		}
		if !slices.IsSorted(got) {
			t.Errorf("the order is %v", got)
		}
	})
}

// TestSlowRequestsKeepNobodyOut has as many slow requests as there are places, and
// then as many again while all of them wait.
func TestSlowRequestsKeepNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places := make(turns, 3)
		hold := func() {
			for range cap(places) {
				go func() {
					defer places.enter()()
					<-time.After(time.Hour)
				}()
			}
			synctest.Wait()
		}
		waits := func(least, most time.Duration) {
			t.Helper()
			began := time.Now()
			places.enter()()
			if took := time.Since(began); took < least || took > most {
				t.Errorf("a request waited for %v, want %v to %v", took, least, most)
			}
		}
		hold()
		<-time.After(maxTurn / 5)
		waits(maxTurn*4/5, maxTurn*4/5) // until the first slow ones have had their turn
		hold()
		hold()
		hold()
		waits(maxTurn, maxTurn) // and no longer behind two rows of them
		<-time.After(2 * time.Hour)
		if len(places) != 0 {
			t.Errorf("%d places are taken when all have left", len(places))
		}
		waits(0, 0)
	})
}

// TestWaitingRequestsGiveUpTheirTurn has a request that waits for something that is no
// work, with the one place there is.
func TestWaitingRequestsGiveUpTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place, done := make(turns, 1), make(chan struct{})
		serve := func(h http.HandlerFunc) {
			place.inTurn(h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		}
		go func() {
			serve(func(_ http.ResponseWriter, r *http.Request) {
				GiveUpTurn(r.Context())
				GiveUpTurn(r.Context())
				<-done
			})
			close(done)
		}()
		synctest.Wait()
		began := time.Now()
		serve(func(http.ResponseWriter, *http.Request) {})
		if took := time.Since(began); took > 0 {
			t.Errorf("a request waited %v for one that has given up its turn", took)
		}
		done <- struct{}{}
		<-done
		if len(place) != 0 {
			t.Error("the place is taken when all have left")
		}
		GiveUpTurn(t.Context()) // of no request
	})
}
