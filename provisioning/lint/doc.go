// Package lint finds what applications stumble over among the objects of a token:
// objects that some application overlooks, confuses or refuses. It knows no store and
// no caller, and reads what is visible without a PIN.
package lint
