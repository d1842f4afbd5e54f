package p11rpc

import "vtoken/vtoken/ck"

// messageFlags are the operations on many messages, as C_SessionCancel names them.
const messageFlags = ck.CKF_MESSAGE_ENCRYPT | ck.CKF_MESSAGE_DECRYPT | ck.CKF_MESSAGE_SIGN | ck.CKF_MESSAGE_VERIFY

// ends is what an error of each call ends (PKCS#11 section 5.2): all errors but
// CKR_BUFFER_TOO_SMALL do. Calls that start an operation are not here.
var ends = [NumCalls]ck.Flags{
	CallFindObjects:         ck.CKF_FIND_OBJECTS,
	CallFindObjectsFinal:    ck.CKF_FIND_OBJECTS,
	CallEncrypt:             ck.CKF_ENCRYPT,
	CallEncryptUpdate:       ck.CKF_ENCRYPT,
	CallEncryptFinal:        ck.CKF_ENCRYPT,
	CallDecrypt:             ck.CKF_DECRYPT,
	CallDecryptUpdate:       ck.CKF_DECRYPT,
	CallDecryptFinal:        ck.CKF_DECRYPT,
	CallDigest:              ck.CKF_DIGEST,
	CallDigestUpdate:        ck.CKF_DIGEST,
	CallDigestKey:           ck.CKF_DIGEST,
	CallDigestFinal:         ck.CKF_DIGEST,
	CallSign:                ck.CKF_SIGN,
	CallSignUpdate:          ck.CKF_SIGN,
	CallSignFinal:           ck.CKF_SIGN,
	CallSignRecover:         ck.CKF_SIGN_RECOVER,
	CallVerify:              ck.CKF_VERIFY,
	CallVerifyUpdate:        ck.CKF_VERIFY,
	CallVerifyFinal:         ck.CKF_VERIFY,
	CallVerifyRecover:       ck.CKF_VERIFY_RECOVER,
	CallDigestEncryptUpdate: ck.CKF_DIGEST | ck.CKF_ENCRYPT,
	CallDecryptDigestUpdate: ck.CKF_DECRYPT | ck.CKF_DIGEST,
	CallSignEncryptUpdate:   ck.CKF_SIGN | ck.CKF_ENCRYPT,
	CallDecryptVerifyUpdate: ck.CKF_DECRYPT | ck.CKF_VERIFY,
	CallEncryptMessage:      ck.CKF_MESSAGE_ENCRYPT,
	CallEncryptMessage2:     ck.CKF_MESSAGE_ENCRYPT,
	CallEncryptMessageNext:  ck.CKF_MESSAGE_ENCRYPT,
	CallEncryptMessageNext2: ck.CKF_MESSAGE_ENCRYPT,
	CallDecryptMessage:      ck.CKF_MESSAGE_DECRYPT,
	CallDecryptMessage2:     ck.CKF_MESSAGE_DECRYPT,
	CallDecryptMessageNext:  ck.CKF_MESSAGE_DECRYPT,
	CallDecryptMessageNext2: ck.CKF_MESSAGE_DECRYPT,
	CallSignMessage:         ck.CKF_MESSAGE_SIGN,
	CallSignMessageNext:     ck.CKF_MESSAGE_SIGN,
	CallVerifyMessage:       ck.CKF_MESSAGE_VERIFY,
	CallVerifyMessageNext:   ck.CKF_MESSAGE_VERIFY,
}

// Ends is what an error of the call ends, as C_SessionCancel names it. Of an operation on many
// messages an error ends the message under way, and the operation goes on with the next one.
func (id CallID) Ends() ck.Flags {
	if !id.Valid() {
		return 0
	}
	return ends[id]
}

// SplitEnds splits what errors end into operations and those whose message it is.
func SplitEnds(flags ck.Flags) (operations, messages ck.Flags) {
	return flags &^ messageFlags, flags & messageFlags
}

// EndMessages is the flags of a C_SessionCancel with which our client has messages ended and
// not their operations. A daemon that does not know it ends the operations.
func EndMessages(messages ck.Flags) ck.Flags { return messages | ck.CKF_END_OF_MESSAGE }

// EndsMessages reports whether the flags of a C_SessionCancel are of EndMessages. An
// application that cancels everything gives more.
func EndsMessages(flags ck.Flags) bool {
	return flags.Has(ck.CKF_END_OF_MESSAGE) && flags&^(messageFlags|ck.CKF_END_OF_MESSAGE) == 0
}
