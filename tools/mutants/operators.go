package main

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// site is a node where an operator may make a fault.
type site struct {
	text  []byte
	base  token.Pos // of the first byte of the text
	node  ast.Node
	above []ast.Node // from the file down to the parent
}

func (s site) parent() ast.Node {
	if len(s.above) == 0 {
		return nil
	}
	return s.above[len(s.above)-1]
}

// source is the text of a node.
func (s site) source(n ast.Node) string { return string(s.text[n.Pos()-s.base : n.End()-s.base]) }

// edit replaces the text between two positions.
type edit struct {
	from, to token.Pos
	with     string
}

// replace is the edit that puts other text in the place of a node.
func replace(n ast.Node, with string) []edit { return []edit{{n.Pos(), n.End(), with}} }

// operators are the faults. Each function returns those that it makes at a node.
func operators() []func(site) []edit {
	return []func(site) []edit{
		turnComparison,
		exchangeAndOr,
		negateCondition,
		swallowCheckedError,
		swallowReturnedError,
		flipFlag,
		changeNumber,
		exchangeArithmetic,
		leaveOutStatement,
	}
}

// turnComparison moves the limit of a comparison by one, and inverts comparisons. That of an
// error with nil is left to swallowCheckedError, as every test notices its inversion.
func turnComparison(s site) []edit {
	n, ok := s.node.(*ast.BinaryExpr)
	if !ok || isErrorCheck(n) {
		return nil
	}
	turned := map[token.Token][]string{
		token.LSS: {"<=", ">="},
		token.LEQ: {"<", ">"},
		token.GTR: {">=", "<="},
		token.GEQ: {">", "<"},
		token.EQL: {"!="},
		token.NEQ: {"=="},
	}
	return operatorEdits(n.OpPos, n.Op, turned[n.Op]...)
}

// operatorEdits replaces an operator by each of others.
func operatorEdits(at token.Pos, op token.Token, others ...string) []edit {
	var edits []edit
	for _, with := range others {
		edits = append(edits, edit{at, at + token.Pos(len(op.String())), with})
	}
	return edits
}

// exchangeAndOr turns && into || and back.
func exchangeAndOr(s site) []edit {
	n, ok := s.node.(*ast.BinaryExpr)
	switch {
	case ok && n.Op == token.LAND:
		return operatorEdits(n.OpPos, n.Op, "||")
	case ok && n.Op == token.LOR:
		return operatorEdits(n.OpPos, n.Op, "&&")
	}
	return nil
}

// negateCondition takes a "not" away, and puts one before a condition that is a name or a call.
func negateCondition(s site) []edit {
	if n, ok := s.node.(*ast.UnaryExpr); ok && n.Op == token.NOT {
		return []edit{{n.OpPos, n.OpPos + 1, ""}}
	}
	switch s.node.(type) {
	case *ast.Ident, *ast.SelectorExpr, *ast.CallExpr, *ast.IndexExpr:
		if s.isCondition() && s.source(s.node) != "true" && s.source(s.node) != "false" {
			return []edit{{s.node.Pos(), s.node.Pos(), "!"}}
		}
	}
	return nil
}

// isCondition reports whether the node decides, alone or as a part of a condition.
func (s site) isCondition() bool {
	switch p := s.parent().(type) {
	case *ast.IfStmt:
		return p.Cond == s.node
	case *ast.ForStmt:
		return p.Cond == s.node
	case *ast.BinaryExpr:
		return p.Op == token.LAND || p.Op == token.LOR
	}
	return false
}

// errorName matches names that errors have.
var errorName = regexp.MustCompile(`^(err|[a-z]\w*Err)$`)

// isErrorCheck reports whether n is err != nil.
func isErrorCheck(n ast.Expr) bool {
	b, ok := n.(*ast.BinaryExpr)
	if !ok || b.Op != token.NEQ {
		return false
	}
	x, isName := b.X.(*ast.Ident)
	y, isNil := b.Y.(*ast.Ident)
	return isName && isNil && errorName.MatchString(x.Name) && y.Name == "nil"
}

// swallowCheckedError goes on where an error is looked for.
func swallowCheckedError(s site) []edit {
	n, ok := s.node.(*ast.IfStmt)
	if !ok || !isErrorCheck(n.Cond) {
		return nil
	}
	return replace(n.Cond, "false")
}

// swallowReturnedError returns nil in the place of an error. What computes the error still runs.
func swallowReturnedError(s site) []edit {
	n, ok := s.node.(*ast.ReturnStmt)
	results := s.results()
	if !ok || len(results) == 0 || len(n.Results) != len(results) {
		return nil
	}
	if t, isName := results[len(results)-1].(*ast.Ident); !isName || t.Name != "error" {
		return nil
	}
	last := n.Results[len(n.Results)-1]
	if s.source(last) == "nil" {
		return nil
	}
	if _, isCall := last.(*ast.CallExpr); isCall && len(results) == 1 {
		return replace(n, "_ = "+s.source(last)+"; return nil")
	}
	return replace(last, "nil")
}

// results are the types that the innermost function returns.
func (s site) results() []ast.Expr {
	for i := len(s.above) - 1; i >= 0; i-- {
		var t *ast.FuncType
		switch f := s.above[i].(type) {
		case *ast.FuncDecl:
			t = f.Type
		case *ast.FuncLit:
			t = f.Type
		default:
			continue
		}
		var types []ast.Expr
		if t.Results == nil {
			return nil
		}
		for _, field := range t.Results.List {
			for range max(1, len(field.Names)) {
				types = append(types, field.Type)
			}
		}
		return types
	}
	return nil
}

