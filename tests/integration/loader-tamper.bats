#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Tampering is caught before a byte is used: with a signature all of it, without one what length,
# padding and the pin can show.

bats_require_minimum_version 1.5.0
load helpers
load loader

DAMAGED='the resource is damaged, or not for this key'

# Two loaders: one that knows who may sign, one that knows nobody.
setup_file() {
	scene_begin
	start_origin
	authority ca
	signer publisher ca
	plain 20000 >"$T/plain"
	start_loader plain 'downloads = 16'
	logged_in
	start_loader loader "trust_anchors = \"$T/ca.pem\"" 'downloads = 16'
	logged_in
}

teardown_file() {
	scene_end
}

scene_mend() {
	stand_up
	[[ -e $T/pids/plain ]] || {
		run_loader plain
		logged_in
		at loader
	}
}

signed() { # name [folder]
	publish "$1" "$T/plain" --folder "${2-models}" --sign-key "$T/publisher.key" \
		--sign-cert "$T/publisher.pem"
}

# all_refused CODE NAME..: none of them gives a byte, all of them the code; side by side.
all_refused() {
	local code=$1 name
	shift
	for name in "$@"; do
		begin_load "$name"
	done
	for name in "$@"; do
		echo "case: $name"
		ended "$name"
		answers 500 "$code"
		[[ ! -e $(cached "$name") ]]
	done
}

@test "signed: it loads, and the signature is cached with it" {
	signed good
	gives good "$T/plain"
	cmp "$T/origin/models/good.sig" "$T/loader.cache/models/good.sig"
	refute grep 'good: no signature' "$T/loader.log"
	rm "$T/origin/models/good.big" "$T/origin/models/good.sig"
	gives good "$T/plain"
}

@test "signed by the openssl command: it loads" {
	openssl_publish by-hand "$T/plain"
	cat "$T/origin/models/by-hand".{small,big} >"$T/blob"
	printf '{"holdfast":"resource v1","folder":"models","name":"by-hand","length":%d,"sha256":"%s"}' \
		"$(stat -c %s "$T/blob")" "$(openssl dgst -sha256 -r "$T/blob" | cut -d' ' -f1)" >"$T/text"
	openssl cms -sign -binary -in "$T/text" -signer "$T/publisher.pem" -inkey "$T/publisher.key" \
		-md sha256 -outform DER -out "$T/origin/models/by-hand.sig"
	gives by-hand "$T/plain"
}

# stock_accepts NAME: by the command of docs/ARTIFACT.md.
stock_accepts() {
	local blob
	blob=$(cat "$T/origin/models/$1".{small,big} | openssl dgst -sha256 -r | cut -d' ' -f1)
	printf '{"holdfast":"resource v1","folder":"models","name":"%s","length":%d,"sha256":"%s"}' \
		"$1" 20032 "$blob" >"$T/text"
	openssl cms -verify -binary -content "$T/text" -inform DER -in "$T/origin/models/$1.sig" \
		-CAfile "$T/ca.pem" -purpose any -out "$T/said" 2>>"$T/openssl.log"
}

