package entrust

import (
	"time"

	"vtoken/vtoken/secret"
)

// token is the Token model.
type token struct {
	ID                         string     `json:"id"`
	SerialNumber               string     `json:"serialNumber"`
	Type                       string     `json:"type"`
	State                      string     `json:"state"`
	AllowedActions             []string   `json:"allowedActions"`
	AlgorithmType              string     `json:"algorithmType"`
	UserID                     string     `json:"userId,omitempty"`
	Label                      string     `json:"label,omitempty"`
	Name                       string     `json:"name,omitempty"`
	Description                string     `json:"description,omitempty"`
	Groups                     []string   `json:"groups"`
	LoadDate                   time.Time  `json:"loadDate"`
	LastUsedDate               *time.Time `json:"lastUsedDate"`
	Platform                   string     `json:"platform,omitempty"`
	RegisteredForTransactions  bool       `json:"registeredForTransactions"`
	SupportsResponse           bool       `json:"supportsResponse"`
	SupportsChallengeResponse  bool       `json:"supportsChallengeResponse"`
	SupportsSignature          bool       `json:"supportsSignature"`
	SupportsUnlock             bool       `json:"supportsUnlock"`
	SupportsUnlockTOTP         bool       `json:"supportsUnlockTOTP"`
	AppVerified                bool       `json:"appVerified"`
	DeviceVerified             bool       `json:"deviceVerified"`
	IdentityVerificationStatus string     `json:"identityVerificationStatus"`
}

type tokenCreateParms struct {
	ActivateParms *activateParms `json:"activateParms"`
}

type activateParms struct {
	Type                   []string    `json:"type"`
	DeliverActivationEmail bool        `json:"deliverActivationEmail"`
	ReturnQRCode           bool        `json:"returnQRCode"`
	Secret                 secret.Text `json:"secret"`
}

type activateResult struct {
	SerialNumber        string      `json:"serialNumber"`
	ActivationCode      secret.Text `json:"activationCode,omitempty"`
	ActivationAddress   string      `json:"activationAddress,omitempty"`
	ActivationOnlineURL secret.Text `json:"activationOnlineURL,omitempty"`
	ActivationURL       secret.Text `json:"activationURL,omitempty"`
	ActivationQRCode    secret.Text `json:"activationQRCode,omitempty"`
}

type activateCompleteParms struct {
	RegistrationCode secret.Text `json:"registrationCode"`
}

type tokenParms struct {
	Groups *[]string `json:"groups"`
}

type assignParms struct {
	UserID       string      `json:"userId"`
	SerialNumber string      `json:"serialNumber"`
	TokenType    *string     `json:"tokenType"`
	Response     secret.Text `json:"response"`
}

type assignedTokenParms struct {
	Label *string `json:"label"`
}

type changeStateParms struct {
	State string `json:"state"`
}

type resetParms struct {
	Response secret.Text `json:"response"`
}

type unlockParms struct {
	UnlockChallenge string `json:"unlockChallenge"`
}

type unlockResult struct {
	UnlockCode secret.Text `json:"unlockCode"`
}

type searchParms struct {
	SearchByAttributes []searchByAttribute `json:"searchByAttributes"`
	OrderByAttribute   *orderByAttribute   `json:"orderByAttribute"`
	Cursor             string              `json:"cursor"`
	Limit              *int                `json:"limit"`
	// Attributes choose what user searches return; tokens are returned whole.
	Attributes []string `json:"attributes"`
}

type searchByAttribute struct {
	Name     string  `json:"name"`
	Operator string  `json:"operator"`
	Value    *string `json:"value"`
}

type orderByAttribute struct {
	Name      string `json:"name"`
	Ascending *bool  `json:"ascending"`
}

type tokensPage struct {
	Results []token `json:"results"`
	Paging  *paging `json:"paging,omitempty"`
}

type paging struct {
	Limit      int    `json:"limit"`
	NextCursor string `json:"nextCursor,omitempty"`
	PrevCursor string `json:"prevCursor,omitempty"`
}

type asyncStatus struct {
	ID                  string     `json:"id"`
	State               string     `json:"state"`
	Name                string     `json:"name"`
	Subject             string     `json:"subject,omitempty"`
	ErrorMessage        string     `json:"errorMessage,omitempty"`
	InitTime            time.Time  `json:"initTime"`
	ProcessingStartTime *time.Time `json:"processingStartTime,omitempty"`
	ProcessingEndTime   *time.Time `json:"processingEndTime,omitempty"`
	ProcessingTime      int64      `json:"processingTime"` // in milliseconds
}

// errorInfo is the body of every error.
type errorInfo struct {
	ErrorCode    string        `json:"errorCode"`
	ErrorMessage string        `json:"errorMessage"`
	Parameters   []errorDetail `json:"parameters,omitempty"`
}

// errorDetail helps the operators of the server to find the cause.
type errorDetail struct {
	RequestID string `json:"requestId"`
}

type authenticateParms struct {
	ApplicationID    string      `json:"applicationId"`
	SharedSecret     secret.Text `json:"sharedSecret"`
	EnableWebSession bool        `json:"enableWebSession"`
}

type authenticateResult struct {
	AuthToken      secret.Text `json:"authToken"`
	CreationTime   time.Time   `json:"creationTime"`
	ExpirationTime time.Time   `json:"expirationTime"`
}