// besideError reports whether the node is returned with an error, or with false for "there is
// none": no caller looks at it.
func (s site) besideError() bool {
	p, ok := s.parent().(*ast.ReturnStmt)
	results := s.results()
	if !ok || len(results) < 2 || len(p.Results) != len(results) {
		return false
	}
	last := len(results) - 1
	if p.Results[last] == s.node {
		return false
	}
	kind, value := s.source(results[last]), s.source(p.Results[last])
	return kind == "error" && value != "nil" || kind == "bool" && value == "false"
}

// isHint reports whether the node is, or is in, the capacity that a slice or map is made with.
// It changes nothing but speed.
func (s site) isHint() bool {
	path := append(slices.Clone(s.above), s.node)
	for i, n := range path[:len(path)-1] {
		call, ok := n.(*ast.CallExpr)
		if !ok || s.source(call.Fun) != "make" || len(call.Args) < 2 {
			continue
		}
		last := call.Args[len(call.Args)-1]
		_, isMap := call.Args[0].(*ast.MapType)
		if path[i+1] == ast.Node(last) && (len(call.Args) == 3 || isMap) {
			return true
		}
	}
	return false
}

// flipFlag turns true into false and back.
func flipFlag(s site) []edit {
	n, ok := s.node.(*ast.Ident)
	if s.besideError() {
		return nil
	}
	switch {
	case ok && n.Name == "true":
		return replace(n, "false")
	case ok && n.Name == "false":
		return replace(n, "true")
	}
	return nil
}

// changeNumber adds one to an integer.
func changeNumber(s site) []edit {
	n, ok := s.node.(*ast.BasicLit)
	if !ok || n.Kind != token.INT || s.besideError() || s.isHint() {
		return nil
	}
	value, err := strconv.ParseUint(n.Value, 0, 64)
	if err != nil {
		return nil
	}
	with := strconv.FormatUint(value+1, 10)
	switch {
	case strings.HasPrefix(n.Value, "0x"):
		with = "0x" + strconv.FormatUint(value+1, 16)
	case strings.HasPrefix(n.Value, "0o"):
		with = "0o" + strconv.FormatUint(value+1, 8)
	}
	return replace(n, with)
}

// exchangeArithmetic puts the opposite operator in the place of one. Strings are left alone.
func exchangeArithmetic(s site) []edit {
	if s.isHint() {
		return nil
	}
	switch n := s.node.(type) {
	case *ast.BinaryExpr:
		opposite := map[token.Token]string{
			token.ADD: "-", token.SUB: "+", token.MUL: "/", token.QUO: "*", token.REM: "*",
			token.SHL: ">>", token.SHR: "<<", token.AND: "|", token.OR: "&", token.XOR: "&", token.AND_NOT: "&",
		}
		if with, ok := opposite[n.Op]; ok && !hasString(n) {
			return operatorEdits(n.OpPos, n.Op, with)
		}
	case *ast.AssignStmt:
		opposite := map[token.Token]string{
			token.ADD_ASSIGN: "-=", token.SUB_ASSIGN: "+=", token.MUL_ASSIGN: "/=", token.QUO_ASSIGN: "*=",
			token.SHL_ASSIGN: ">>=", token.SHR_ASSIGN: "<<=", token.AND_ASSIGN: "|=", token.OR_ASSIGN: "&=",
			token.XOR_ASSIGN: "&=", token.AND_NOT_ASSIGN: "|=",
		}
		if with, ok := opposite[n.Tok]; ok && !hasString(n.Rhs[0]) {
			return operatorEdits(n.TokPos, n.Tok, with)
		}
	case *ast.IncDecStmt:
		if n.Tok == token.INC {
			return operatorEdits(n.TokPos, n.Tok, "--")
		}
		return operatorEdits(n.TokPos, n.Tok, "++")
	}
	return nil
}

// hasString reports whether a literal string is an operand of a sum.
func hasString(n ast.Expr) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		return hasString(n.X) || hasString(n.Y)
	case *ast.ParenExpr:
		return hasString(n.X)
	case *ast.BasicLit:
		return n.Kind == token.STRING
	}
	return false
}

// leaveOutStatement makes a statement one that is never run. It does not delete it, as that would
// leave names unused and so not compile.
func leaveOutStatement(s site) []edit {
	switch s.parent().(type) {
	case *ast.BlockStmt, *ast.CaseClause, *ast.CommClause:
	default:
		return nil
	}
	switch n := s.node.(type) {
	case *ast.ExprStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt, *ast.BranchStmt:
	case *ast.AssignStmt:
		if n.Tok == token.DEFINE || s.source(n.Lhs[0]) == "_" {
			return nil
		}
	default:
		return nil
	}
	if c, ok := s.parent().(*ast.CommClause); ok && c.Comm == s.node {
		return nil
	}
	return replace(s.node, "if false { "+s.source(s.node)+" }")
}

// logName matches what lines are logged with.
var logName = regexp.MustCompile(`^(slog|log|logger|Log|Logger)$`)

// isLogging reports whether n logs a line and does no more.
func isLogging(n ast.Node) bool {
	statement, ok := n.(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := statement.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	switch x := method.X.(type) {
	case *ast.Ident:
		return logName.MatchString(x.Name)
	case *ast.SelectorExpr:
		return logName.MatchString(x.Sel.Name)
	}
	return false
}

// isErrorText reports whether n makes the text of an error: its arguments are for people.
func isErrorText(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name == "Errorf"
	case *ast.SelectorExpr:
		return f.Sel.Name == "Errorf"
	}
	return false
}

// isDeclarationOfType reports whether n declares a type, or is the type of an array: a fault
// there does not compile or is none.
func isDeclarationOfType(n ast.Node) bool {
	switch n.(type) {
	case *ast.TypeSpec, *ast.ArrayType, *ast.ImportSpec:
		return true
	}
	return false
}
