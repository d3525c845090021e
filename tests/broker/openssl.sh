#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# openssl with the provider tpm2: keys, a request, signatures, several keys in one process.
. "$(dirname "$0")/common.bash"

PROVIDERS=(-provider tpm2 -provider default -propquery '?provider=tpm2,tpm2.digest!=yes')

# with VERB WORD..: the providers come after the verb.
with() {
	local verb=$1
	shift
	openssl "$verb" "${PROVIDERS[@]}" "$@" 2>said || {
		cat said
		return 1
	}
	flush
}

key() { # name, option of genpkey..
	local name=$1
	shift
	with genpkey "$@" -out "$name.pem"
	grep -q 'BEGIN TSS2 PRIVATE KEY' "$name.pem"
	with pkey -in "$name.pem" -pubout -out "$name.pub"
}

printf 'message' >message
printf 'other' >other

step "keys"
key ec -algorithm EC -pkeyopt group:P-256
key two -algorithm EC -pkeyopt group:P-384
key rsa -algorithm RSA -pkeyopt bits:2048
[[ $(openssl pkey -pubin -in ec.pub -noout -text | grep -c 'NIST CURVE: P-256') == 1 ]]
openssl pkey -pubin -in rsa.pub -noout -text | grep -q '2048 bit'
result "keys: EC and RSA"

step "sign"
for name in ec two rsa; do
	with dgst -sha256 -sign $name.pem -out $name.sig message
	openssl dgst -sha256 -verify $name.pub -signature $name.sig message >/dev/null
	fails openssl dgst -sha256 -verify $name.pub -signature $name.sig other
done
with pkeyutl -sign -inkey rsa.pem -rawin -in message -digest sha256 -pkeyopt rsa_padding_mode:pss \
	-out pss.sig
openssl dgst -sha256 -sigopt rsa_padding_mode:pss -verify rsa.pub -signature pss.sig message >/dev/null
result "signatures verify"

step "certificates"
for name in ec rsa; do
	with req -new -key $name.pem -subj "/CN=$name" -out $name.csr
	openssl req -in $name.csr -verify -noout 2>/dev/null
	with req -x509 -key $name.pem -subj "/CN=$name" -days 3 -out $name.crt
	openssl verify -CAfile $name.crt $name.crt >/dev/null
done
result "requests and certificates"

step "decryption"
printf 'for the key alone' >plain
openssl pkeyutl -encrypt -pubin -inkey rsa.pub -in plain -out encrypted
with pkeyutl -decrypt -inkey rsa.pem -in encrypted -out decrypted
cmp plain decrypted
result "decrypted $(cat decrypted)"

step "key agreement"
openssl genpkey -algorithm EC -pkeyopt group:P-256 -out peer.pem
openssl pkey -in peer.pem -pubout -out peer.pub
with pkeyutl -derive -inkey ec.pem -peerkey peer.pub -out one
openssl pkeyutl -derive -inkey peer.pem -peerkey ec.pub -out two
cmp one two
result "agreed"


step "several keys in one process"
with cms -sign -nodetach -in message -binary -md sha256 -signer ec.crt -inkey ec.pem -signer rsa.crt \
	-inkey rsa.pem -outform DER -out signed
cat ec.crt rsa.crt >both.crt
openssl cms -verify -in signed -inform DER -CAfile both.crt -purpose any -binary -out got 2>/dev/null
cmp message got
[[ $(openssl cms -cmsout -print -in signed -inform DER | grep -c 'signatureAlgorithm:') -ge 2 ]]
result "two keys sign one message"
finish
