// Command mutants asks whether the tests would notice a fault. It makes small faults in
// the code (mutants), runs the tests of the package against each, and prints those that
// no test noticed (survivors).
//
//	mutants -seed 1 -n 200 ./vtoken/... ./provisioning
//
// The faults are those of [operators]: a comparison turned, a condition negated, an error
// swallowed, a flag or a number changed, an operator of arithmetic exchanged, a statement
// left out. Lines of a log and texts of errors are left alone, as are generated files.
//
// A mutant is compiled with the -overlay flag of the go command, so that no file of the
// tree is touched. It counts as noticed if a test fails, panics or hangs for three times as
// long as the tests take without it and ten seconds. A mutant that does not compile
// counts for nothing, and the next of the sample takes its place.
//
// The quick tests of a package run before the slow ones, in a process of their own, and the
// first that fails ends the run. So a mutant that is noticed costs little, and one that
// survives costs what the tests cost. -skip leaves tests out: the share is then a lower bound.
//
// The seed gives each mutant its place in the sample by what it changes and in which
// function, not by its line: the sample of a seed stays what it was while other code moves.
//
// A survivor shows one of three things. A test is missing: write it. Nobody needs the
// code: delete it. No test can see the difference: add the mutant to equivalent.txt, in
// the form in which it was printed, below a line with the reason.
//
// Mutants run with the rights of the user. A fault may write to or remove files that the tests
// do not mean to touch, as any faulty program may.
//
// go-gremlins does the same for most modules. It finds no test for a module whose path is one
// word, as ours is, and neither swallows errors nor leaves out statements.
package main
