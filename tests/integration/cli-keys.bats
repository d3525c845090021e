#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Keys for every use, from the command line; the other side is always the stock openssl.

bats_require_minimum_version 1.5.0
load helpers

HOLDFAST=$(program holdfast)

# encrypt KEY FILE [OPENSSL OPTION..]: to $T/secret
encrypt() {
	hf key public "$1" >"$T/public.pem"
	openssl pkeyutl -encrypt -pubin -inkey "$T/public.pem" -in "$2" -out "$T/secret" \
		-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 "${@:3}"
}

decrypting() {
	on "$1"
	printf 'a plaintext\n' >"$T/plain"
	ends 0 key create d --type rsa-2048 --use decrypt
	grep -q '^d: rsa-2048, generated, for decrypt, ' "$T/out"
	encrypt d "$T/plain"
	hf decrypt --key d --in "$T/secret" | cmp - "$T/plain"
	ends 0 --json decrypt --key d --in "$T/secret" --out "$T/opened"
	cmp "$T/opened" "$T/plain"
	jq -e --arg p "$PROTECTION" '.bytes == 12 and .protection == $p' "$T/out"
	ends 0 --json decrypt --key d --in "$T/secret"
	[[ $(jq -r .data "$T/out" | base64 -d) == "a plaintext" ]]
	# The label counts with its NUL.
	encrypt d "$T/plain" -pkeyopt rsa_oaep_label:4c616200
	hf decrypt --key d --label Lab --in "$T/secret" | cmp - "$T/plain"
	ends 1 decrypt --key d --label lab --in "$T/secret"
	grep -q '^holdfast: damaged: ' "$T/err"
	ends 1 decrypt --key d --in "$T/secret"
	encrypt d "$T/plain" -pkeyopt rsa_mgf1_md:sha256
	ends 1 decrypt --key d --hash sha384 --in "$T/secret"
	head -c 100 "$T/secret" >"$T/short"
	ends 1 decrypt --key d --in "$T/short"
	grep -q '^holdfast: invalid: ' "$T/err"
	ends 1 decrypt --key d --in "$T/nothing"
	ends 1 sign --key d --in "$T/plain"
	grep -q '^holdfast: invalid: ' "$T/err"
}

@test "decrypt opens what openssl has encrypted (tpm)" { decrypting tpm; }
@test "decrypt opens what openssl has encrypted (legacy)" { decrypting legacy; }

agreeing() {
	local curve
	on "$1"
	for curve in 256 384; do
		ends 0 key create "a$curve" --type "ecc-p$curve" --use agree --use sign
		grep -q ", for sign agree, " "$T/out"
		hf key public "a$curve" >"$T/ours.pem"
		openssl ecparam -name "$([[ $curve == 256 ]] && echo prime256v1 || echo secp384r1)" \
			-genkey -noout -out "$T/theirs.key"
		openssl pkey -in "$T/theirs.key" -pubout -out "$T/theirs.pem"
		openssl pkeyutl -derive -inkey "$T/theirs.key" -peerkey "$T/ours.pem" -out "$T/z"
		hf agree --key "a$curve" --peer "$T/theirs.pem" | cmp - "$T/z"
		[[ $(wc -c <"$T/z") == $((curve / 8)) ]]
	done
	ends 0 --json agree --key a384 --peer "$T/theirs.pem"
	jq -r .secret "$T/out" | base64 -d | cmp - "$T/z"
	ends 1 agree --key a256 --peer "$T/theirs.pem"
	grep -q '^holdfast: invalid: ' "$T/err"
	ends 2 agree --key a256
	hf key create s
	ends 1 agree --key s --peer "$T/theirs.pem"
	grep -q '^holdfast: invalid: ' "$T/err"
}

@test "agree gives the secret that openssl derives (tpm)" { agreeing tpm; }
@test "agree gives the secret that openssl derives (legacy)" { agreeing legacy; }

macs() {
	on "$1"
	printf 'some data' >"$T/data"
	ends 0 key create m --type hmac-sha256
	ends 0 key create other --type hmac-sha256
	hf mac --key m --in "$T/data" --out "$T/mac"
	[[ $(wc -c <"$T/mac") == 32 ]]
	hf mac --key m <"$T/data" | cmp - "$T/mac"
	[[ $(hf mac --key m --in "$T/data" --hex) == "$(od -An -vtx1 "$T/mac" | tr -d ' \n')" ]]
	ends 0 --json mac --key m --in "$T/data"
	jq -r .mac "$T/out" | base64 -d | cmp - "$T/mac"
	refute cmp <(hf mac --key other --in "$T/data") "$T/mac"
	refute cmp <(printf 'some datA' | hf mac --key m) "$T/mac"
	ends 0 mac --key m --in /dev/null --hex
	# Long data go in pieces, and are limited.
	head -c 1048576 /dev/zero >"$T/most"
	hf mac --key m --in "$T/most" --out "$T/mac"
	[[ $(wc -c <"$T/mac") == 32 ]]
	printf 'x' >>"$T/most"
	ends 1 mac --key m --in "$T/most"
	grep -q '^holdfast: too_large: ' "$T/err"
	ends 1 key public m
	grep -q '^holdfast: not_supported: ' "$T/err"
	hf key create s
	ends 1 mac --key s --in "$T/data"
	grep -q '^holdfast: invalid: ' "$T/err"
}

