// Package audit keeps the audit log: who did what to which token, and how it
// ended. It is a folder of files with one JSON object a line, which programs and
// people read without help.
//
// # What finds changes
//
// Lines are numbered without gaps, each names the SHA-256 of the line before it
// ("prev", over the whole line without its newline) and is signed ("sig",
// Ed25519 over "vtoken audit 1", a newline, and the line up to the comma before
// "sig"). The key hangs off the store's keys, so that nobody without a KEK can
// sign. A changed, removed, added or reordered line is found by [Verify]. That the
// last lines were cut off is found by the [Head], the number and hash of the
// newest line, which the daemon holds in memory and keeps in its store at most a
// second behind.
//
// Each file begins with a line of the event "begin" and is named after its
// number, so that a file that lost its first lines is found too. Whole files at
// the beginning may be archived elsewhere: [Log.Archive] keeps in the Head up to which
// line they are, and Verify fails where the log does not begin with line 1 or after those.
// Where files, or the newest line, are gone when the log is opened, a line of the event
// "gap" tells which lines, once, and the log goes on after the Head.
//
// A line whose time is before that of the line before it says by how much.
//
// # A kill
//
// What is begun is noted in the file "begun" until its line is written. Notes that a
// killed program left are told by lines of the event "interrupted" when the log is opened
// again: what was under way, and may have been done. Neither notes nor lines are synced
// one by one. So a power cut can lose what was done in its last seconds, and who can
// write to the folder of a daemon that was killed can remove its notes unnoticed.
//
// # Floods
//
// Refusals of one kind by one caller have 20 lines a minute; the others are counted, and
// told by one line ("repeated") after that minute or when the log is closed. A kill loses
// counts of the last minute or two. What changed something, or may have, and wrong PINs
// have a line each.
//
// # A full disk
//
// Space for a line is reserved (fallocate) before the thing that it tells of is
// done: [Log.Begin] fails where there is none, and the caller refuses. What was
// begun can be recorded. A line is written before the caller is answered, and on
// stable storage at most a second later: a killed daemon loses no line, and a
// power cut those of the last second.
//
// # Lines that only an auditor reads
//
// With Options.Recipients a line has its number, time and predecessor in the clear, the
// event "sealed", and the record as an age file (https://age-encryption.org/v1), in base64.
// Chain and signature are over the line as it stands, so that it is verified, rotated and
// resumed without the auditor's key, and the daemon itself cannot read what it has
// written. The first line of a file is not sealed: it tells nothing. Lines from before
// recipients were named stay as they are.
//
// # What is not in it
//
// No PIN, key, password or API key, and nothing of the signing path. No label
// either: the store keeps labels sealed, and the log is in the clear without recipients. A token is named
// by its id and serial number, an object by its CKA_ID.
package audit
