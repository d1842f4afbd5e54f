package api

// Lint is what applications stumble over on a token.
type Lint struct {
	Findings []Finding `json:"findings"`
	// Unseen says what could not be checked, one sentence each.
	Unseen []string `json:"unseen"`
}

// Finding is something that some applications do not get along with.
type Finding struct {
	// Rule is its short name, such as shared-certificate-id.
	Rule    string `json:"rule"`
	Problem string `json:"problem"`
	// Affects are the applications, and what they do then.
	Affects []Effect `json:"affects"`
	// Advice is what to do about it.
	Advice  string   `json:"advice"`
	Objects []Object `json:"objects"`
}

// Effect is what an application does with a token that has a finding.
type Effect struct {
	// Consumer is Java, OpenSSH, NSS, GnuTLS or OpenSSL.
	Consumer string `json:"consumer"`
	Effect   string `json:"effect"`
}
