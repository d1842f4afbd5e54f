// Package scale holds the daemon and the module to many tokens and many
// processes at a time: what is never to happen with one token is not to happen
// with a hundred of them under random work from twenty processes either, and a
// thousand programs that come and go leave nothing behind. Nor does any of two
// hundred clients of its APIs get a wrong answer.
package scale
