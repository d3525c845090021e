#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# holdfast artifact publish, inspect and archive, with the openssl command on the other side.

bats_require_minimum_version 1.5.0
load helpers
load origin

publish() { # input, options..
	local in=$1
	shift
	"$HOLDFAST" artifact publish --name net.bin --in "$in" --origin "$T/origin" \
		--salts "$T/salts" "$@"
}

inspect() {
	"$HOLDFAST" artifact inspect --name net.bin --origin "$T/origin" "$@"
}

blob() {
	cat "$T/origin/models/net.bin.small" "$T/origin/models/net.bin.big"
}

@test "artifact: what is published opens with the openssl command, at every edge" {
	origin_files
	local size
	for size in 0 1 15 16 17 3055 10223 10224 131071 131072 131073 300000; do
		head -c "$size" /dev/urandom >"$T/in"
		publish "$T/in" >"$T/out"
		blob >"$T/blob"
		grep -q "models/net.bin: $(stat -c %s "$T/blob") bytes, SHA-256 $(sha256sum <"$T/blob" |
			cut -d' ' -f1), not signed" "$T/out"
		openssl_open "$FLEET_KEY" "$T/blob" "$T/plain"
		cmp "$T/plain" "$T/in"
		[[ $(inspect --salts "$T/salts" --json | jq "[.opens, .plain == $size]" -c) == \
			'[true,true]' ]]
	done
	[[ $(stat -c %s "$T/origin/models/net.bin.small") == 3072 ]]
	publish - --folder other <"$T/in"
	refute cmp -s "$T/origin/other/net.bin.small" "$T/origin/models/net.bin.small"
	[[ -z $(find "$T/origin" -name '.tmp-*') ]]
}

@test "artifact: a blob of the openssl command, cut anywhere, is inspected" {
	origin_files
	mkdir "$T/origin/models"
	head -c 5000 /dev/urandom >"$T/in"
	openssl_seal "$FLEET_KEY" "$T/in" "$T/blob"
	local cut
	for cut in 0 1 16 3072 5016; do
		head -c "$cut" "$T/blob" >"$T/origin/models/net.bin.small"
		tail -c +"$((cut + 1))" "$T/blob" >"$T/origin/models/net.bin.big"
		run -0 inspect --salts "$T/salts" --json
		[[ $(jq -c '[.opens, .plain, .small, .signature]' <<<"$output") == \
			"[true,5000,$cut,\"none\"]" ]]
	done
}

# The fleet key of the salt "other".
OTHER_KEY=$(printf '%s' "$(printf other | openssl dgst -sha384 -binary | openssl base64 -A)" |
	openssl dgst -sha256 -r | cut -d' ' -f1)

published_anew() {
	publish "$T/in" >/dev/null
	blob >"$T/blob"
}

@test "artifact: what is wrong with a release is said, and is 1" {
	origin_files
	make_signer
	head -c 50000 /dev/urandom >"$T/in"
	publish "$T/in"
	run -1 inspect --anchors "$T/ca.pem"
	[[ $output == *'there is no signature'* ]]
	publish "$T/in" --sign-key "$T/signer.key" --sign-cert "$T/signer.pem"
	run -0 inspect --anchors "$T/ca.pem" --salts "$T/salts"
	[[ $output == *'good'*'CN=Publisher,O=Kelp'*'opens'*yes* ]]
	run -0 inspect
	[[ $output == *'not checked'*'claims to be by'* ]]
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null \
		-out "$T/other.pem" -subj '/CN=Other' 2>/dev/null
	run -1 inspect --anchors "$T/other.pem" --json
	[[ $(jq -r .signature <<<"$output") == untrusted ]]
	flip "$T/origin/models/net.bin.big" 777
	run -1 inspect --anchors "$T/ca.pem" --json
	[[ $(jq -r .signature <<<"$output") == bad ]]
	flip "$T/origin/models/net.bin.big" 777
	truncate -s -1 "$T/origin/models/net.bin.big"
	run -1 inspect --salts "$T/salts" --json
	[[ $(jq .opens <<<"$output") == false ]]
	sed 's/res:+salt=/other/' "$T/salts" >"$T/salts2"
	chmod 600 "$T/salts2"
	cannot_open "$OTHER_KEY" "$T/blob" published_anew
	run -1 inspect --salts "$T/salts2"
	[[ $output == *'damaged, or not for this key'* ]]
	rm "$T/origin/models/net.bin.small"
	run -1 inspect
	[[ $output == *'small part'* ]]
}

@test "artifact: the openssl command takes the signature" {
	origin_files
	make_signer
	head -c 50000 /dev/urandom >"$T/in"
	publish "$T/in" --sign-key "$T/signer.key" --sign-cert "$T/signer.pem"
	printf '{"holdfast":"resource v1","folder":"models","name":"net.bin","length":%s,"sha256":"%s"}' \
		"$(blob | wc -c)" "$(blob | sha256sum | cut -d' ' -f1)" >"$T/text"
	openssl cms -verify -binary -content "$T/text" -inform DER \
		-in "$T/origin/models/net.bin.sig" -CAfile "$T/ca.pem" -purpose any -out /dev/null
}

