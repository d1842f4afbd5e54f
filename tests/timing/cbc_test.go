package timing

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"slices"

	"vtoken/vtoken/ck"
)

// cbcKey and cbcIV are those of all measurements. An attacker does not know the key,
// but can make such plaintexts by changing the block before the last.
var (
	cbcKey = bytes.Repeat([]byte{0x5a}, 32)
	cbcIV  = bytes.Repeat([]byte{0xa5}, aes.BlockSize)
)

// cbcClasses are those of Vaudenay's attack, in messages of eight blocks: whatever is
// wrong with a padding, it takes the same time. A valid one has another answer by
// design (that is why GCM is to be preferred).
func cbcClasses(b cipher.Block) []class {
	ending := func(err error, end ...byte) func() ([]byte, answer) {
		return func() ([]byte, answer) {
			data := random(8 * aes.BlockSize)
			copy(data[len(data)-len(end):], end)
			var message []byte
			if err == nil {
				message = bytes.Clone(data[:len(data)-int(end[len(end)-1])])
			}
			cipher.NewCBCEncrypter(b, cbcIV).CryptBlocks(data, data)
			return data, answer{err, message}
		}
	}
	wrong := ck.CKR_ENCRYPTED_DATA_INVALID
	full := bytes.Repeat([]byte{16}, 16)
	first, second := slices.Clone(full), slices.Clone(full)
	first[0], second[14] = 15, 15
	return []class{
		{name: "ends with 0", make: ending(wrong, 0)},
		{name: "ends with 0, again", make: ending(wrong, 0)},
		{name: "ends with 17", make: ending(wrong, 17)},
		{name: "ends with 255", make: ending(wrong, 255)},
		{name: "ends with 1, 2", make: ending(wrong, 1, 2)},
		{name: "ends with 3, 4, 4, 4", make: ending(wrong, 3, 4, 4, 4)},
		{name: "16 times 16, the first wrong", make: ending(wrong, first...)},
		{name: "16 times 16, the 15th wrong", make: ending(wrong, second...)},
		{name: "valid, padding of 1", apart: true, make: ending(nil, 1)},
		{name: "valid, padding of 16", apart: true, make: ending(nil, full...)},
	}
}
