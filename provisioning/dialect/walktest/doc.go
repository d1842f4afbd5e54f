// Package walktest walks tokens through all dialects at once, at random, and holds
// the core and each dialect's view of a token against a model of its own after every
// step. It is tests only.
//
// The model (model_test.go) says in plain words what a token is and what each
// operation needs of it; it is written from the documents of the APIs and shares no
// code with the core. A dialect is one entry of the table in dialects_test.go: its
// actions, each with the request, the answer that the model wants and what it does
// to the model, and how a token looks there.
package walktest
