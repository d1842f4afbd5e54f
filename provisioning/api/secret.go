package api

import "vtoken/vtoken/secret"

// Secret is a PIN, a password or an API key in a body. It refuses to be printed.
type Secret = secret.Text
