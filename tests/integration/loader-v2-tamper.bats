#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whatever of version 2 is changed, moved, replayed or invented is refused before a byte of it is used.

bats_require_minimum_version 1.5.0
load helpers
load loader
load artifact

setup_file() {
	scene_begin
	signing
	device_start one
	start_origin
	known one
	plain 200000 >"$T/plain"
	start_loader loader "$(at_device one)" "manifest_anchors = \"$T/ca.pem\"" 'downloads = 16'
	logged_in
}

teardown_file() {
	scene_end
}

scene_mend() {
	stand_up
}

# resign NAME FILTER [SIGNER]: the manifest that lies there, changed by jq, signed again.
resign() {
	manifest "$1" | jq -cj "$2" >"$T/manifest.json"
	sign_text "$1" "${3-publisher}"
}

# sign_text NAME SIGNER [OPTION..]: $T/manifest.json becomes its manifest, by the openssl command.
sign_text() {
	local name=$1 signer=$2
	shift 2
	openssl cms -sign -binary -nodetach -in "$T/manifest.json" -signer "$T/$signer.pem" \
		-inkey "$T/$signer.key" -md sha256 -outform DER -out "$T/origin/models/$name.manifest" "$@"
}

MODELS() {
	echo "$T/origin/models"
}

@test "each part of a manifest" {
	local size at harmless=0 refused=0
	publish_v2 flipped "$T/plain"
	opens flipped "$T/plain"
	cp "$(MODELS)/flipped.manifest" "$T/good.manifest"
	size=$(stat -c %s "$T/good.manifest")
	for ((at = 0; at < size; at += 29)); do
		cp "$T/good.manifest" "$(MODELS)/flipped.manifest"
		flip "$(MODELS)/flipped.manifest" $at 0x10
		artifact flipped
		if [[ $CODE == 200 ]]; then
			# Bytes that no signature is over, and that say nothing.
			cmp "$T/plain" "$T/body"
			harmless=$((harmless + 1))
		else
			answers 422 signature_invalid
			refused=$((refused + 1))
		fi
	done
	echo "$harmless harmless, $refused refused"
	((refused > 20 && harmless * 8 < refused))
	for at in 1 100 $((size - 1)); do
		head -c "$at" "$T/good.manifest" >"$(MODELS)/flipped.manifest"
		refuses flipped 422 signature_invalid
	done
	# No manifest at all is no answer: what is here goes on.
	: >"$(MODELS)/flipped.manifest"
	opens flipped "$T/plain"
	cat "$T/good.manifest" "$T/good.manifest" >"$(MODELS)/flipped.manifest"
	refuses flipped 422 signature_invalid
	cp "$T/good.manifest" "$(MODELS)/flipped.manifest"
	opens flipped "$T/plain"
}

# Each is signed by who may.
@test "what a signed manifest may not say" {
	local filter code status
	publish_v2 says "$T/plain" --serial 5
	opens says "$T/plain"
	cp "$(MODELS)/says.manifest" "$T/good.manifest"
	while read -r status code filter; do
		echo "case: $filter"
		cp "$T/good.manifest" "$(MODELS)/says.manifest"
		resign says "$filter"
		refuses says "$status" "$code"
	done <<-'END'
		422 signature_invalid .name = "other"
		422 signature_invalid .folder = "other"
		409 rolled_back .serial = 4
		409 rolled_back .version = "of the same serial"
		409 rolled_back .expires = 4000000000
		403 expired .serial = 6 | .expires = 1700000000
		422 not_supported .serial = 6 | .holdfast = "artifact v3"
		422 not_supported .serial = 6 | .type = "zip"
		422 not_supported .serial = 6 | .payload.cipher = "AES-128-GCM"
		422 not_supported .serial = 6 | .payload.cipher = "none"
		422 not_supported .serial = 6 | .payload.chunk = 4096
		422 not_supported .serial = 6 | .protection = "none"
		422 not_supported .serial = 6 | .more = 1
		422 not_supported .serial = 6 | .payload.more = 1
		422 not_supported .serial = 6 | .min_format = 3
		422 signature_invalid .serial = 0
		422 signature_invalid .serial = "7"
		422 signature_invalid .serial = 7.5
		422 signature_invalid .serial = 99999999999999999999
		422 signature_invalid .serial = 6 | del(.payload)
		422 signature_invalid .serial = 6 | .payload.size = -1
		422 signature_invalid .serial = 6 | .payload.size += 1
		422 signature_invalid .serial = 6 | .plain.size += 1
		422 signature_invalid .serial = 6 | .payload.sha256 = "00"
		422 signature_invalid .serial = 6 | .payload.sha256 |= ascii_upcase
		422 signature_invalid .serial = 6 | .version = "\u0007"
		422 signature_invalid .serial = 6 | .images = []
		422 signature_invalid [.]
	END
	cp "$T/good.manifest" "$(MODELS)/says.manifest"
	opens says "$T/plain"
}

