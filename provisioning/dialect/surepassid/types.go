package surepassid

import "vtoken/vtoken/secret"

// answer is every answer: the envelope, and the results of the method.
type answer struct {
	Type         string `json:"type"`
	ErrorCode    int    `json:"errorCode"`
	ErrorMessage string `json:"errorMessage"`

	PSN          string  `json:"psn,omitempty"`
	DeviceID     string  `json:"deviceId,omitempty"`
	DeviceType   *int    `json:"deviceType,omitempty"`
	OTPType      *int    `json:"otpType,omitempty"`
	OTPLength    int     `json:"otpLength,omitempty"`
	WindowSize   int     `json:"windowSize,omitempty"`
	Counter      *uint64 `json:"counter,omitempty"`
	AccountName  string  `json:"accountName,omitempty"`
	DeviceStatus *int    `json:"deviceStatus,omitempty"`
	Assigned     *int    `json:"assigned,omitempty"`

	SecretKeyHex secret.Text `json:"secretKeyHex,omitempty"`
	QRCodeURL    secret.Text `json:"QRCodeURL,omitempty"`
}

// wipe overwrites the secrets.
func (a answer) wipe() {
	a.SecretKeyHex.Wipe()
	a.QRCodeURL.Wipe()
}
