// Package timing asks whether the time of a decryption tells something about what
// was in the ciphertext: the question of Bleichenbacher's attack on RSA PKCS #1 v1.5,
// of Manger's on OAEP and of Vaudenay's on CBC padding, where nothing but time is
// seen ("Everlasting ROBOT: the Marvin Attack", Hubert Kario, ESORICS 2023).
//
// It works as the test kit of that paper does. There are classes of ciphertexts,
// such as "no zero byte after the padding", made with the public key. In each round
// one ciphertext of each class is made, and they are decrypted one at a time in
// random order. The time of a class is then held against that of the first class in
// the same round, so that what changes slowly, the load of the machine for one, is
// in both. Printed of those differences are the median with its confidence interval,
// and how likely they are if the class took the same time: by Wilcoxon's signed-rank
// test and by the sign test. The second class is the first once more, under another
// name: what it shows is chance.
//
// The tests in make test see to it that the measuring finds a difference where one
// was planted, finds none where there is none, and that all classes are answered as
// they have to be. They judge no real time. That is for people: make timing, whose
// results are in docs/threat-model.md. A difference that is there may be below what a
// run can see; the intervals say how much that is.
package timing
