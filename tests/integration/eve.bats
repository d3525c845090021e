#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# EVE's tools by their own names: what was written for them runs as it stands.

bats_require_minimum_version 1.5.0
load helpers

HOLDFAST=$(program holdfast)

# link_tools PROGRAM: the tools' names for it, in front of the PATH, as they are installed.
link_tools() {
	local tool
	mkdir -p "$T/bin"
	for tool in genaik pubgetaik sign nonsense; do
		ln -sfn "$(readlink -f "$1")" "$T/bin/eve_tools_tpm2_$tool"
	done
	PATH=$T/bin:$PATH
	export HOLDFAST_SOCKET=$SOCK
	cd "$T"
}

# tool STATUS NAME WORD..: as ends() does it.
tool() {
	local expected=$1 status=0
	shift
	"eve_tools_tpm2_$@" >out 2>err </dev/null || status=$?
	if [[ $status != "$expected" ]]; then
		echo "exit $status instead of $expected: $*"
		cat out err
		return 1
	fi
}

# The transcript of EVE's proposal, word for word, but for the algorithm.
transcript() {
	echo "a message" >message.txt
	eve_tools_tpm2_genaik -g "$1" >out
	[[ $(cat out) == "AIK Pair generated at persistent handle 0x81010000" ]]
	eve_tools_tpm2_pubgetaik -k 0x81010000 -f ak.pem
	eve_tools_tpm2_sign -k 0x81010000 -m message.txt -g 0x00B -s sign.bin
	openssl dgst -sha256 -verify ak.pem -signature sign.bin message.txt
	openssl pkey -pubin -in ak.pem -noout -text >text
	grep -q "$2" text
}

@test "the transcript works word for word: RSA" {
	on tpm
	link_tools "$HOLDFAST"
	transcript 0x1 'Public-Key: (2048 bit)'
	[[ $(wc -c <sign.bin) == 256 ]]
}

@test "the transcript works word for word: ECC" {
	on tpm
	link_tools "$HOLDFAST"
	transcript 0x23 'NIST CURVE: P-256'
}

@test "the transcript works with the program that has no libcrypto" {
	on tpm
	link_tools "$(find "$BUILD" -name holdfast-client -type f -perm -u+x | head -n 1)"
	transcript 0x1 'Public-Key: (2048 bit)'
}

@test "numbers, names and long options mean the same; handles count on" {
	on tpm
	link_tools "$HOLDFAST"
	echo "a message" >message
	tool 0 genaik -g ecc
	tool 0 genaik --alg=35 -h 0xC
	[[ $(cat out) == "AIK Pair generated at persistent handle 0x81010001" ]]
	tool 0 genaik -grsa --digest-alg sha256
	tool 0 pubgetaik --key-handle 2164326401 --file two.pem
	tool 0 sign -k 0X81010001 -m message -g sha384 -s two.sig
	openssl dgst -sha384 -verify two.pem -signature two.sig message
	tool 0 sign --key-handle 0x81010001 --msg message --halg 12 --sig two.sig
	openssl dgst -sha384 -verify two.pem -signature two.sig message
	tool 0 sign -k 0x81010001 -m message -s two.sig
	openssl dgst -sha384 -verify two.pem -signature two.sig message
	tool 0 pubgetaik -k 0x81010002 -f -
	openssl pkey -pubin -in out -noout
	tool 0 genaik -g rsa --json
	jq -e '.handle == "0x81010003" and .type == "rsa-2048"' out
}

@test "a key with a name is found by it and by its handle" {
	on tpm
	link_tools "$HOLDFAST"
	echo "a message" >message
	hf aik create gw
	tool 0 pubgetaik -k 0x81010000 -f one.pem
	tool 0 pubgetaik -k gw -f two.pem
	cmp one.pem two.pem
	hf aik public gw | cmp - one.pem
	tool 0 sign -k 0x81010000 -m message -s sig
	openssl dgst -sha256 -verify one.pem -signature sig message
}

@test "what goes wrong says what to do" {
	on tpm
	link_tools "$HOLDFAST"
	echo "a message" >message
	tool 0 genaik -g 0x1
	tool 0 genaik -g 0x1 -h 0xD
	tool 1 sign -k 0x81010000 -m message -g 0xC -s sig
	grep -qx 'eve_tools_tpm2_sign: not_supported: the key 0x81010000 signs with sha256 alone, not with sha384' err
	grep -qx '  try: Give -g 0xB, or -g sha256.' err
	tool 1 sign -k 0x81010001 -m message -g 0x4 -s sig
	grep -qx '  try: Give -g 0xD, or -g sha512.' err
	tool 1 sign -k 0x81010007 -m message -g 0xB -s sig
	grep -qx 'eve_tools_tpm2_sign: not_found: there is no attestation key 0x81010007' err
	grep -q 'eve_tools_tpm2_genaik' err
	tool 1 pubgetaik -k nobody -f ak.pem
	grep -q '^eve_tools_tpm2_pubgetaik: not_found: there is no attestation key nobody' err
	[[ ! -e ak.pem && ! -e sig ]]
	tool 1 sign -k 0x81010000 -m nothing -s sig
	grep -q '^eve_tools_tpm2_sign: not_found: cannot open nothing' err
	tool 2 sign -k 0x81010000 -m message -g 0x99 -s sig
	grep -q '0xB (sha256)' err
	tool 2 genaik -g aes
	grep -q '0x1 (rsa) or 0x23 (ecc)' err
	tool 2 genaik
	grep -qx '  try: eve_tools_tpm2_genaik --help' err
	tool 2 pubgetaik -k 0x81010000
	tool 2 sign -x
	tool 2 nonsense -g 0x1
	grep -q 'eve_tools_tpm2_pubgetaik' err
	tool 0 genaik --help
	grep -q '^usage: eve_tools_tpm2_genaik -g ALG \[-h HASH\]' out
}

@test "without a TPM, and without a service" {
	on legacy
	link_tools "$HOLDFAST"
	tool 1 genaik -g 0x1
	grep -q '^eve_tools_tpm2_genaik: tpm_required: ' err
	tool 1 pubgetaik -k 0x81010000 -f ak.pem
	stop_daemon
	tool 1 genaik -g 0x1
	grep -q '^eve_tools_tpm2_genaik: internal: no service answers' err
}
