// Package backup is the format of a backup file: the keys and values of a store
// in the order of keys, still sealed. The package has no keys. The file is worth as much as
// the store file: any one of the store's KEKs opens it.
//
// # Format, version 1
//
//	14 bytes   "vtoken backup" and a newline
//	 4 bytes   version of this format, 1, big endian
//	for each record, keys strictly ascending:
//	 2 bytes   length of the key, 1 to 512, big endian
//	 4 bytes   length of the value, at most 64 MiB, big endian
//	           key, value
//	 2 bytes   0: there are no more records
//	 8 bytes   number of records, big endian
//	32 bytes   SHA-256 of everything before
//
// Nothing follows. The hash detects accidents without any key, above all a file that was cut
// off. The sums among the records detect deliberate changes, when the store is opened
// (package keystore).
package backup