@test "signed: a flip in each region of small, big and sig" {
	local part at size name names=()
	signed region
	for part in small big sig; do
		size=$(stat -c %s "$T/origin/models/region.$part")
		# Begin and end, and what lies between in nine steps. Signatures differ in length.
		for at in 0 1 15 16 17 $((size / 9)) $((2 * size / 9)) $((3 * size / 9)) $((4 * size / 9)) \
			$((5 * size / 9)) $((6 * size / 9)) $((7 * size / 9)) $((8 * size / 9)) \
			-33 -17 -16 -1; do
			name=flip-$part-at$at
			signed "$name"
			flip "$T/origin/models/$name.$part" "$at" 1
			# Some bytes of a CMS mean nothing to anybody; who says so is the openssl command.
			[[ $part == sig ]] && stock_accepts "$name" || names+=("$name")
		done
	done
	((${#names[@]} >= 48))
	all_refused signature_invalid "${names[@]}"
}

@test "signed: cut, extended, emptied" {
	local part names=()
	for part in small big sig; do
		signed "short-$part"
		truncate -s -16 "$T/origin/models/short-$part.$part"
		signed "shorter-$part"
		truncate -s -1 "$T/origin/models/shorter-$part.$part"
		signed "long-$part"
		head -c 16 /dev/zero >>"$T/origin/models/long-$part.$part"
		names+=("short-$part" "shorter-$part" "long-$part")
	done
	signed empty-sig
	: >"$T/origin/models/empty-sig.sig"
	signed big-sig
	head -c 70000 /dev/zero >"$T/origin/models/big-sig.sig"
	all_refused signature_invalid "${names[@]}" empty-sig
	load_named big-sig
	answers 500
	[[ ! -e $(cached big-sig) ]]
}

@test "signed: parts and signatures of others, other names, other folders" {
	local part names=()
	signed theirs
	for part in small big sig; do
		signed "swap-$part"
		cp "$T/origin/models/theirs.$part" "$T/origin/models/swap-$part.$part"
		names+=("swap-$part")
	done
	for part in small big sig; do
		cp "$T/origin/models/theirs.$part" "$T/origin/models/moved.$part"
	done
	signed theirs elsewhere
	for part in small big sig; do
		cp "$T/origin/elsewhere/theirs.$part" "$T/origin/models/over.$part"
	done
	# Bytes that went over the edge from one part to the other are the same blob.
	signed edge
	cat "$T/origin/models/edge".{small,big} >"$T/blob"
	head -c 1000 "$T/blob" >"$T/origin/models/edge.small"
	tail -c +1001 "$T/blob" >"$T/origin/models/edge.big"
	all_refused signature_invalid "${names[@]}" moved over
	gives edge "$T/plain"
}

@test "signed: by somebody else, for something else" {
	authority other
	signer stranger other
	certificate plain-cert ca basicConstraints=CA:FALSE keyUsage=digitalSignature
	certificate web-cert ca basicConstraints=CA:FALSE extendedKeyUsage=serverAuth
	openssl_publish stranger "$T/plain"
	cat "$T/origin/models/stranger".{small,big} >"$T/blob"
	local who names=()
	for who in stranger plain-cert web-cert; do
		cp "$T/origin/models/stranger.big" "$T/origin/models/by-$who.big"
		cp "$T/origin/models/stranger.small" "$T/origin/models/by-$who.small"
		printf '{"holdfast":"resource v1","folder":"models","name":"by-%s","length":%d,"sha256":"%s"}' \
			"$who" "$(stat -c %s "$T/blob")" "$(openssl dgst -sha256 -r "$T/blob" | cut -d' ' -f1)" |
			openssl cms -sign -binary -signer "$T/$who.pem" -inkey "$T/$who.key" -md sha256 \
				-outform DER -out "$T/origin/models/by-$who.sig"
		names+=("by-$who")
	done
	all_refused signature_invalid "${names[@]}"
}

@test "what was refused loads when it is mended" {
	signed mended
	cp "$T/origin/models/mended.big" "$T/good"
	flip "$T/origin/models/mended.big" 5000 1
	all_refused signature_invalid mended
	cp "$T/good" "$T/origin/models/mended.big"
	gives mended "$T/plain"
}

@test "signed: a release whose big part comes late is not mixed with the one before" {
	plain 20000 2 >"$T/next"
	signed late
	gives late "$T/plain"
	cp "$T/origin/models/late.big" "$T/old"
	publish late "$T/next" --sign-key "$T/publisher.key" --sign-cert "$T/publisher.pem"
	cp "$T/origin/models/late.big" "$T/new"
	cp "$T/old" "$T/origin/models/late.big"
	# Nothing of it is given. It may also be told for what it is, and waited for.
	load_named late
	answers 500
	jq -r .code "$T/body" | grep -Ex 'signature_invalid|upstream_unreachable'
	cp "$T/new" "$T/origin/models/late.big"
	gives late "$T/next"
}

@test "unsigned after signed is refused, also after a restart, and a new signature mends it" {
	signed once
	gives once "$T/plain"
	publish once "$T/plain"
	rm -f "$T/origin/models/once.sig"
	load_named once
	answers 500 signature_invalid
	stop loader
	run_loader loader
	logged_in
	load_named once
	answers 500 signature_invalid
	signed once
	gives once "$T/plain"
}

@test "the cache is no more trusted: flipped, cut, swapped, and the CDN is asked again" {
	local at
	signed cached
	gives cached "$T/plain"
	for at in 0 5000 -1; do
		flip "$(cached cached)" "$at" 1
		gives cached "$T/plain"
		cmp "$(cached cached)" "$T/origin/models/cached.big"
	done
	truncate -s 1000 "$(cached cached)"
	gives cached "$T/plain"
	flip "$T/loader.cache/models/cached.sig" -1 1
	gives cached "$T/plain"
	rm "$(cached cached)"
	ln -s "$T/origin/models/cached.big" "$(cached cached)"
	gives cached "$T/plain"
	# With nobody to ask it says that it is none, and gives nothing of it.
	flip "$(cached cached)" 5000 1
	rm "$T/origin/models/cached.big"
	load_named cached
	[[ $CODE == 500 || $CODE == 404 ]]
	refute grep -qa "$(head -c 20 "$T/plain" | tr -d '\0')" "$T/body"
}

@test "unsigned = deny: only what is signed" {
	start_loader deny "trust_anchors = \"$T/ca.pem\"" 'legacy { unsigned = "deny" }'
	logged_in
	publish bare "$T/plain"
	load_named bare
	answers 500 signature_invalid
	[[ ! -e $(cached bare) ]]
	signed bare
	gives bare "$T/plain"
	stop deny
}

@test "unsigned and allowed: a line in the log at each load" {
	local loader
	publish taken "$T/plain"
	for loader in plain loader; do
		at "$loader"
		gives taken "$T/plain"
		gives taken "$T/plain"
		[[ $(grep -c 'models/taken: no signature: length, padding and pin are all that was checked' \
			"$T/$loader.log") == 2 ]]
	done
}

# foreign: a resource of this name under another fleet's key.
foreign() {
	openssl enc -aes-256-cbc -K "$(printf '%064d' 1)" -iv "$(openssl rand -hex 16)" -in "$T/plain" \
		-out "$T/blob"
	head -c 3072 "$T/blob" >"$T/origin/models/foreign.small"
	tail -c +3073 "$T/blob" >"$T/origin/models/foreign.big"
}

@test "unsigned: length and padding, in one answer" {
	local name names=() at
	at plain
	plain 20000 >"$T/plain"
	for at in 1 15 17; do
		publish "cut$at" "$T/plain"
		truncate -s "-$at" "$T/origin/models/cut$at.big"
		publish "more$at" "$T/plain"
		head -c "$at" /dev/zero >>"$T/origin/models/more$at.big"
		names+=("cut$at" "more$at")
	done
	# 20,000 bytes fill their blocks, so the padding is a block of 16s: these bits make it none.
	for at in 17 18 32; do
		publish "padding$at" "$T/plain"
		flip "$T/origin/models/padding$at.big" "-$at" 1
		names+=("padding$at")
	done
	publish nothing "$T/plain"
	: >"$T/origin/models/nothing.big"
	publish begun "$T/plain"
	truncate -s 5 "$T/origin/models/begun.big"
	names+=(nothing begun)
	all_refused decrypt_failed "${names[@]}"
	opens_for_nobody foreign "$T/plain" foreign
	cp "$T/body" "$T/at.foreign.models.body"
	names+=(foreign)
	for name in "${names[@]}"; do
		jq -cS . "$T/at.$name.models.body"
	done | uniq >"$T/answers"
	cat "$T/answers"
	[[ $(jq -r .detail "$T/answers") == "$DAMAGED" ]]
}

# pinned NAME: loaded once, then nothing of it but the pin is in the cache.
pinned() {
	publish "$1" "$T/plain"
	gives "$1" "$T/plain"
	rm "$(cached "$1")"
}

@test "unsigned: the pin holds while the small part is the same" {
	at plain
	pinned pin
	cp "$T/origin/models/pin.big" "$T/good"
	flip "$T/origin/models/pin.big" 7000 1
	load_named pin
	answers 500 decrypt_failed
	[[ ! -e $(cached pin) ]]
	cp "$T/good" "$T/origin/models/pin.big"
	gives pin "$T/plain"
	# In the cache too, and a restart forgets nothing.
	flip "$(cached pin)" 7000 1
	stop plain
	run_loader plain
	logged_in
	gives pin "$T/plain"
	cmp "$(cached pin)" "$T/good"
}

@test "a fault of padding and one of the digest are the same answer, byte for byte" {
	local name
	at plain
	for name in oracle-digest oracle-padding oracle-length; do
		pinned "$name"
	done
	flip "$T/origin/models/oracle-digest.big" 7000 1
	flip "$T/origin/models/oracle-padding.big" -17 1
	truncate -s -1 "$T/origin/models/oracle-length.big"
	publish oracle-first "$T/plain"
	flip "$T/origin/models/oracle-first.big" -17 1
	all_refused decrypt_failed oracle-digest oracle-padding oracle-length oracle-first
	for name in oracle-padding oracle-length oracle-first; do
		cmp "$T/at.oracle-digest.models.body" "$T/at.$name.models.body"
		cmp <(grep -iv '^date:' "$T/at.oracle-digest.models.head") \
			<(grep -iv '^date:' "$T/at.$name.models.head")
	done
}

@test "a small part that is none; and it is sealed for each user alone" {
	signed way
	start_loader stranger
	login other@example.net second
	answers 200
	gives way "$T/plain"
	stop stranger
	at loader
	: >"$T/origin/models/way.small"
	load_named way
	answers 500 signature_invalid
	head -c 2000000 /dev/zero >"$T/origin/models/way.small"
	load_named way
	answers 500
}

@test "names do not leave the folders of the origin and the cache" {
	local folder
	for folder in .. ../.. /etc etc/../.. '%2e%2e' . ''; do
		load_named passwd "$folder"
		answers 422 invalid
	done
	# A folder of the cache that is a link leads nowhere.
	mkdir "$T/outside.d"
	ln -s "$T/outside.d" "$T/loader.cache/linked"
	signed inside linked
	load_named inside linked
	[[ -z $(ls -A "$T/outside.d") ]]
}
