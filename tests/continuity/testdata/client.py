# For each line that comes, signs with the key "ec" of the token "Card", finds it again,
# and answers "ok" or what went wrong. It logs in once.
import hashlib, os, sys
import PyKCS11 as p11

lib = p11.PyKCS11Lib()
lib.load(os.environ["CLIENT_MODULE"])
slot = next(s for s in lib.getSlotList(tokenPresent=True) if lib.getTokenInfo(s).label.strip() == "Card")
session = lib.openSession(slot, p11.CKF_SERIAL_SESSION | p11.CKF_RW_SESSION)
session.login(os.environ["PIN"])

def find(kind):
    return session.findObjects([(p11.CKA_CLASS, kind), (p11.CKA_LABEL, "ec")])[0]

private, public = find(p11.CKO_PRIVATE_KEY), find(p11.CKO_PUBLIC_KEY)
plain = p11.Mechanism(p11.CKM_ECDSA, None)

def work():
    digest = hashlib.sha256(os.urandom(16)).digest()
    signature = bytes(session.sign(private, digest, plain))
    if not session.verify(public, digest, signature, plain):
        raise Exception("a wrong signature")
    if find(p11.CKO_PRIVATE_KEY).value() != private.value():
        raise Exception("the key has another handle")
    message = os.urandom(1000)
    if bytes(session.digest(message, p11.Mechanism(p11.CKM_SHA256, None))) != hashlib.sha256(message).digest():
        raise Exception("a wrong digest")

for line in sys.stdin:
    try:
        work()
        print("ok", flush=True)
    except Exception as error:
        print("failed:", repr(error), error, flush=True)
