// Package metrics counts what the daemon does, in the text format that Prometheus
// reads. docs/metrics.md lists what there is.
//
// It decides nothing. Whoever has something to count declares a small interface
// or a function for it, which a part of [Set] satisfies, and the daemon joins the
// two. Nothing here names a token, a user, a label, a file or a tenant: who may
// read the metrics learns how busy the daemon is, and no more.
//
// # The signing path
//
// [Calls] is told of every call of PKCS#11. It finds its counters in an array by
// the number of the call, and neither locks nor allocates; only a call that failed
// looks up the counter of its code.
//
// # A daemon that does not start
//
// It serves no metrics. What its start came to is written to a file as well
// ([WriteStart]), which Prometheus' node exporter reads, so that a refused store
// raises an alarm while there is no daemon to ask.
package metrics
