package arch

import (
	"go/ast"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// Code that makes an attribute with ck.Ulong, ck.Bool or ck.Mechanisms, or reads one so,
// agrees with package ck on the kind of its value.
func TestAttributesAreMadeOfTheirKind(t *testing.T) {
	types := attributeTypes()
	kinds := map[string]ck.ValueKind{
		"Ulong": ck.KindUlong, "ulong": ck.KindUlong, "Bool": ck.KindBool, "Mechanisms": ck.KindMechanisms,
	}
	checked := 0
	for _, f := range files(t) {
		if f.test {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			kind, ok := kinds[calledName(call.Fun)]
			if !ok {
				return true
			}
			for _, arg := range call.Args {
				if typ, ok := types[selected(arg)]; ok {
					require.Equal(t, kind, ck.KindOf(typ), "%v: %v", f.at(call), typ)
					checked++
				}
			}
			return true
		})
	}
	require.Greater(t, checked, 50)
}

// attributeTypes returns the attributes of the standard by name.
func attributeTypes() map[string]ck.AttributeType {
	const pastStandard = ck.AttributeType(0x1000)
	types := map[string]ck.AttributeType{}
	for typ := range pastStandard {
		types[typ.String()] = typ
		arrays := typ | ck.AttributeType(ck.CKF_ARRAY_ATTRIBUTE)
		types[arrays.String()] = arrays
	}
	return types
}

// calledName returns the last name of a function or method that is called.
func calledName(fun ast.Expr) string {
	switch fun := fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		return fun.Sel.Name
	}
	return ""
}

// selected returns the name behind "ck.".
func selected(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		return s.Sel.Name
	}
	return ""
}
