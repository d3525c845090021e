#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Attestation from the command line; what comes out is checked by the stock tools, without a TPM.

bats_require_minimum_version 1.5.0
load helpers

HOLDFAST=$(program holdfast)

check_quote() { # hash, nonce
	tpm2_checkquote -u "$T/pem" -g "$1" -m "$T/att" -s "$T/sig" -f "$T/pcrs" -q "$2" \
		>"$T/checked" 2>&1
}

@test "attestation keys are made, listed, shown and deleted" {
	on tpm
	ends 0 aik create
	grep -qx '0x81010000: ecc-p256, signs with sha256, handle 0x81010000, protection tpm' "$T/out"
	ends 0 aik create gw --type rsa-2048
	ends 0 --json aik create third --hash sha384
	jq -e '.name == "third" and .handle == "0x81010002" and .hash == "sha384" and
		.protection == "tpm" and (.public | startswith("-----BEGIN PUBLIC KEY"))' "$T/out"
	ends 1 aik create gw
	grep -q '^holdfast: conflict: ' "$T/err"
	ends 1 aik create 0x81010009
	grep -q '^holdfast: invalid: ' "$T/err"
	hf aik list >"$T/list"
	[[ $(wc -l <"$T/list") == 3 ]]
	grep -Eqx 'gw +0x81010001 rsa-2048 sha256' "$T/list"
	hf --json aik list | jq -e '[.aiks[].handle] | sort ==
		["0x81010000", "0x81010001", "0x81010002"]'
	ends 0 aik delete gw
	ends 1 aik public gw
	grep -q '^holdfast: not_found: ' "$T/err"
	# A handle is never used again.
	ends 0 --json aik create gw
	jq -e '.handle == "0x81010003"' "$T/out"
	ends 2 aik create x --hash sha1
	ends 2 aik public
}

@test "the public half as PEM and as the TPM has it, and the Name" {
	on tpm
	hf aik create gw --type rsa-2048
	hf aik public gw --out "$T/pem"
	openssl pkey -pubin -in "$T/pem" -noout
	hf aik public gw --format tpm --out "$T/half"
	tpm2_print -t TPM2B_PUBLIC "$T/half" >"$T/print"
	grep -q 'value: .*fixedtpm.*restricted.*sign' "$T/print"
	# TPM 2.0 Part 1, 16: algorithm and digest of the TPMT_PUBLIC.
	[[ $(hf aik public gw --format name) == 000b$(tail -c +3 "$T/half" | sha256sum | cut -c-64) ]]
	ends 0 --json aik public gw --out "$T/pem2"
	cmp "$T/pem" "$T/pem2"
	jq -e '.tpm_public and .tpm_name and .scheme == "rsassa"' "$T/out"
}

quoting() { # type, hash, PCRs, what is said of them
	on tpm
	hf aik create gw --type "$1" --hash "$2"
	hf aik public gw --out "$T/pem"
	hf aik quote gw --nonce 0A0b0c --pcrs "$3" --attest "$T/att" --signature "$T/sig" \
		--plain-signature "$T/plain" --values "$T/pcrs" >"$T/list"
	[[ $(tr + '\n' <"$T/list" | sort) == "$(tr + '\n' <<<"$4" | sort)" ]]
	check_quote "$2" 0a0b0c || {
		cat "$T/checked"
		return 1
	}
	openssl dgst "-$2" -verify "$T/pem" -signature "$T/plain" "$T/att"
	refute check_quote "$2" 0a0b0d
	# The first value begins behind the selections, two counts and its size.
	flip "$T/pcrs" 150
	refute check_quote "$2" 0a0b0c
}

ALL=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23

@test "tpm2_checkquote accepts a quote, and no other (ecc-p256)" {
	quoting ecc-p256 sha256 sha256:0-3,7+sha1:16 sha256:0,1,2,3,7+sha1:16
}

@test "tpm2_checkquote accepts a quote, and no other (rsa-2048)" {
	quoting rsa-2048 sha256 sha256:all "sha256:$ALL"
}

@test "tpm2_checkquote accepts a quote, and no other (ecc-p256, sha384)" {
	quoting ecc-p256 sha384 sha384:0-8+sha256:all "sha384:0,1,2,3,4,5,6,7,8+sha256:$ALL"
}