@test "mac: as often as asked the same, for each key another (tpm)" { macs tpm; }
@test "mac: as often as asked the same, for each key another (legacy)" { macs legacy; }

requests() {
	local type
	on "$1"
	for type in ecc-p256 rsa-2048; do
		hf key create "$type" --type "$type"
		hf key csr "$type" --subject "CN=gw-1,O=Beispiel GmbH" --dns gw-1.example \
			--dns alt.example --ip 192.0.2.7 --ip 2001:db8::1 --email a@b.example \
			--uri https://gw-1.example/ --out "$T/csr"
		openssl req -in "$T/csr" -verify -noout
		openssl req -in "$T/csr" -noout -text >"$T/text"
		grep -q 'DNS:gw-1.example, DNS:alt.example' "$T/text"
		grep -q 'IP Address:192.0.2.7' "$T/text"
		grep -q 'email:a@b.example' "$T/text"
		grep -q 'URI:https://gw-1.example/' "$T/text"
		openssl req -in "$T/csr" -noout -subject -nameopt RFC2253 | grep -q 'CN=gw-1'
		openssl req -in "$T/csr" -noout -pubkey | cmp - <(hf key public "$type")
	done
	ends 0 --json key csr ecc-p256 --subject CN=x --hash sha384
	jq -r .request "$T/out" | openssl req -verify -noout
	jq -e --arg p "$PROTECTION" '.protection == $p' "$T/out"
	ends 2 key csr ecc-p256
	ends 1 key csr ecc-p256 --subject "no name"
	grep -q '^holdfast: invalid: ' "$T/err"
	ends 1 key csr ecc-p256 --subject CN=x --ip 1.2.3
	grep -q '^holdfast: invalid: ' "$T/err"
	ends 1 key csr missing --subject CN=x
	grep -q '^holdfast: not_found: ' "$T/err"
}

@test "openssl accepts requests for certificates (tpm)" { requests tpm; }
@test "openssl accepts requests for certificates (legacy)" { requests legacy; }

imports() {
	on "$1"
	printf 'a plaintext\n' >"$T/plain"
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$T/key" 2>/dev/null
	openssl pkey -in "$T/key" -aes256 -passout pass:geheim -out "$T/key.enc"
	printf 'geheim\n' >"$T/pass"
	ends 0 key import i --in "$T/key.enc" --passphrase-file "$T/pass" --use decrypt --use sign
	grep -q '^i: rsa-2048, imported, for sign decrypt, ' "$T/out"
	openssl pkey -in "$T/key" -pubout | cmp - <(hf key public i)
	encrypt i "$T/plain"
	hf decrypt --key i --in "$T/secret" | cmp - "$T/plain"
	hf sign --key i --in "$T/plain" --out "$T/sig"
	openssl dgst -sha256 -verify "$T/public.pem" -signature "$T/sig" "$T/plain"
	ends 1 key import j --in "$T/key" --use agree
	ends 1 key import j --in "$T/key.enc"
	grep -q '^holdfast: auth_failed: ' "$T/err"
}

@test "a PKCS#8 key is imported for a use (tpm)" { imports tpm; }
@test "a PKCS#8 key is imported for a use (legacy)" { imports legacy; }

@test "uses that do not fit, and words that are none" {
	on legacy
	ends 1 key create k --type rsa-2048 --use agree
	grep -q '^holdfast: invalid: ' "$T/err"
	ends 1 key create k --use decrypt
	ends 1 key create k --type hmac-sha256 --use agree
	ends 2 key create k --use encrypt
	ends 2 key create k --use
	ends 2 key create k --type aes-128
	ends 2 decrypt
	ends 2 mac --key .x
	[[ -z $(hf key list) ]]
	ends 0 --json key create k --use sign --use sign
	jq -e '.use == ["sign"]' "$T/out"
}

@test "a program without libcrypto signs, too" {
	local client
	client=$(find "$BUILD" -name holdfast-client -type f -perm -u+x | head -n 1)
	on legacy
	refute grep -q libcrypto <(ldd "$client" 2>&1)
	printf 'a message' >"$T/message"
	hf key create k --type ecc-p384
	hf key public k >"$T/pem"
	"$client" --socket "$SOCK" sign --key k --in "$T/message" --hash sha384 --out "$T/sig"
	openssl dgst -sha384 -verify "$T/pem" -signature "$T/sig" "$T/message"
	"$client" --socket "$SOCK" --json sign --key k --in "$T/message" >"$T/out"
	jq -e '.hash == "sha256" and .scheme == "ecdsa"' "$T/out"
	refute "$client" help verify
	head -c 1048577 /dev/zero >"$T/much"
	refute "$client" --socket "$SOCK" sign --key k --in "$T/much" 2>"$T/err"
	grep -q '^holdfast: too_large: ' "$T/err"
}
