#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The v1 format of resources against the openssl command, both ways (docs/ARTIFACT.md).

bats_require_minimum_version 1.5.0
load helpers

TOOL=$BUILD/tests/artifact/v1_tool
USAGE=2.25.331222883403935337620007880232889463152
KEY=000102030405060708090a0b0c0d0e0ff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff

# Sizes at every edge: of a block, of the cut, of our pieces.
SIZES=(0 1 15 16 17 31 32 3055 3056 3057 10206 10207 10208 10239 10240 65519 65520 65535 65536 65537 300000)

plain() { # size
	openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 0 -in /dev/zero 2>/dev/null |
		head -c "$1"
}

# The blob as the openssl command makes it.
openssl_seal() { # key, plain, blob
	local iv
	iv=$(openssl rand -hex 16)
	{
		printf '%s' "$iv" | xxd -r -p
		openssl enc -aes-256-cbc -K "$1" -iv "$iv" -in "$2"
	} >"$3"
}

openssl_open() { # key, blob, plain
	openssl enc -d -aes-256-cbc -K "$1" -iv "$(head -c 16 "$2" | xxd -p)" \
		-in <(tail -c +17 "$2") -out "$3"
}

@test "v1: the vectors are what the openssl command makes" {
	mkdir "$T/vectors"
	"$ROOT/tests/vectors/make" "$T/vectors"
	for name in v1_keys.inc v1_blobs.inc; do
		cmp "$T/vectors/$name" "$ROOT/tests/vectors/$name"
	done
}

@test "v1: a blob of the openssl command opens with ours, cut as we cut or anywhere" {
	for size in "${SIZES[@]}"; do
		plain "$size" >"$T/plain"
		openssl_seal "$KEY" "$T/plain" "$T/blob"
		"$TOOL" split "$T/a.small" "$T/a.big" <"$T/blob"
		cat "$T/a.small" "$T/a.big" | cmp - "$T/blob"
		"$TOOL" open "$KEY" "$T/a.small" "$T/a.big" | cmp - "$T/plain"
		for cut in 0 7 16 20; do
			head -c "$cut" "$T/blob" >"$T/a.small"
			tail -c +"$((cut + 1))" "$T/blob" >"$T/a.big"
			"$TOOL" open "$KEY" "$T/a.small" "$T/a.big" | cmp - "$T/plain"
		done
	done
}

@test "v1: a blob of ours opens with the openssl command" {
	for size in "${SIZES[@]}"; do
		plain "$size" >"$T/plain"
		"$TOOL" seal "$KEY" <"$T/plain" >"$T/blob"
		[[ $(stat -c %s "$T/blob") == $((16 + (size / 16 + 1) * 16)) ]]
		openssl_open "$KEY" "$T/blob" "$T/back"
		cmp "$T/plain" "$T/back"
	done
}

@test "v1: keys are those of the openssl command" {
	local print hash text email=reef@example.net password='a b-c'
	print='CPU: Cortex-A78AE. GPU: Orin. Memory: 7802888. DriveSerial: S1'
	b64() { openssl dgst -sha384 -binary | openssl base64 -A; }
	sha() { openssl dgst -sha256 -r | cut -d' ' -f1; }
	hash=$(printf 'Kelp_%s_one salt' "$print" | b64)
	text=$(printf '%s-%s-%s-another salt' "$email" "$password" "$hash" | b64)
	[[ $("$TOOL" user-key v1-hw Kelp 'one salt' 'another salt' "$email" "$password" "$print") \
		== $(printf '%s' "$text" | sha) ]]
	text=$(printf '%s-%s-another salt' "$email" "$password" | b64)
	[[ $("$TOOL" user-key v1-nohw Kelp 'one salt' 'another salt' "$email" "$password" '') \
		== $(printf '%s' "$text" | sha) ]]
	[[ $("$TOOL" fleet-key 'third salt') == $(printf '%s' "$(printf 'third salt' | b64)" | sha) ]]
	openssl rand 1000 >"$T/fragment"
	[[ $("$TOOL" archive-key "$T/fragment") == $(sha <"$T/fragment") ]]
}

# refused FILE..: not a byte comes out, and the words are always the same.
refused() {
	local status=0
	"$TOOL" open "$KEY" "$@" >"$T/out" 2>"$T/err" || status=$?
	[[ $status == 1 && ! -s $T/out ]]
	[[ $(head -n 1 "$T/err") == "the resource is damaged, or not for this key" ]]
}

# $T/plain under another IV, in one piece and in two.
sealed_anew() {
	"$TOOL" seal "$KEY" <"$T/plain" >"$T/blob"
	"$TOOL" split "$T/small" "$T/big" <"$T/blob"
}