@test "a quote: its defaults, nonces from files, JSON" {
	on tpm
	hf aik create gw
	hf aik public gw --out "$T/pem"
	head -c 64 /dev/urandom >"$T/nonce"
	ends 0 aik quote gw --nonce-file "$T/nonce" --attest "$T/att" --signature "$T/sig" \
		--values "$T/pcrs"
	[[ $(cat "$T/out") == sha256:0,1,2,3,4,5,6,7 ]]
	check_quote sha256 "$T/nonce"
	ends 0 --json aik quote gw --pcrs sha256:1
	jq -e '(.pcrs.sha256 | keys == ["1"]) and .hash == "sha256" and .scheme == "ecdsa" and
		.protection == "tpm" and (.attest | length > 0)' "$T/out"
	ends 2 aik quote gw --attest "$T/att"
	ends 2 aik quote gw --attest "$T/att" --signature "$T/sig" --nonce abc
	ends 2 aik quote gw --json --nonce ab --nonce-file "$T/nonce"
	printf 'x' >>"$T/nonce"
	ends 1 aik quote gw --json --nonce-file "$T/nonce"
	grep -q '^holdfast: too_large: ' "$T/err" || jq -e '.code == "too_large"' "$T/out"
	ends 1 aik quote gw --json --pcrs sha256
	ends 1 aik quote gw --json --pcrs sm3_256:1
	ends 1 aik quote missing --json
	jq -e '.code == "not_found"' "$T/out"
	rm -f "$T/att"
	if [[ ! -e /sys/kernel/security/tpm0/binary_bios_measurements ]]; then
		ends 1 aik quote gw --attest "$T/att" --signature "$T/sig" --event-log "$T/log"
		grep -q '^holdfast: not_found: ' "$T/err"
		[[ ! -e $T/att ]]
	fi
}

@test "an attestation key vouches for a key, by its Name" {
	on tpm
	hf aik create gw --type rsa-2048
	hf aik public gw --out "$T/pem"
	hf key create k
	hf aik certify gw --key k --nonce 0102 --attest "$T/att" --signature "$T/sig" \
		--plain-signature "$T/plain" --public "$T/public"
	openssl dgst -sha256 -verify "$T/pem" -signature "$T/plain" "$T/att"
	name=000b$(tail -c +3 "$T/public" | sha256sum | cut -c-64)
	# TPMS_ATTEST (Part 2, 10.12.12): extraData behind the signer, and the key's Name at the end.
	od -An -v -tx1 "$T/att" | tr -d ' \n' >"$T/hex"
	grep -q '^ff5443478017.*00020102' "$T/hex"
	grep -q "0022$name" "$T/hex"
	[[ $(hf --json key public k | jq -r .tpm_name) == "$name" ]]
	ends 0 --json aik certify gw --key k
	jq -e '.attest and .public and .protection == "tpm"' "$T/out"
	ends 1 aik certify gw --key missing --json
	ends 2 aik certify gw --key k
	ends 2 aik certify gw --json
}

@test "an attestation key signs messages, by its own hash alone" {
	on tpm
	hf aik create gw
	hf aik public gw --out "$T/pem"
	for size in 1 1024 1025 5000; do
		head -c "$size" /dev/urandom >"$T/message"
		hf aik sign gw --in "$T/message" --out "$T/sig" --hash sha256
		openssl dgst -sha256 -verify "$T/pem" -signature "$T/sig" "$T/message"
	done
	ends 0 --json aik sign gw --in "$T/message"
	jq -e '.hash == "sha256" and .scheme == "ecdsa" and .signature' "$T/out"
	ends 1 aik sign gw --in "$T/message" --hash sha384
	grep -q '^holdfast: not_supported: .*sha256' "$T/err"
	ends 1 aik sign gw --in /dev/null
	grep -q '^holdfast: invalid: ' "$T/err"
	printf '\xffTCG and more' >"$T/message"
	ends 1 aik sign gw --in "$T/message"
	grep -q '^holdfast: invalid: ' "$T/err"
}

@test "a megabyte is signed by an attestation key, and no byte more" {
	on tpm
	hf aik create gw --type rsa-2048
	hf aik public gw --out "$T/pem"
	head -c 1048576 /dev/urandom >"$T/message"
	hf aik sign gw --in "$T/message" --out "$T/sig"
	openssl dgst -sha256 -verify "$T/pem" -signature "$T/sig" "$T/message"
	printf 'x' >>"$T/message"
	ends 1 aik sign gw --in "$T/message"
	grep -q '^holdfast: too_large: ' "$T/err"
}