@test "a manifest of who may not sign it" {
	local who
	authority stranger
	signer_v2 outsider stranger
	signer v1-signer ca
	certificate no-usage ca basicConstraints=CA:FALSE keyUsage=digitalSignature
	certificate any-usage ca basicConstraints=CA:FALSE keyUsage=digitalSignature \
		extendedKeyUsage=anyExtendedKeyUsage
	certificate other-key-usage ca basicConstraints=CA:FALSE keyUsage=keyAgreement \
		"extendedKeyUsage=$USAGE_V2"
	publish_v2 whose "$T/plain"
	manifest whose >"$T/manifest.json"
	for who in outsider v1-signer no-usage any-usage other-key-usage stranger; do
		echo "case: $who"
		sign_text whose "$who"
		refuses whose 422 signature_invalid
	done
	sign_text whose publisher -md sha1
	refuses whose 422 signature_invalid
	openssl cms -sign -binary -in "$T/manifest.json" -signer "$T/publisher.pem" -inkey \
		"$T/publisher.key" -md sha256 -outform DER -out "$(MODELS)/whose.manifest"
	refuses whose 422 signature_invalid
	sign_text whose publisher
	opens whose "$T/plain"
}

@test "a signer of manifests signs nothing of version 1" {
	publish v1-by-v2 "$T/plain" --sign-key "$T/publisher.key" --sign-cert "$T/publisher.pem" ||
		return 0 # our tool may refuse it
	start_loader strict "trust_anchors = \"$T/ca.pem\""
	logged_in
	load_named v1-by-v2
	answers 500 signature_invalid
	stop strict
}

# spoil HOW FILE
spoil() {
	local size
	size=$(stat -c %s "$2")
	case $1 in
	magic) flip "$2" 0 ;;
	cipher) flip "$2" 4 ;;
	chunk) flip "$2" 5 ;;
	reserved) flip "$2" 6 ;;
	size) flip "$2" 15 ;;
	salt) flip "$2" 20 ;;
	first) flip "$2" 48 ;;
	first-tag) flip "$2" $((48 + 65536 + 3)) ;;
	middle) flip "$2" $((48 + 2 * 65552 + 77)) ;;
	last) flip "$2" -17 ;;
	last-tag) flip "$2" -1 ;;
	shorter) truncate -s -1 "$2" ;;
	chunks-only) truncate -s $((48 + 3 * 65552)) "$2" ;;
	longer) printf x >>"$2" ;;
	empty) : >"$2" ;;
	swapped)
		{
			head -c 48 "$2"
			tail -c +$((49 + 65552)) "$2" | head -c 65552
			tail -c +49 "$2" | head -c 65552
			tail -c +$((49 + 2 * 65552)) "$2"
		} >"$2.new"
		mv "$2.new" "$2"
		;;
	repeated)
		{
			head -c $((48 + 65552)) "$2"
			tail -c +49 "$2" | head -c 65552
			tail -c +$((49 + 2 * 65552)) "$2"
		} >"$2.new"
		mv "$2.new" "$2"
		;;
	zeros) head -c "$size" /dev/zero >"$2" ;;
	*) return 1 ;;
	esac
}

SPOILS=(magic cipher chunk reserved size salt first first-tag middle last last-tag shorter chunks-only longer
	empty swapped repeated zeros)

@test "each region of a payload, on its way" {
	local how
	for how in "${SPOILS[@]}"; do
		publish_v2 "way-$how" "$T/plain"
		spoil "$how" "$(payload_of "way-$how")"
	done
	for how in "${SPOILS[@]}"; do
		echo "case: $how"
		# Another length is not what was asked for; all else is found by the digest.
		case $how in
		shorter | chunks-only | longer | empty) refuses "way-$how" 502 upstream_unreachable ;;
		*) refuses "way-$how" 422 decrypt_failed ;;
		esac
		[[ ! -e $(cached_payload "way-$how") ]]
	done
}

cached_payload() { # name
	echo "$T/loader.cache/models/$(basename "$(payload_of "$1")")"
}

@test "each region of a payload, in the cache" {
	local how
	for how in "${SPOILS[@]}"; do
		publish_v2 "lay-$how" "$T/plain"
		opens "lay-$how" "$T/plain"
		spoil "$how" "$(cached_payload "lay-$how")"
		# It is not used, and fetched anew.
		opens "lay-$how" "$T/plain"
	done
	cmp "$(payload_of lay-salt)" "$(cached_payload lay-salt)"
}