@test "v1: what length and padding show is refused, in one answer" {
	plain 20000 >"$T/plain"
	sealed_anew
	: >"$T/none"
	head -c 15000 "$T/big" >"$T/cut"
	tail -c +2 "$T/big" >"$T/behead"
	cat "$T/big" "$T/none" <(printf x) >"$T/longer"
	# The byte before the last block's makes the padding.
	cp "$T/big" "$T/padding"
	flip "$T/padding" -17 0x40
	refute cmp -s "$T/big" "$T/padding"
	for big in cut behead longer padding none; do
		refused "$T/small" "$T/$big"
	done
	refused "$T/none" "$T/none"
	cannot_open "${KEY/000102/ffffff}" "$T/blob" sealed_anew
	KEY=${KEY/000102/ffffff} refused "$T/small" "$T/big"
	"$TOOL" open "$KEY" "$T/small" "$T/big" | cmp - "$T/plain"
}

certificates() {
	(
		cd "$T"
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
			-keyout ca.key -out ca.pem -subj /CN=ca -days 2
		openssl req -newkey rsa:2048 -nodes -keyout s.key -out s.csr -subj /CN=s
		openssl x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out s.pem \
			-extfile <(printf 'keyUsage=digitalSignature\nextendedKeyUsage=%s\n' "$USAGE")
		openssl x509 -in ca.pem -outform DER -out ca.der
		openssl x509 -in s.pem -outform DER -out s.der
		openssl pkcs8 -topk8 -nocrypt -in s.key -outform DER -out s.p8
	) 2>/dev/null
}

@test "v1: signatures go both ways between us and the openssl command" {
	certificates
	plain 5000 >"$T/plain"
	"$TOOL" seal "$KEY" <"$T/plain" >"$T/blob"
	"$TOOL" split "$T/small" "$T/big" <"$T/blob"
	"$TOOL" text models net.bin "$T/small" "$T/big" >"$T/text"
	jq -e --arg sum "$(openssl dgst -sha256 -r "$T/blob" | cut -d' ' -f1)" \
		'.folder == "models" and .name == "net.bin" and .length == 5024 and .sha256 == $sum' \
		"$T/text"
	openssl cms -sign -binary -in "$T/text" -signer "$T/s.pem" -inkey "$T/s.key" -md sha256 \
		-outform DER -out "$T/theirs"
	"$TOOL" verify models net.bin "$T/small" "$T/big" "$T/ca.der" "$T/theirs"
	"$TOOL" sign models net.bin "$T/small" "$T/big" "$T/s.p8" "$T/s.der" >"$T/ours"
	openssl cms -verify -binary -content "$T/text" -inform DER -in "$T/ours" -CAfile "$T/ca.pem" \
		-purpose any -out "$T/said"
	cmp "$T/said" "$T/text"
}

@test "v1: a signature is of one name, one folder and the very bytes of both parts" {
	certificates
	plain 5000 >"$T/plain"
	"$TOOL" seal "$KEY" <"$T/plain" >"$T/blob"
	"$TOOL" split "$T/small" "$T/big" <"$T/blob"
	"$TOOL" sign models net.bin "$T/small" "$T/big" "$T/s.p8" "$T/s.der" >"$T/sig"
	"$TOOL" verify models net.bin "$T/small" "$T/big" "$T/ca.der" "$T/sig"
	"$TOOL" seal "$KEY" <"$T/plain" >"$T/blob"
	"$TOOL" split "$T/small2" "$T/big2" <"$T/blob"
	run -1 "$TOOL" verify models other.bin "$T/small" "$T/big" "$T/ca.der" "$T/sig"
	run -1 "$TOOL" verify images net.bin "$T/small" "$T/big" "$T/ca.der" "$T/sig"
	run -1 "$TOOL" verify models net.bin "$T/small2" "$T/big" "$T/ca.der" "$T/sig"
	run -1 "$TOOL" verify models net.bin "$T/small" "$T/big2" "$T/ca.der" "$T/sig"
	run -1 "$TOOL" verify models net.bin "$T/big" "$T/small" "$T/ca.der" "$T/sig"
	run -1 "$TOOL" verify models ../net.bin "$T/small" "$T/big" "$T/ca.der" "$T/sig"
}

# Through pipes, as large as a test may be: the peak is that of a small one.
@test "v1: memory does not grow with the resource" {
	local small large verb
	for size in 100000 200000000; do
		head -c "$size" /dev/zero | "$TOOL" seal "$KEY" 2>"$T/seal.$size" >"$T/blob"
		"$TOOL" split "$T/small" "$T/big" <"$T/blob" 2>"$T/split.$size"
		rm "$T/blob"
		"$TOOL" open "$KEY" "$T/small" "$T/big" 2>"$T/open.$size" |
			cmp - <(head -c "$size" /dev/zero)
	done
	for verb in seal split open; do
		small=$(sed -n 's/^peak //p' "$T/$verb.100000")
		large=$(sed -n 's/^peak //p' "$T/$verb.200000000")
		echo "$verb: $small kB, $large kB"
		((large - small < 4096))
	done
}
