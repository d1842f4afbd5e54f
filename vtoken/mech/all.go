package mech

import "slices"

// all is the one list of mechanisms.
func all() []*Descriptor {
	return slices.Concat(
		digestMechanisms(),
		hmacMechanisms(),
		hotpMechanisms(),
		secretKeyMechanisms(),
		rsaKeyMechanisms(),
		rsaPKCS1Mechanisms(),
		rsaPSSMechanisms(),
		rsaOAEPMechanisms(),
		rsaRawMechanisms(),
		ecKeyMechanisms(),
		ecdsaMechanisms(),
		eddsaMechanisms(),
		ecdhMechanisms(),
		aesBlockMechanisms(),
		aesCTRMechanisms(),
		aesGCMMechanisms(),
		aesCCMMechanisms(),
		aesCMACMechanisms(),
		aesGMACMechanisms(),
		aesWrapMechanisms(),
		chachaMechanisms(),
		desMechanisms(),
		mldsaMechanisms(),
		mlkemMechanisms(),
		slhdsaMechanisms(),
		slhdsaHashMechanisms(),
		hkdfMechanisms(),
		pbkdf2Mechanisms(),
		sp800108Mechanisms(),
	)
}