@test "artifact: a release that fails leaves the one before, one without a signature drops the old" {
	origin_files
	make_signer
	head -c 50000 /dev/urandom >"$T/in"
	publish "$T/in" --sign-key "$T/signer.key" --sign-cert "$T/signer.pem"
	blob >"$T/before"
	run -1 publish "$T/none"
	run -1 publish "$T/in" --sign-key "$T/ca.key" --sign-cert "$T/signer.pem"
	sed '/resource/d' "$T/salts" >"$T/salts2"
	chmod 600 "$T/salts2"
	run -1 "$HOLDFAST" artifact publish --name net.bin --in "$T/in" --origin "$T/origin" \
		--salts "$T/salts2"
	blob | cmp - "$T/before"
	inspect --anchors "$T/ca.pem" >/dev/null
	publish "$T/in"
	[[ ! -e $T/origin/models/net.bin.sig ]]
}

@test "artifact: wrong usage is 2" {
	origin_files
	local name
	for name in net.big net.small net.sig .net a/b .. ''; do
		run -2 "$HOLDFAST" artifact publish --name "$name" --in "$T/users" \
			--origin "$T/origin" --salts "$T/salts"
		run -2 "$HOLDFAST" artifact inspect --name "$name" --origin "$T/origin"
	done
	run -2 publish "$T/users" --folder ../x
	run -2 publish "$T/users" --format v2
	[[ $output == *"--salts goes with --format v1"* ]]
	run -2 publish "$T/users" --sign-key "$T/signer.key"
	run -2 "$HOLDFAST" artifact publish --name net.bin --in "$T/users" --origin "$T/origin"
	run -2 "$HOLDFAST" artifact archive --in "$T/users" --out "$T/x.enc"
	run -2 "$HOLDFAST" artifact archive --in "$T/users" --out - --fragment "$T/f"
	[[ -z $(ls "$T/origin") ]]
}

@test "artifact: an archive opens with the fragment, which is made once" {
	origin_files
	make_signer
	head -c 200000 /dev/urandom >"$T/images.tar"
	"$HOLDFAST" artifact archive --in "$T/images.tar" --out "$T/images.enc" \
		--fragment "$T/origin/key-fragment" --sign-key "$T/signer.key" \
		--sign-cert "$T/signer.pem"
	[[ $(stat -c '%a %s' "$T/origin/key-fragment") == '600 32' ]]
	openssl_open "$(sha256sum <"$T/origin/key-fragment" | cut -d' ' -f1)" "$T/images.enc" "$T/plain"
	cmp "$T/plain" "$T/images.tar"
	printf '{"holdfast":"resource v1","folder":"images","name":"images.enc","length":%s,"sha256":"%s"}' \
		"$(stat -c %s "$T/images.enc")" "$(sha256sum <"$T/images.enc" | cut -d' ' -f1)" \
		>"$T/text"
	openssl cms -verify -binary -content "$T/text" -inform DER -in "$T/images.enc.sig" \
		-CAfile "$T/ca.pem" -purpose any -out /dev/null
	cp "$T/origin/key-fragment" "$T/fragment"
	"$HOLDFAST" artifact archive --in "$T/images.tar" --out "$T/images.enc" \
		--fragment "$T/origin/key-fragment"
	cmp "$T/fragment" "$T/origin/key-fragment"
	[[ ! -e $T/images.enc.sig ]]
}

@test "artifact: published here, loaded from there" {
	origin_files
	head -c 400000 /dev/urandom >"$T/in"
	publish "$T/in"
	start_origin
	TOKEN=$(login)
	[[ $(get_small net.bin.small models) == 200 ]]
	openssl_open "$USER_KEY" "$T/body" "$T/small"
	curl -sS -o "$T/big" "$ORIGIN/cdn/models/net.bin.big"
	cat "$T/small" "$T/big" >"$T/blob"
	openssl_open "$FLEET_KEY" "$T/blob" "$T/plain"
	cmp "$T/plain" "$T/in"
}

@test "artifact: memory does not grow with the input" {
	origin_files
	is_sanitized "$HOLDFAST" && skip "a sanitizer has its own memory"
	truncate -s 64M "$T/large"
	python3 - "$HOLDFAST" "$T" <<-'END'
		import resource, subprocess, sys
		holdfast, t = sys.argv[1:]
		subprocess.run([holdfast, "artifact", "publish", "--name", "large", "--in", t + "/large",
		                "--origin", t + "/origin", "--salts", t + "/salts"], check=True)
		peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
		print(peak, "kB")
		sys.exit(peak > 32 * 1024)
	END
}
