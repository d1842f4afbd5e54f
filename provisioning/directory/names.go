package directory

import "slices"

// fieldNames and operatorNames are what requests call fields and operators.
var (
	fieldNames = [numberOfFields]string{
		Serial: "serial", ID: "id", Label: "label", Kind: "kind", Manufacturer: "manufacturer", Model: "model", Repository: "repository",
		Hardware: "hardware", Activation: "activation", Enabled: "enabled", Deceased: "deceased", Complete: "complete",
		Held: "held", State: "state", Holder: "holder", Group: "group", Created: "createdAt", LastUsed: "lastUsedAt",
		Expires: "expiresAt", Slot: "slot",
	}
	operatorNames = [...]string{
		Equals: "equals", NotEquals: "notEquals", Contains: "contains", NotContains: "notContains", StartsWith: "startsWith",
		EndsWith: "endsWith", GreaterThan: "greaterThan", GreaterThanOrEqual: "greaterThanOrEqual", LessThan: "lessThan",
		LessThanOrEqual: "lessThanOrEqual", In: "in", Exists: "exists", NotExists: "notExists", Like: "like",
	}
)

// FieldNamed returns the field of that name, such as "serial".
func FieldNamed(name string) (Field, bool) {
	i := slices.Index(fieldNames[:], name)
	return Field(i), i >= 0
}

// OperatorNamed returns the operator of that name, such as "startsWith".
func OperatorNamed(name string) (Operator, bool) {
	i := slices.Index(operatorNames[:], name)
	return Operator(i), i >= 0
}

// FieldNames returns the names of all fields.
func FieldNames() []string { return slices.Clone(fieldNames[:]) }

// OperatorNames returns the names of all operators.
func OperatorNames() []string { return slices.Clone(operatorNames[:]) }