activating() { # type of the endorsement key
	on tpm
	hf aik create gw
	hf aik create other
	hf ek --type "$1" --format tpm --out "$T/ek.pub"
	printf 'a challenge' >"$T/secret"
	name=$(hf aik public gw --format name)
	tpm2_makecredential -T none -u "$T/ek.pub" -s "$T/secret" -n "$name" -o "$T/credential"
	hf aik activate gw --ek "$1" --credential "$T/credential" | cmp - "$T/secret"
	ends 0 --json aik activate gw --ek "$1" --credential "$T/credential"
	jq -r .secret "$T/out" | base64 -d | cmp - "$T/secret"
	ends 1 aik activate other --ek "$1" --credential "$T/credential"
	grep -q '^holdfast: damaged: ' "$T/err"
	flip "$T/credential" 30
	ends 1 aik activate gw --ek "$1" --credential "$T/credential"
	ends 1 aik activate gw --credential "$T/nothing"
	ends 2 aik activate gw
}

@test "a challenge of tpm2_makecredential opens for its key alone (rsa-2048)" { activating rsa-2048; }
@test "a challenge of tpm2_makecredential opens for its key alone (ecc-p256)" { activating ecc-p256; }

@test "the endorsement key, PCRs, event log" {
	on tpm
	hf ek --format tpm --out "$T/half"
	[[ $(hf ek --format name) == 000b$(tail -c +3 "$T/half" | sha256sum | cut -c-64) ]]
	hf ek | openssl pkey -pubin -noout
	hf --json ek --type rsa-2048 | jq -e '.type == "rsa-2048" and .certificate == null'
	ends 1 ek --certificate
	grep -q '^holdfast: no_certificate: ' "$T/err"
	ends 2 ek --certificate --format pem
	ends 2 ek --type rsa-1024
	ends 0 pcr
	grep -qx sha256 "$T/out"
	[[ $(grep -c '^  ' "$T/out") -ge 24 ]]
	ends 0 pcr --bank sha256
	[[ $(grep -Ec '^  [ 0-9][0-9]  [0-9a-f]{64}$' "$T/out") == 24 ]]
	[[ $(head -n 1 "$T/out") == sha256 ]]
	hf --json pcr | jq -e '.banks.sha256["0"] | length == 64'
	hf --json pcr --bank sha256 | jq -e '(.banks | keys == ["sha256"]) and .protection == "tpm"'
	ends 1 pcr --bank md5
	grep -q '^holdfast: not_found: ' "$T/err"
	if [[ ! -e /sys/kernel/security/tpm0/binary_bios_measurements ]]; then
		ends 1 eventlog
		grep -q '^holdfast: not_found: ' "$T/err"
	fi
}

# A chip as it leaves a maker: with an endorsement key, and a certificate for it in its NV.
make_certified_tpm() {
	mkdir -p "$T/tpm" "$T/ca"
	printf 'statedir = %s\nsigningkey = %s/key.pem\nissuercert = %s/cert.pem\ncertserial = %s/serial\n' \
		"$T/ca" "$T/ca" "$T/ca" "$T/ca" >"$T/ca.conf"
	: >"$T/ca.options"
	printf 'create_certs_tool = %s\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = %s\n' \
		"$(command -v swtpm_localca)" "$T/ca.conf" "$T/ca.options" >"$T/setup.conf"
	swtpm_setup --tpm2 --tpmstate "$T/tpm" --config "$T/setup.conf" --create-ek-cert \
		>"$T/setup.log" 2>&1 3>&-
}

@test "the endorsement key's certificate, when its maker gave one" {
	make_certified_tpm || {
		cat "$T/setup.log"
		false
	}
	on tpm
	hf ek --certificate --type rsa-2048 --out "$T/cert"
	openssl x509 -in "$T/cert" -noout -pubkey | cmp - <(hf ek --type rsa-2048)
	ends 0 --json ek --certificate --type rsa-2048
	[[ $(jq -r .certificate "$T/out") == "$(cat "$T/cert")" ]]
	# Without a type it is the one that has a certificate.
	[[ $(hf --json ek | jq -r .type) == rsa-2048 ]]
	hf --json ek | jq -r .certificate | openssl x509 -noout
	ends 1 ek --certificate --type ecc-p256
	grep -q '^holdfast: no_certificate: ' "$T/err"
}

@test "without a TPM each of them says so" {
	on legacy
	for words in "create" "create gw"; do
		# shellcheck disable=SC2086 # words
		ends 1 aik $words
		grep -q '^holdfast: tpm_required: ' "$T/err"
	done
	[[ -z $(hf aik list) ]]
	ends 1 ek
	grep -q '^holdfast: tpm_required: ' "$T/err"
	ends 1 pcr
	grep -q '^holdfast: tpm_required: ' "$T/err"
}
