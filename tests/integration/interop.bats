#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Key files go both ways between us and the stock TPM tools; signatures are checked by openssl.

bats_require_minimum_version 1.5.0
load helpers

HOLDFAST=$(program holdfast)

tools() {
	TPM2TOOLS_TCTI=$TCTI "$@"
}

tpm_openssl() {
	TPM2OPENSSL_TCTI=$TCTI openssl "$@"
}

hf() {
	HOLDFAST_SOCKET=$SOCK "$HOLDFAST" "$@"
}

# Others use the chip only while the daemon is down: a bare swtpm has one owner at a time.
with_daemon_down() {
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	"$@"
	start_daemon
}

fresh() {
	on tpm
	echo "a message to sign" >"$T/message"
}

check_signature() {
	openssl dgst -sha256 -verify "$1" -signature "$2" "$T/message"
}

@test "our signatures are good for the stock openssl, ECDSA, PKCS#1 v1.5 and PSS" {
	fresh
	for type in ecc-p256 rsa-2048; do
		hf key create "$type" --type "$type"
		hf key public "$type" >"$T/$type.pem"
		hf sign --key "$type" --in "$T/message" --out "$T/sig"
		check_signature "$T/$type.pem" "$T/sig"
	done
	hf sign --key rsa-2048 --scheme rsapss --in "$T/message" --out "$T/sig"
	openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1 \
		-verify "$T/rsa-2048.pem" -signature "$T/sig" "$T/message"
	echo "another message" >"$T/message"
	run ! check_signature "$T/rsa-2048.pem" "$T/sig"
}

@test "a PEM of ours is used by tpm2_load" {
	fresh
	for type in ecc-p256 rsa-2048; do
		hf key create "$type" --type "$type" --export
		hf key export "$type" --out "$T/$type.key" --passphrase-out "$T/$type.pass"
		hf key public "$type" >"$T/$type.pem"
	done
	use() {
		for type in ecc-p256 rsa-2048; do
			# The parent stands in the file.
			tools tpm2_load -Q -r "$T/$type.key" -c "$T/key.ctx"
			tools tpm2_sign -Q -c "$T/key.ctx" -p "file:$T/$type.pass" -g sha256 \
				-f plain -o "$T/sig" "$T/message"
			check_signature "$T/$type.pem" "$T/sig"
			tools tpm2_flushcontext -t
		done
	}
	with_daemon_down use
}

@test "a PEM of ours is used by openssl -provider tpm2, with passphrase and without" {
	fresh
	hf key create with --export
	hf key export with --out "$T/with.key" --passphrase-out "$T/pass"
	hf key public with >"$T/with.pem"
	hf key create without --export --auth none
	hf key export without --out "$T/without.key"
	hf key public without >"$T/without.pem"
	use() {
		tpm_openssl pkeyutl -provider tpm2 -provider default \
			-propquery '?provider=tpm2' -sign -rawin -digest sha256 \
			-inkey "$T/with.key" -passin "file:$T/pass" \
			-in "$T/message" -out "$T/sig"
		check_signature "$T/with.pem" "$T/sig"
		tpm_openssl pkeyutl -provider tpm2 -provider default \
			-propquery '?provider=tpm2' -sign -rawin -digest sha256 \
			-inkey "$T/without.key" -in "$T/message" -out "$T/sig"
		check_signature "$T/without.pem" "$T/sig"
	}
	with_daemon_down use
}

@test "a key made by openssl -provider tpm2 under our SRK is imported and signs" {
	fresh
	make() {
		tpm_openssl genpkey -provider tpm2 -algorithm EC \
			-pkeyopt group:P-256 -pkeyopt parent:0x81000001 -out "$T/theirs.key"
		tpm_openssl genpkey -provider tpm2 -algorithm RSA -pkeyopt bits:2048 \
			-pkeyopt parent:0x81000001 -pkeyopt user-auth:geheim -out "$T/theirs-rsa.key"
		tpm_openssl pkey -provider tpm2 -provider base -in "$T/theirs.key" -pubout \
			-out "$T/theirs.pem"
	}
	with_daemon_down make
	hf key import ec --in "$T/theirs.key"
	hf key public ec >"$T/ec.pem"
	cmp "$T/ec.pem" "$T/theirs.pem"
	hf sign --key ec --in "$T/message" --out "$T/sig"
	check_signature "$T/ec.pem" "$T/sig"
	[[ $(hf --json key public ec | jq -r .origin) == imported ]]
	printf 'geheim' >"$T/pass"
	hf key import rsa --in "$T/theirs-rsa.key" --passphrase-file "$T/pass"
	hf key public rsa >"$T/rsa.pem"
	hf sign --key rsa --in "$T/message" --out "$T/sig"
	check_signature "$T/rsa.pem" "$T/sig"
}

@test "a key made with tpm2_create is imported as PEM and signs" {
	fresh
	make() {
		tools tpm2_create -Q -C 0x81000001 -G ecc256 -u "$T/u" -r "$T/r" -p geheim \
			-a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign|noda'
		tools tpm2_encodeobject -C 0x81000001 -u "$T/u" -r "$T/r" -p -o "$T/theirs.key"
	}
	with_daemon_down make
	printf 'geheim' >"$T/pass"
	hf key import k --in "$T/theirs.key" --passphrase-file "$T/pass"
	hf key public k >"$T/k.pem"
	hf sign --key k --in "$T/message" --out "$T/sig"
	check_signature "$T/k.pem" "$T/sig"
}

@test "a wrong passphrase and a foreign chip's key are told apart, a software key moves in" {
	fresh
	hf key create mine --export
	hf key export mine --out "$T/mine.key" --passphrase-out "$T/pass"
	echo wrong >"$T/wrong"
	run hf key import a --in "$T/mine.key" --passphrase-file "$T/wrong"
	[[ $status == 1 && $output == *auth_failed* ]]
	run hf key import a --in "$T/mine.key"
	[[ $status == 1 && $output == *auth_failed* ]]
	hf key import a --in "$T/mine.key" --passphrase-file "$T/pass"
	openssl genpkey -algorithm EC -pkeyopt group:P-256 -out "$T/soft.key"
	openssl pkey -in "$T/soft.key" -pubout -out "$T/soft.pem"
	hf key import b --in "$T/soft.key"
	hf sign --key b --in "$T/message" --out "$T/sig"
	check_signature "$T/soft.pem" "$T/sig"
	stop_daemon
	stop_swtpm
	rm -rf "$T/state" "$T/tpm" "$T"/tpm.sock*
	start_swtpm
	start_daemon
	run hf key import a --in "$T/mine.key" --passphrase-file "$T/pass"
	[[ $status == 1 && $output == *wrong_tpm* ]]
}

@test "a key that was not made for export stays" {
	fresh
	hf key create k
	run hf key export k --out "$T/out"
	[[ $status == 1 && $output == *conflict* ]]
	[[ ! -e $T/out ]]
}
