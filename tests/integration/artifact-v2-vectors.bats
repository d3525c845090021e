#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The forms of version 2 in other software (docs/ARTIFACT.md): its vectors, and itself.

bats_require_minimum_version 1.5.0
load helpers

V2=$ROOT/tests/artifact/v2.py

setup_file() {
	export COMMON=$BATS_FILE_TMPDIR
	/usr/bin/python3 "$ROOT/tests/artifact/v2.py" certs --out "$COMMON/certs"
	/usr/bin/python3 "$ROOT/tests/artifact/v2.py" device --out "$COMMON/dev.json" --key "$COMMON/dev.pem"
	head -c 150000 /dev/urandom >"$COMMON/plain"
}

publish() { # origin, options..
	local origin=$1
	shift
	/usr/bin/python3 "$V2" publish --origin "$origin" --name net.bin --in "$COMMON/plain" \
		--device "$COMMON/dev.json" --content-key "$origin.key" \
		--sign-cert "$COMMON/certs/${SIGNER:-signer}.pem" \
		--sign-key "$COMMON/certs/${SIGNER:-signer}.key" "$@" >"$origin.json"
}

open() { # origin, options..
	local base=$1/models said=$1.json
	shift
	/usr/bin/python3 "$V2" open --manifest "$base/net.bin.manifest" \
		--payload "$base/$(jq -r .payload "$said").payload" \
		--key "$base/$(jq -r .manifest "$said").keys" --device "$COMMON/dev.json" \
		--device-key "$COMMON/dev.pem" --anchors "$COMMON/certs/ca.pem" --out "$T/out" "$@"
}

@test "v2: the vectors are what other software makes" {
	/usr/bin/python3 "$ROOT/tests/vectors/make-v2" "$T"
	cmp "$T/v2.inc" "$ROOT/tests/vectors/v2.inc"
}

@test "v2: what the other implementation publishes, it opens" {
	publish "$T/o"
	open "$T/o" --name net.bin --folder models
	cmp "$T/out" "$COMMON/plain"
	/usr/bin/python3 "$V2" key --device "$COMMON/dev.json" --content-key "$T/o.key" >"$T/line"
	open "$T/o" --key "$T/line"
	cmp "$T/out" "$COMMON/plain"
	run ! open "$T/o" --name other
}

@test "v2: the manifest is what the openssl command of the document takes" {
	publish "$T/o"
	openssl cms -verify -binary -inform DER -in "$T/o/models/net.bin.manifest" \
		-CAfile "$COMMON/certs/ca.pem" -partial_chain -purpose any \
		-signer "$T/signer.pem" -out "$T/json"
	[ "$(openssl dgst -sha256 -r "$T/json" | cut -d' ' -f1)" = "$(jq -r .manifest "$T/o.json")" ]
	[ "$(jq -r .name "$T/json")" = net.bin ]
	openssl x509 -in "$T/signer.pem" -noout -ext extendedKeyUsage |
		grep -q 2.25.117605614488763127874438682632241167710
}

@test "v2: the other implementation refuses what the document refuses" {
	local row=0
	while read -r signer options; do
		row=$((row + 1))
		# shellcheck disable=SC2086 # words
		SIGNER=$signer publish "$T/o$row" $options
		run ! open "$T/o$row"
		[ ! -e "$T/out" ]
	done <<-'END'
		v1
		stranger
		signer --set holdfast="artifact_v3"
		signer --set more=1
		signer --set payload.more=1
		signer --set payload.chunk=131072
		signer --set payload.cipher="AES-256-CBC"
		signer --set serial=0
		signer --set plain.size=149999
		signer --omit version
		signer --omit payload.sha256
		signer --header-cipher 2
		signer --header-chunk 17
		signer --payload-release models net.bin 2
		signer --payload-release models other.bin 1
		signer --bind 0000000000000000000000000000000000000000000000000000000000000000
	END
	[ "$row" = 16 ]
}
