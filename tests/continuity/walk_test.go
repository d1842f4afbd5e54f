package continuity

import "io"

const clientVariable = "VTOKEN_CONTINUITY_CLIENT"

func clientMain(io.Reader, io.Writer) error { return nil }
