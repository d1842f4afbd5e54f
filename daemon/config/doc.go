// Package config is the configuration of the daemon: one struct, its defaults,
// the file and the flags that fill it, and the checks that it must pass.
//
// Flags win over the file, the file wins over the defaults. The documented
// sample is vtokend.yaml in this folder; a test loads it, and proves that it
// names every key and shows the defaults.
//
// The table in settings.go says of every setting whether it changes when a running daemon
// reads its configuration again, or needs a restart.
package config
