// Package text bounds text that callers send: it shortens what goes into messages, and
// makes labels of names that other programs chose. It refuses nothing.
package text