@test "the payload of another release, of another artifact" {
	publish_v2 first-of-two "$T/plain"
	publish_v2 second-of-two "$T/plain"
	cp "$(payload_of second-of-two)" "$(payload_of first-of-two)"
	artifact first-of-two
	[[ $CODE == @(422|502) ]]
	opens second-of-two "$T/plain"
}

# line NAME FILTER: this device's line of the keys file, changed by jq.
line() {
	jq -cj "$2" "$(keys_of "$1")" >"$T/line"
	echo >>"$T/line"
	cp "$T/line" "$(keys_of "$1")"
}

@test "device keys that are changed, or of something else" {
	local how status code
	publish_v2 donor "$T/plain"
	while read -r status code how; do
		publish_v2 key-case "$T/plain"
		cp "$(keys_of key-case)" "$T/good.keys"
		line key-case "$how"
		echo "case: $how"
		refuses key-case "$status" "$code"
		cp "$T/good.keys" "$(keys_of key-case)"
		opens key-case "$T/plain"
	done <<-'END'
		422 decrypt_failed .public |= (.[0:30] + (if .[30:31] == "A" then "B" else "A" end) + .[31:])
		422 decrypt_failed .duplicate |= (.[0:60] + (if .[60:61] == "A" then "B" else "A" end) + .[61:])
		422 decrypt_failed .seed |= (.[0:40] + (if .[40:41] == "A" then "B" else "A" end) + .[41:])
		422 decrypt_failed .duplicate = ""
		422 decrypt_failed .seed |= .[0:8]
		422 decrypt_failed .manifest |= ("00" + .[2:])
		422 decrypt_failed .public = .duplicate
		422 decrypt_failed del(.seed)
		422 decrypt_failed .more = 1
		502 upstream_unreachable .public = ("A" * 100000)
	END
	# The line of another artifact, dressed up as of this one.
	publish_v2 key-case "$T/plain"
	cp "$(keys_of key-case)" "$T/good.keys"
	jq -cj --slurpfile own "$T/good.keys" '.manifest = $own[0].manifest' "$(keys_of donor)" >"$T/line"
	echo >>"$T/line"
	cp "$T/line" "$(keys_of key-case)"
	refuses key-case 422 decrypt_failed
	cp "$T/good.keys" "$(keys_of key-case)"
	opens key-case "$T/plain"
}

@test "an older release, replayed as a whole" {
	local old=$T/old-release
	plain 1000 3 >"$T/older"
	publish_v2 replayed "$T/older"
	cp -r "$(MODELS)" "$old"
	publish_v2 replayed "$T/plain"
	opens replayed "$T/plain"
	cp "$old"/* "$(MODELS)/"
	refuses replayed 409 rolled_back
	load_named replayed
	answers 500 rolled_back
	# Neither a restart nor the loss of manifest and key in the cache changes that.
	stop loader
	rm "$T/loader.cache/models/replayed".{manifest,key}
	run_loader loader
	logged_in
	refuses replayed 409 rolled_back
	rm -r "$old"
}

@test "moved to another name, another folder" {
	publish_v2 here "$T/plain"
	cp "$(MODELS)/here.manifest" "$(MODELS)/there.manifest"
	refuses there 422 signature_invalid
	mkdir -p "$T/origin/elsewhere"
	cp "$(MODELS)"/* "$T/origin/elsewhere/"
	refuses here 422 signature_invalid elsewhere
	opens here "$T/plain"
}

@test "what the cache remembers, spoiled" {
	local file=$T/loader.cache/models/minds
	publish_v2 minds "$T/plain"
	opens minds "$T/plain"
	flip "$file.key" 300
	opens minds "$T/plain"
	flip "$file.manifest" 300
	opens minds "$T/plain"
	printf 'no floor' >"$file.floor"
	artifact minds
	[[ $CODE == 500 ]]
	[[ $(<"$file.floor") == 'no floor' ]]
	load_named minds
	answers 500 internal
	rm "$file.floor"
	opens minds "$T/plain"
}

@test "version 2 offered as version 1" {
	local payload
	publish_v2 dressed "$T/plain"
	payload=$(payload_of dressed)
	head -c 3072 "$payload" >"$(MODELS)/dressed-up.small"
	tail -c +3073 "$payload" >"$(MODELS)/dressed-up.big"
	load_named dressed-up
	answers 500 decrypt_failed
	# The parts of v2 are no files of the older interfaces.
	for file in dressed.manifest "$(basename "$payload")" "$(basename "$(keys_of dressed)")"; do
		load_named "$file"
		[[ $CODE != 200 ]]
	done
}
