package work

import (
	"context"
	"crypto/hmac"
	"fmt"
	"hash"
	"math"

	"vtoken/vtoken/secret"
)

// Budget is what a request may still spend. It is used by one goroutine.
type Budget struct {
	ctx         context.Context
	limit, left int64
}

// New returns a budget of so many steps for a request that ends with its context.
func New(ctx context.Context, steps int64) *Budget {
	return &Budget{ctx: ctx, limit: steps, left: steps}
}

// OverError is the error for work that costs more than the budget has.
type OverError struct {
	// Wanted is the price of the work and of all before it, Limit that of all that is
	// allowed.
	Wanted, Limit int64
}

// Error returns both numbers.
func (e *OverError) Error() string {
	return fmt.Sprintf("it takes %d steps of work or more, and may take %d", e.Wanted, e.Limit)
}

// Fits returns [OverError] if a price is more than the budget has, and the error of the
// context if the request has ended. It takes nothing.
func (b *Budget) Fits(steps int64) error {
	if err := b.ctx.Err(); err != nil {
		return fmt.Errorf("the request ended while its file was read: %w", err)
	}
	if steps < 0 || steps > b.left {
		return &OverError{Wanted: Sum(b.Spent(), steps), Limit: b.limit}
	}
	return nil
}

// Take takes a price, or fails as [Budget.Fits] does.
func (b *Budget) Take(steps int64) error {
	if err := b.Fits(steps); err != nil {
		return err
	}
	b.left -= steps
	return nil
}

// Spent returns what was taken so far.
func (b *Budget) Spent() int64 { return b.limit - b.left }

// Sum returns a + b, or the greatest number where that is too large or where one of them
// is negative: prices come from files.
func Sum(a, b int64) int64 {
	if a < 0 || b < 0 || a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Product returns a × b with the rules of [Sum].
func Product(a, b int64) int64 {
	if a < 0 || b < 0 || b > 0 && a > math.MaxInt64/b {
		return math.MaxInt64
	}
	return a * b
}

// Blocks returns how many outputs of a hash function make size bytes.
func Blocks(size, hashSize int) int64 { return (int64(size) + int64(hashSize) - 1) / int64(hashSize) }

// stride is how many steps are made between two looks at the context.
const stride = 4096

// Repeat calls fn so many times, until the request ends. The caller has taken the price.
func (b *Budget) Repeat(times int64, fn func()) error {
	for i := range times {
		if i%stride == 0 {
			if err := b.Fits(0); err != nil {
				return err
			}
		}
		fn()
	}
	return nil
}

// PBKDF2Price returns what [Budget.PBKDF2] takes: iterations × blocks.
func PBKDF2Price(iterations int64, size, hashSize int) int64 {
	return Product(iterations, Blocks(size, hashSize))
}

// PBKDF2 takes its price and derives a key of size bytes (RFC 8018, section 5.2). The
// caller wipes the key.
func (b *Budget) PBKDF2(h func() hash.Hash, password, salt []byte, iterations int64, size int) (secret.Bytes, error) {
	if iterations < 1 || size < 1 {
		return nil, fmt.Errorf("PBKDF2 cannot make a key of %d bytes with %d iterations", size, iterations)
	}
	prf := hmac.New(h, password)
	n := prf.Size()
	if err := b.Take(PBKDF2Price(iterations, size, n)); err != nil {
		return nil, err
	}
	key := make(secret.Bytes, 0, int(Blocks(size, n))*n)
	u, t := make([]byte, 0, n), make([]byte, n)
	defer clear(u[:n])
	defer clear(t)
	for block := uint32(1); len(key) < size; block++ {
		prf.Reset()
		prf.Write(salt)
		prf.Write([]byte{byte(block >> 24), byte(block >> 16), byte(block >> 8), byte(block)})
		u = prf.Sum(u[:0])
		copy(t, u)
		err := b.Repeat(iterations-1, func() {
			prf.Reset()
			prf.Write(u)
			u = prf.Sum(u[:0])
			for i, c := range u {
				t[i] ^= c
			}
		})
		if err != nil {
			key.Wipe()
			return nil, err
		}
		key = append(key, t...)
	}
	clear(key[size:])
	return key[:size:size], nil
}
