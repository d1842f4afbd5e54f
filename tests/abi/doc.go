// Package abi tests the module as hosts meet it: a shared library with C
// functions. Its tests compile small hosts (testdata/*.c) with the system's C
// compiler and run them against the built module and a daemon: what is exported,
// what the front refuses, threads, forked children, loading and unloading, a
// daemon that is absent or does not answer, and memory.
package abi
