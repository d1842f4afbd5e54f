// Package audit keeps the audit log: who did what to which token, and with which result. It is
// a folder of files with one JSON object a line, which programs and people can read directly.
//
// # Detecting changes
//
// Lines are numbered without gaps. Each contains the SHA-256 of the line before it ("prev",
// over the whole line without its newline) and is signed ("sig", Ed25519 over "vtoken audit
// 1", a newline, and the line up to the comma before "sig"). The key is derived from the
// store's keys, so nobody can sign without a KEK. [Verify] finds changed, removed, added and
// reordered lines. Missing lines at the end are found by the [Head], the number and hash of
// the newest line, which the daemon holds in memory and stores at most a second later.
//
// Each file begins with a line of the event "begin" and is named after its number, so a file
// that lost its first lines is found too. The first files may be archived elsewhere:
// [Log.Archive] stores their last line in the Head, and Verify fails if the log does not begin
// with line 1 or after the archived lines. If files or the newest line are missing when the
// log is opened, a line of the event "gap" names the missing lines, once, and the log
// continues after the Head.
//
// A line with an earlier time than the line before it records the difference.
//
// # Interrupted acts
//
// Until an act has a line, there is a note of it in the file "begun". When the log is opened
// after the program was killed, the notes become lines of the event "interrupted": acts that
// were running, and may have been done. Neither notes nor lines are synced one by one. So a
// power cut can lose those of the last seconds, and an attacker who can write to the folder of
// a killed daemon can remove its notes unnoticed.
//
// # Floods
//
// Refusals of one kind by one caller get 20 lines a minute. Further ones are counted, and
// recorded by one line ("repeated") after that minute or when the log is closed. A killed
// program loses the counts of the last minute or two. Acts that changed something, or may
// have, and wrong PINs get a line each.
//
// # A full disk
//
// Space for a line is reserved (fallocate) before the act: without space [Log.Begin] fails,
// and the caller refuses the act. So an act that was begun can be recorded. A line is written
// before the caller is answered, and synced at most a second later: a killed daemon loses no
// line, and a power cut those of the last second.
//
// # Encrypted lines
//
// With Options.Recipients the number, time and predecessor of a line are in plain text, its
// event is "sealed", and the record is an age file (https://age-encryption.org/v1) in base64.
// Chain and signature cover the encrypted line, so the log can be verified, rotated and
// continued without the auditor's key, and the daemon cannot read what it has written. The
// first line of a file contains nothing to encrypt. Lines from before recipients were
// configured stay unchanged.
//
// # What it leaves out
//
// The log contains no PIN, key, password or API key, and no signatures. It contains no labels
// either: the store encrypts labels, and the log is in plain text without recipients. Tokens
// are named by their id and serial number, objects by their CKA_ID.
package audit
