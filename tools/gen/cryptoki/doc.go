// Package cryptoki is the table of the functions of PKCS#11: their names, their
// parameters in the standard's order, the version that brought them, and who
// answers them in our module. Generators write code and documents from it.
package cryptoki
