package timing

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// class is a kind of ciphertexts.
type class struct {
	name string
	// make makes a ciphertext, other each time, and tells what its decryption has to
	// give.
	make func() (ciphertext []byte, want answer)
	// apart is set where the class is told from the first one anyway, by the answer or
	// because the sender sees the ciphertext: its time adds nothing to that, and is
	// not judged.
	apart bool
}

// answer is what a ciphertext has to be answered with.
type answer struct {
	err error
	// message is that of the ciphertext; nil where there is none, and then any will do.
	message []byte
}

// subject is what is measured.
type subject struct {
	name string
	// classes are what it decrypts; the first one is what others are compared with.
	classes []class
	decrypt func(ciphertext []byte) ([]byte, error)
	// check holds an answer to what it has to be.
	check func(want answer, plain []byte, err error) error
}

// clock tells the time, in nanoseconds.
type clock func() int64

// monotonic is the clock of the machine.
func monotonic() clock {
	begun := time.Now()
	return func() int64 { return int64(time.Since(begun)) }
}

// measure decrypts a ciphertext of each class in each round, in random order, and
// returns the times by class and round. The first rounds, in which caches fill, do
// not count.
func measure(s subject, rounds int, now clock, r *rand.Rand) ([][]float64, error) {
	const warmUp = 20
	times := make([][]float64, len(s.classes))
	ciphertexts, wants := make([][]byte, len(s.classes)), make([]answer, len(s.classes))
	for round := range warmUp + rounds {
		for i, c := range s.classes {
			ciphertexts[i], wants[i] = c.make()
		}
		for _, i := range r.Perm(len(s.classes)) {
			begun := now()
			plain, err := s.decrypt(ciphertexts[i])
			took := now() - begun
			if err := s.check(wants[i], plain, err); err != nil {
				return nil, fmt.Errorf("%s, class %q: %w", s.name, s.classes[i].name, err)
			}
			if round >= warmUp {
				times[i] = append(times[i], float64(took))
			}
		}
	}
	return times, nil
}
