// Package pace slows down the guessing of secrets. Comparisons of one secret run one after
// the other, and after wrong ones each waits as [pin.Pace] says, for the secret and for the
// credential that makes the tries. It knows no secret and no token: its callers compare.
package pace
