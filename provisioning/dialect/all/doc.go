// Package all is the one list of the vendors' dialects. Our own API is not in
// it, because it is always served.
package all
