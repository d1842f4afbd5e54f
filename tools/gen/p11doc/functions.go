package main

import (
	"bytes"
	"fmt"

	"vtoken/daemon/p11server"
	"vtoken/tools/gen/cryptoki"
	"vtoken/vtoken/p11rpc"
)

const functionsHead = `
## Functions

The library exports %d functions and has the interface "PKCS 11" in the versions
3.2, 3.0 and 2.40, each with CKF_INTERFACE_FORK_SAFE. No pointer in a function
list is null: what is not supported answers CKR_FUNCTION_NOT_SUPPORTED.

| Function | Since | Status |
|---|---|---|
`

// The words for the status of a function.
const (
	inModule    = "in the library"
	inDaemon    = "yes"
	unsupported = "no: CKR_FUNCTION_NOT_SUPPORTED"
	notParallel = "CKR_FUNCTION_NOT_PARALLEL, as the standard asks"
)

func functions(b *bytes.Buffer) error {
	list, err := cryptoki.Functions()
	if err != nil {
		return err
	}
	calls := map[string]p11rpc.CallID{}
	for _, id := range p11rpc.Calls(p11rpc.Extended) {
		calls[id.String()] = id
	}
	fmt.Fprintf(b, functionsHead, len(list))
	for _, f := range list {
		fmt.Fprintf(b, "| %s | %v | %s |\n", f.Name, f.Since, status(f, calls))
	}
	return nil
}

// status says who answers a function. One that the table sends to the daemon and
// that is no call of the protocol is made of other calls in the library.
func status(f cryptoki.Function, calls map[string]p11rpc.CallID) string {
	id, isCall := calls[f.Name]
	if ours, ok := calls[f.Name+"2"]; ok && !p11server.Serves(id) {
		id = ours // in place of p11-kit's
	}
	switch {
	case f.Answer == cryptoki.NotParallel:
		return notParallel
	case f.Answer == cryptoki.Unsupported, isCall && !p11server.Serves(id):
		return unsupported
	case !isCall, f.Answer == cryptoki.ByHand:
		return inModule
	}
	return inDaemon
}
