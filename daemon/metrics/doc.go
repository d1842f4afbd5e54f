// Package metrics counts what the daemon does, for Prometheus. docs/metrics.md lists the
// metrics.
//
// It makes no decisions. Packages that have something to count declare a small interface or a
// function for it, which a part of [Set] implements, and the daemon connects the two. Metrics
// do not name tokens, users, labels, files or tenants: a reader learns how busy the daemon is,
// and no more.
//
// # The signing path
//
// [Calls] counts every PKCS#11 call. It finds its counters in an array by the number of the
// call, and neither locks nor allocates; only a failed call looks up the counter of its code.
//
// # A daemon that does not start
//
// It serves no metrics. The result of the start is also written to a file ([WriteStart]),
// which Prometheus' node exporter reads, so that a refused store raises an alarm without a
// running daemon.
package metrics
