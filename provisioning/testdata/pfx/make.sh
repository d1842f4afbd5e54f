#!/bin/sh
# Makes the PFX files of this folder anew, with every producer that is at hand:
# OpenSSL 3, Java's keytool, NSS's pk12util, GnuTLS's certtool, Python's
# cryptography. The tests read the files that are committed and need none of
# these programs. corpus.txt says what is to come of each file.
set -eu
out=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
PW=correct-horse

key() { # name algorithm option
    openssl genpkey -algorithm "$2" -pkeyopt "$3" -out "$1.key" 2>/dev/null
}
ext() { printf '%s\n' "$@" > ext.cnf; }
sign() { # name subject issuer serial
    openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -set_serial "$4" -days 36500 -extfile ext.cnf -out "$1.crt" 2>/dev/null
}

key root EC ec_paramgen_curve:P-256
openssl req -x509 -new -key root.key -subj "/C=NL/O=Corpus/CN=Corpus Root" -set_serial 0x01 -days 36500 -out root.crt
key ca EC ec_paramgen_curve:P-256
ext basicConstraints=critical,CA:TRUE keyUsage=critical,keyCertSign,cRLSign
sign ca "/C=NL/O=Corpus/CN=Corpus Issuing CA" root 0x00B0
key other EC ec_paramgen_curve:P-256
openssl req -x509 -new -key other.key -subj "/CN=Unrelated Root" -set_serial 0x77 -days 36500 -out other.crt
cat ca.crt root.crt > chain.crt

leaf() { # name algorithm option serial
    key "$1" "$2" "$3"
    ext keyUsage=critical,digitalSignature extendedKeyUsage=clientAuth
    sign "$1" "/O=Corpus/CN=$1" ca "$4"
}
leaf rsa1024 RSA rsa_keygen_bits:1024 0x10
leaf rsa2048 RSA rsa_keygen_bits:2048 0xA1B2C3D4E5F60718293A4B5C6D7E8F9001
leaf rsa3072 RSA rsa_keygen_bits:3072 0x30
leaf rsa4096 RSA rsa_keygen_bits:4096 0x40
leaf p256 EC ec_paramgen_curve:P-256 0x0256
leaf p384 EC ec_paramgen_curve:P-384 0x0384
leaf p521 EC ec_paramgen_curve:P-521 0x0521
leaf p224 EC ec_paramgen_curve:P-224 0x0224
leaf k256 EC ec_paramgen_curve:secp256k1 0x0257
openssl genpkey -algorithm ed25519 -out ed25519.key
sign ed25519 "/O=Corpus/CN=ed25519" ca 0x25
# a subject without a common name
key nocn EC ec_paramgen_curve:P-256
sign nocn "/O=Corpus/OU=No Common Name" ca 0x99
# an expired certificate
key expired EC ec_paramgen_curve:P-256
openssl req -new -key expired.key -subj "/CN=expired" -out expired.csr
openssl x509 -req -in expired.csr -CA ca.crt -CAkey ca.key -set_serial 0x0E -days -1 -out expired.crt 2>/dev/null ||
    openssl x509 -req -in expired.csr -CA ca.crt -CAkey ca.key -set_serial 0x0E -days 1 -out expired.crt 2>/dev/null

p12() { # file key arguments
    file=$1 k=$2
    shift 2
    openssl pkcs12 -export -inkey "$k.key" -in "$k.crt" -passout "pass:$PW" -out "$out/$file.p12" "$@"
}
p12 openssl-modern rsa2048 -certfile chain.crt -name "Signing key"
p12 openssl-legacy rsa2048 -certfile chain.crt -name "Old key" -legacy
p12 openssl-3des rsa2048 -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1
p12 openssl-rc2-128 rsa2048 -legacy -certpbe PBE-SHA1-RC2-128
p12 openssl-rc2-40-both p256 -legacy -certpbe PBE-SHA1-RC2-40 -keypbe PBE-SHA1-RC2-40
p12 openssl-2des p256 -legacy -certpbe PBE-SHA1-2DES -keypbe PBE-SHA1-2DES
p12 openssl-aes128 rsa2048 -keypbe AES-128-CBC -certpbe AES-128-CBC
p12 openssl-aes192 rsa2048 -keypbe AES-192-CBC -certpbe AES-192-CBC
p12 openssl-rsa1024 rsa1024
p12 openssl-rsa3072 rsa3072 -certfile chain.crt
p12 openssl-rsa4096 rsa4096 -certfile chain.crt
p12 openssl-p256 p256 -certfile chain.crt
p12 openssl-p384 p384 -certfile chain.crt
p12 openssl-p521 p521 -certfile chain.crt
p12 openssl-p256-legacy p256 -legacy -certfile chain.crt
p12 openssl-p224 p224
p12 openssl-secp256k1 k256
p12 openssl-ed25519 ed25519
p12 openssl-nocn nocn
p12 openssl-expired expired
p12 openssl-unrelated p256 -certfile other.crt
p12 openssl-sha512-mac p256 -macalg sha512
p12 openssl-sha384-mac p256 -macalg sha384
p12 openssl-nomac p256 -nomac
p12 openssl-nomaciter p256 -nomaciter
p12 openssl-iter-100k p256 -iter 100000
p12 openssl-iter-3m p256 -iter 3000000 -nomaciter
p12 openssl-plain-key p256 -keypbe NONE
p12 openssl-plain-certs p256 -certpbe NONE
p12 openssl-plain-both p256 -keypbe NONE -certpbe NONE
p12 openssl-unicode-name p256 -name "Signatur von Jürgen Ž 漢字"
p12 openssl-csp p256 -CSP "Microsoft Software Key Storage Provider" -name "te-3f1c7c2e-0c5b-4c55-9f43-7a52c66d2a10"
p12 openssl-caname p256 -certfile chain.crt -caname "first" -caname "second"
openssl pkcs12 -export -inkey p256.key -in p256.crt -passout "pass:Grüße-漢字" -out "$out/openssl-unicode-password.p12"
openssl pkcs12 -export -inkey p256.key -in p256.crt -passout pass: -out "$out/openssl-empty-password.p12"
openssl pkcs12 -export -nocerts -inkey p256.key -passout "pass:$PW" -out "$out/openssl-key-only.p12"
openssl pkcs12 -export -nokeys -in p256.crt -certfile chain.crt -passout "pass:$PW" -out "$out/openssl-certs-only.p12"

