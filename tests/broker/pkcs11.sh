#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tpm2-pkcs11 under pkcs11-tool: a token, keys, signatures, and pkcs11-tool's own test, which ends
# on a chip as well: at OAEP, where it gives a label that a TPM does not take.
#
#   pkcs11.sh [ptool]    ptool: the token is made by tpm2_ptool, a run of many tpm2-tools, which
#                        takes a resource manager
#
# A wrong PIN is not tried: it counts towards the lockout of a chip.
. "$(dirname "$0")/common.bash"

MODULE=$(find /usr/lib /usr/lib64 -name 'libtpm2_pkcs11.so*' 2>/dev/null | head -n 1)
: "${MODULE:?libtpm2-pkcs11 is not installed}"
export TPM2_PKCS11_STORE=$W/store
mkdir "$TPM2_PKCS11_STORE"
PIN=654321
LIST=(tpm2_getcap handles-persistent)

# pkcs11 WORD..: on the token. The module writes of what it misses to stderr.
pkcs11() {
	pkcs11-tool --module "$MODULE" --token-label tok "$@" 2>said || {
		cat said
		return 1
	}
	flush
}

logged() {
	pkcs11 --login --pin $PIN "$@"
}

step "a token"
"${LIST[@]}" | sort >before
if [[ ${1:-} == ptool ]]; then
	/usr/bin/tpm2_ptool init --path "$TPM2_PKCS11_STORE" >init
	/usr/bin/tpm2_ptool addtoken --pid 1 --label tok --sopin 123456 --userpin $PIN \
		--path "$TPM2_PKCS11_STORE"
	/usr/bin/tpm2_ptool verify --label tok --sopin 123456 --userpin $PIN \
		--path "$TPM2_PKCS11_STORE" >/dev/null
else
	pkcs11-tool --module "$MODULE" --init-token --slot-index 0 --label tok --so-pin 123456 >/dev/null 2>&1
	flush
	pkcs11 --init-pin --login --login-type so --so-pin 123456 --pin $PIN >/dev/null
fi
result "a token"

step "keys"
logged --keypairgen --key-type EC:prime256v1 --id 01 --label ec --usage-sign >/dev/null
logged --keypairgen --key-type rsa:2048 --id 02 --label rsa --usage-sign --usage-decrypt >/dev/null
logged --list-objects >objects
[[ $(grep -c 'Private Key Object' objects) == 2 ]]
result "two keys"

step "sign"
printf 'message' >message
openssl dgst -sha256 -binary message >digest
for name in ec:01 rsa:02; do
	logged --read-object --type pubkey --id ${name#*:} -o pub.der >/dev/null
	openssl pkey -pubin -inform DER -in pub.der -out ${name%:*}.pub
done
logged --sign --id 01 --mechanism ECDSA --signature-format openssl -i digest -o ec.sig >/dev/null
openssl pkeyutl -verify -pubin -inkey ec.pub -in digest -sigfile ec.sig >/dev/null
logged --sign --id 02 --mechanism SHA256-RSA-PKCS -i message -o rsa.sig >/dev/null
openssl dgst -sha256 -verify rsa.pub -signature rsa.sig message >/dev/null
result "signatures verify"

step "decryption"
openssl pkeyutl -encrypt -pubin -inkey rsa.pub -in message -out encrypted
logged --decrypt --id 02 --mechanism RSA-PKCS -i encrypted -o decrypted >/dev/null
cmp message decrypted
result "decrypted $(cat decrypted)"

step "pkcs11-tool --test"
status=0
pkcs11-tool --module "$MODULE" --token-label tok --login --pin $PIN --test >test.out 2>test.err ||
	status=$?
flush
result "test ends with $status, by $(grep -o 'PKCS11 function .*' test.err || true)"
while read -r line; do
	result "test: $line"
done <test.out

step "more keys than a chip has slots"
for id in 11 12 13 14; do
	logged --keypairgen --key-type EC:prime256v1 --id $id --label k$id --usage-sign >/dev/null
	logged --sign --id $id --mechanism ECDSA --signature-format openssl -i digest -o k.sig >/dev/null
done
result "four more"

step "what it made persistent goes"
"${LIST[@]}" | sort >after
for handle in $(comm -13 before after | sed 's/^- //'); do
	run tpm2_evictcontrol -C o -c "$handle"
done
finish
