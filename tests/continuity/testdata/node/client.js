// For each line that comes, signs with the key "ec" of the token "Card", verifies, and
// answers "ok" or what went wrong. It logs in once.
const crypto = require("crypto");
const readline = require("readline");
const ck = require("pkcs11js");

const p11 = new ck.PKCS11();
p11.load(process.env.MODULE);
p11.C_Initialize();
const slot = p11.C_GetSlotList(true).find(s => p11.C_GetTokenInfo(s).label.trim() === "Card");
const session = p11.C_OpenSession(slot, ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION);
p11.C_Login(session, ck.CKU_USER, process.env.PIN);

function find(kind) {
	p11.C_FindObjectsInit(session, [{ type: ck.CKA_CLASS, value: kind }, { type: ck.CKA_LABEL, value: "ec" }]);
	const found = p11.C_FindObjects(session, 10);
	p11.C_FindObjectsFinal(session);
	if (found.length !== 1) throw new Error(found.length + " keys");
	return found[0];
}
const privateKey = find(ck.CKO_PRIVATE_KEY), publicKey = find(ck.CKO_PUBLIC_KEY);

function work() {
	const digest = crypto.randomBytes(32);
	p11.C_SignInit(session, { mechanism: ck.CKM_ECDSA }, privateKey);
	const signature = p11.C_Sign(session, digest, Buffer.alloc(64));
	p11.C_VerifyInit(session, { mechanism: ck.CKM_ECDSA }, publicKey);
	if (!p11.C_Verify(session, digest, signature)) throw new Error("a wrong signature");
	if (!find(ck.CKO_PRIVATE_KEY).equals(privateKey)) throw new Error("the key has another handle");
}

readline.createInterface({ input: process.stdin }).on("line", () => {
	try {
		work();
		console.log("ok");
	} catch (error) {
		console.log("failed: " + error.message);
	}
});
