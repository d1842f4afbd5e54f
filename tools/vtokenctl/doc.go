// Command vtoken administers the virtual smart cards of a vtokend: over the
// admin socket of this machine, or over HTTPS with an API key.
//
// Results go to standard output, everything else to standard error, so that a script
// reads only what it asked for. A failure is one sentence with the cause and what to do
// next, and an exit code:
//
//	0  done
//	1  refused by the daemon, or it failed
//	2  the command line is wrong
//	3  no daemon answers
//	4  not allowed: the socket, the API key or its role
//	5  token lint has findings
//
// PINs, passwords and keys come from files, standard input or a prompt, never
// from arguments, which every user of the machine can read.
//
// There is one file for each noun, and one for each larger verb. The manual page is made
// from the help of the commands: see man.go.
package main
