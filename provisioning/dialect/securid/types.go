package securid

import "time"

// The forms of the bodies.
type (
	tokenName struct {
		Serial string `json:"tokenSerialNumber"`
	}
	assignRequest struct {
		Serial string  `json:"tokenSerialNumber"`
		Name   *string `json:"tokenName"`
	}
	renameRequest struct {
		Serial string `json:"tokenSerialNumber"`
		Name   string `json:"updatedName"`
	}
	assigned struct {
		UserID     string `json:"userId"`
		Serial     string `json:"tokenSerialNumber"`
		State      string `json:"tokenState"`
		AssignedAt stamp  `json:"assignedAt"`
		AssignedBy string `json:"assignedBy"`
	}
	unassigned struct {
		Serial string `json:"tokenSerialNumber"`
		State  string `json:"tokenState"`
	}
	switched struct {
		UserID    string `json:"userId"`
		Serial    string `json:"tokenSerialNumber"`
		Status    string `json:"tokenStatus"`
		ChangedBy string `json:"tokenStatusChangedBy"`
		ChangedAt *stamp `json:"tokenStatusChangedAt"`
	}
	cleared struct {
		UserID string `json:"userId"`
		Serial string `json:"tokenSerialNumber"`
		PINSet string `json:"pinSet"` // a text here
	}
	renamed struct {
		Serial    string `json:"tokenSerialNumber"`
		Name      string `json:"name"`
		UserID    string `json:"userId"`
		UpdatedAt stamp  `json:"updatedAt"`
	}
	details struct {
		UserID          *string `json:"userId"`
		Serial          string  `json:"tokenSerialNumber"`
		State           string  `json:"tokenState"`
		Status          string  `json:"tokenStatus"`
		AssignedAt      *stamp  `json:"assignedAt"`
		AssignedBy      *string `json:"assignedBy"`
		RegisteredDate  *stamp  `json:"registeredDate"`
		ExpiryDate      *stamp  `json:"expiryDate"`
		StatusChangedAt *stamp  `json:"tokenStatusChangedAt"`
		DeviceType      string  `json:"deviceType"`
		Name            string  `json:"name"`
		PINSet          bool    `json:"pinSet"`
	}
)

// stamp is a time in the vendor's form: with milliseconds, in UTC.
type stamp struct{ time.Time }

// MarshalJSON formats the time.
func (s stamp) MarshalJSON() ([]byte, error) {
	return []byte(s.UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

// stampOf returns nil for the zero time.
func stampOf(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	return &stamp{t}
}
