package api

import "time"

// Application is a process that uses tokens through PKCS#11.
type Application struct {
	// ID is short, and no other application gets it.
	ID string `json:"id"`
	// User is the name of the operating system user.
	User string `json:"user"`
	UID  uint32 `json:"uid"`
	// PID is 0 for a process of another container.
	PID int32 `json:"pid"`
	// Executable is its program, empty where the daemon may not see that.
	Executable  string    `json:"executable,omitempty"`
	BeganAt     time.Time `json:"beganAt"`
	Connections int       `json:"connections"`
	// Away says that it has made no call since a crash of the daemon. It gets its logins
	// back with the first one. BeganAt is then when its logins last changed.
	Away bool `json:"away,omitempty"`
	// Calls counts the calls since it began, and LastCallAt is when the last one began.
	Calls      uint64     `json:"calls"`
	LastCallAt *time.Time `json:"lastCallAt,omitempty"`
	Tokens     []TokenUse `json:"tokens"`
}

// TokenUse is how an application uses one token.
type TokenUse struct {
	ID       string `json:"id"`
	Tenant   string `json:"tenant"`
	Label    string `json:"label"`
	Sessions int    `json:"sessions"`
	// Role is who is logged in: user or so; empty for nobody.
	Role string `json:"role,omitempty"`
}