keytool -genkeypair -storetype PKCS12 -storepass "$PW" -keystore "$out/java-rsa.p12" -alias signer -keyalg RSA -keysize 2048 -dname "CN=Java RSA" -validity 36500 >/dev/null 2>&1
keytool -genkeypair -storetype PKCS12 -storepass "$PW" -keystore "$out/java-ec.p12" -alias signer -keyalg EC -groupname secp384r1 -dname "CN=Java EC" -validity 36500 >/dev/null 2>&1
keytool -J-Dkeystore.pkcs12.legacy -genkeypair -storetype PKCS12 -storepass "$PW" -keystore "$out/java-legacy.p12" -alias signer -keyalg RSA -keysize 2048 -dname "CN=Java Legacy" -validity 36500 >/dev/null 2>&1
for n in one two; do
    keytool -genkeypair -storetype PKCS12 -storepass "$PW" -keystore "$out/java-two-keys.p12" -alias $n -keyalg EC -groupname secp256r1 -dname "CN=$n" -validity 36500 >/dev/null 2>&1
done
keytool -importcert -noprompt -storetype PKCS12 -storepass "$PW" -keystore "$out/java-truststore.p12" -alias root -file root.crt >/dev/null 2>&1
cp "$out/java-ec.p12" "$out/java-with-trusted.p12"
keytool -importcert -noprompt -storetype PKCS12 -storepass "$PW" -keystore "$out/java-with-trusted.p12" -alias root -file root.crt >/dev/null 2>&1

mkdir nss
certutil -N -d sql:nss --empty-password
openssl pkcs12 -export -inkey rsa2048.key -in rsa2048.crt -certfile chain.crt -name nss -passout "pass:$PW" -out nss.p12
pk12util -i nss.p12 -d sql:nss -W "$PW" -K "" >/dev/null
pk12util -o "$out/nss-default.p12" -n nss -d sql:nss -W "$PW" -K "" >/dev/null
pk12util -o "$out/nss-3des.p12" -n nss -d sql:nss -W "$PW" -K "" -c "PKCS #12 V2 PBE With SHA-1 And 3KEY Triple DES-CBC" -C "PKCS #12 V2 PBE With SHA-1 And 3KEY Triple DES-CBC" >/dev/null

for cipher in 3des-pkcs12 aes-128 aes-256 rc2-40; do
    certtool --to-p12 --load-privkey p256.key --load-certificate p256.crt --load-ca-certificate root.crt \
        --p12-name "GnuTLS key" --password "$PW" --pkcs-cipher "$cipher" --outder --outfile "$out/gnutls-$cipher.p12" >/dev/null 2>&1
done

OUT=$out PW=$PW python3 - <<'PY'
import os
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import PrivateFormat, load_pem_private_key
from cryptography.hazmat.primitives.serialization import pkcs12

out, pw = os.environ["OUT"], os.environ["PW"].encode()
read = lambda f: open(f, "rb").read()
key = load_pem_private_key(read("rsa2048.key"), None)
cert = x509.load_pem_x509_certificate(read("rsa2048.crt"))
cas = [pkcs12.PKCS12Certificate(x509.load_pem_x509_certificate(read(f)), n) for f, n in (("root.crt", b"root"), ("ca.crt", b"issuing"))]
b = PrivateFormat.PKCS12.encryption_builder
for name, enc in {
    "python-modern": b().kdf_rounds(50000).key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).hmac_hash(hashes.SHA256()).build(pw),
    "python-3des": b().kdf_rounds(2000).key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1()).build(pw),
}.items():
    open(f"{out}/{name}.p12", "wb").write(pkcs12.serialize_key_and_certificates(b"Python key", key, cert, cas, enc))
PY
openssl x509 -in root.crt -outform DER -out "$out/certificate.p12"
ls "$out"/*.p12 | wc -l
