#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# holdfast artifact of version 2: publish, wrap, enrol, inspect, open and prune; a second
# implementation, stock openssl and stock TPM tools are on the other side.

bats_require_minimum_version 1.5.0
load helpers

HOLDFAST=$(program holdfast)
V2=$ROOT/tests/artifact/v2.py
O=      # the origin ..
MODELS= # .. and what is published in it

# What a publisher has: signers in $T/c, an empty origin, something to publish.
publisher() {
	O=$T/origin
	MODELS=$O/models
	mkdir -p "$O"
	"$V2" certs --out "$T/c"
	head -c "${1:-200000}" /dev/urandom >"$T/in"
}

# device NAME [OPTION..]: a storage key in $T/NAME.json and $T/NAME.pem, as of a TPM.
device() {
	local name=$1
	shift
	"$V2" device --out "$T/$name.json" --key "$T/$name.pem" "$@"
}

# ends STATUS artifact publish .., with a content key of its own for each NUMBER.
publish() { # status, number, option..
	local expected=$1 number=$2
	shift 2
	ends "$expected" artifact publish --format v2 --name net.bin --in "$T/in" \
		--origin "$O" --sign-key "$T/c/signer.key" --sign-cert "$T/c/signer.pem" \
		--version 1.0 --content-key "$T/key$number" "$@"
}

wrap() { # status, number, option..
	local expected=$1 number=$2
	shift 2
	ends "$expected" artifact wrap --name net.bin --origin "$O" \
		--content-key "$T/key$number" "$@"
}

inspect() { # status, option..
	local expected=$1
	shift
	ends "$expected" artifact inspect --format v2 --name net.bin --origin "$O" "$@"
}

# manifest FIELD: of what the manifest says, verified by stock openssl.
manifest() {
	openssl cms -verify -binary -inform DER -in "$MODELS/net.bin.manifest" \
		-CAfile "$T/c/ca.pem" -purpose any -out "$T/manifest.json" 2>/dev/null
	jq -r "$1" "$T/manifest.json"
}

payload() {
	echo "$MODELS/$(manifest .payload.sha256).payload"
}

keys() {
	manifest .name >/dev/null
	echo "$MODELS/$(sha256sum <"$T/manifest.json" | cut -d' ' -f1).keys"
}

# opens_for NAME: the second implementation opens it with that device's key.
opens_for() {
	rm -f "$T/plain"
	grep -F "$(jq -r .name "$T/$1.json")" "$(keys)" >"$T/line"
	"$V2" open --manifest "$MODELS/net.bin.manifest" --payload "$(payload)" \
		--anchors "$T/c/ca.pem" --key "$T/line" --device "$T/$1.json" \
		--device-key "$T/$1.pem" --out "$T/plain"
	cmp "$T/plain" "$T/in"
}

# The release as it lies there, and that it is still that one.
remember() {
	(cd "$MODELS" && sha256sum -- *) >"$T/before"
}
unchanged() {
	(cd "$MODELS" && sha256sum --quiet -c "$T/before")
	[[ $(find "$MODELS" -name '[!.]*.manifest' | wc -l) == 1 ]]
	inspect 0 --anchors "$T/c/ca.pem"
}

# --- publish ---

@test "artifact v2: what is published opens elsewhere, at every edge" {
	local size n=0
	publisher
	device a --fit
	for size in 0 1 65535 65536 65537 131072 300000; do
		head -c "$size" /dev/urandom >"$T/in"
		publish 0 $((++n)) --device "$T/a.json"
		grep -q "models/net.bin: serial $n, $size bytes, .* device keys: 1" "$T/out"
		[[ $(stat -c '%a' "$T/key$n") == 600 ]]
		opens_for a
		"$V2" open --manifest "$MODELS/net.bin.manifest" --payload "$(payload)" \
			--anchors "$T/c/ca.pem" --content-key "$T/key$n" --out "$T/plain" \
			--name net.bin --folder models
		cmp "$T/plain" "$T/in"
	done
	[[ $(stat -c %a "$MODELS/net.bin.manifest" "$(payload)" "$(keys)" | xargs) == '644 644 640' ]]
	[[ -z $(find "$O" -name '.tmp-*') ]]
	# No content key anywhere.
	! grep -rqF "$(jq -r .key "$T/key$n")" "$O"
}

@test "artifact v2: the manifest says what was asked for" {
	local id=sha256:$(printf 'a%.0s' {1..64})
	publisher 100
	publish 0 1 --serial 7 --expires 2099-12-31 --min-format 1 --protection software \
		--type docker-archive --image "registry.example/app:1.2=$id" --image "b:1=$id" --json
	manifest .name
	[[ $(cat "$T/manifest.json") == '{"holdfast":"artifact v2","folder":"models","name":"net.bin","type":"docker-archive","version":"1.0","serial":7,"expires":4102358400,"min_format":1,"protection":"software","plain":{"size":100},"payload":{'* ]]
	[[ $(manifest '.images | length') == 2 ]]
	[[ $(jq -r .manifest "$T/out") == $(sha256sum <"$T/manifest.json" | cut -d' ' -f1) ]]
	publish 0 2 --expires 2d
	[[ $(manifest '.serial, .min_format, .protection, .images' | xargs) == '8 2 tpm null' ]]
	local left=$(($(manifest .expires) - $(date +%s)))
	((left > 172000 && left <= 172800))
	ends 0 artifact publish --format v2 --name other --folder app --in "$T/in" \
		--origin "$O" --sign-key "$T/c/signer.key" --sign-cert "$T/c/signer.pem" \
		--version x --content-key "$T/key3"
	[[ -s $T/origin/app/other.manifest ]]
}

@test "artifact v2: wrong usage is 2, and nothing is there" {
	local words
	publisher 10
	for words in '--salts x' '--serial 0' '--serial x' '--serial 9007199254740992' \
		'--expires 2001-01-01' '--expires soon' '--expires 2099-02-30' '--min-format 3' \
		'--type docker-archive' '--image a:1=sha256:00' '--folder devices' '--folder ../x'; do
		# shellcheck disable=SC2086 # words
		publish 2 1 $words
	done
	for words in net.manifest net.keys net.payload net.big .net a/b ''; do
		ends 2 artifact publish --format v2 --name "$words" --in "$T/in" --origin "$O" \
			--sign-key k --sign-cert c --version 1 --content-key "$T/key1"
		ends 2 artifact wrap --name "$words" --origin "$O" --content-key x --device x
		ends 2 artifact inspect --format v2 --name "$words" --origin "$O"
		ends 2 artifact prune --name "$words" --origin "$O"
	done
	ends 2 artifact publish --format v2 --name n --in "$T/in" --origin "$O" \
		--version 1 --content-key "$T/key1"
	ends 2 artifact publish --format v2 --name n --in "$T/in" --origin "$O" \
		--sign-key k --sign-cert c --content-key "$T/key1"
	ends 2 artifact publish --format v2 --name n --in "$T/in" --origin "$O" \
		--sign-key k --sign-cert c --version 1
	ends 2 artifact publish --name n --in "$T/in" --origin "$O" --salts s --version 1
	ends 2 artifact wrap --name n --origin "$O" --content-key x
	[[ -z $(ls "$O") && ! -e $T/key1 ]]
}

@test "artifact v2: a signer who may not sign manifests is told at once what to do" {
	publisher 10
	ends 1 artifact publish --format v2 --name net.bin --in "$T/in" --origin "$O" \
		--sign-key "$T/c/v1.key" --sign-cert "$T/c/v1.pem" --version 1 --content-key "$T/key1"
	grep -q -- '--sign-cert: .*not for such signatures' "$T/err"
	grep -q 'try: .*extendedKeyUsage = 2.25.117605614488763127874438682632241167710' "$T/err"
	ends 1 artifact publish --format v2 --name net.bin --in "$T/in" --origin "$O" \
		--sign-key "$T/c/signer.key" --sign-cert "$T/c/stranger.pem" --version 1 \
		--content-key "$T/key1"
	[[ -z $(ls "$O") && ! -e $T/key1 ]]
}

@test "artifact v2: serials only rise, and a content key is never overwritten" {
	publisher 1000
	publish 0 1 --serial 5
	remember
	publish 1 2 --serial 5
	grep -q 'conflict: serial 5 is there already' "$T/err"
	publish 1 2 --serial 4
	cp "$T/key1" "$T/kept"
	publish 1 1
	grep -q 'is there already' "$T/err"
	grep -q 'try: It may be all that opens' "$T/err"
	ln -s "$T/nowhere" "$T/key3"
	publish 1 3
	cmp "$T/key1" "$T/kept"
	[[ ! -e $T/key2 && ! -e $T/nowhere ]]
	unchanged
	publish 0 4
	[[ $(manifest .serial) == 6 ]]
	# One that cannot be read may be any.
	echo damaged >"$MODELS/net.bin.manifest"
	publish 1 5
	grep -q 'try: Put the right one back' "$T/err"
	[[ ! -e $T/key5 ]]
	# Nor is one believed that is another artifact's.
	publish 1 6
	"$HOLDFAST" artifact publish --format v2 --name b --in "$T/in" --origin "$O" \
		--sign-key "$T/c/signer.key" --sign-cert "$T/c/signer.pem" --version 1 \
		--content-key "$T/keyb"
	cp "$MODELS/b.manifest" "$MODELS/net.bin.manifest"
	publish 1 7
	grep -q 'wrong_name' "$T/err"
	publish 0 8 --serial 9
	[[ $(manifest .serial) == 9 ]]
	publish 0 9 --serial 9007199254740991 --json
	[[ $(jq .before "$T/out") == 9 ]]
	publish 1 10
	grep -q 'try: There is no number above it' "$T/err"
}

@test "artifact v2: a manifest of a stranger says nothing of serials" {
	publisher 1000
	ends 0 artifact publish --format v2 --name net.bin --in "$T/in" --origin "$O" \
		--sign-key "$T/c/stranger.key" --sign-cert "$T/c/stranger.pem" --version 1 \
		--serial 9007199254740990 --content-key "$T/eve"
	publish 1 1
	grep -q 'forbidden: net.bin.manifest: the signer is not trusted' "$T/err"
	grep -q 'try: .*say by --serial a number above all' "$T/err"
	publish 1 1 --anchors "$T/c/ca.pem"
	publish 1 1 --anchors "$T/in" --serial 1
	[[ ! -e $T/key1 ]]
	publish 0 1 --serial 3
	grep -q 'before it: none' "$T/out"
	# One that counts is above it.
	publish 1 2 --serial 2
	grep -q 'serial 3 is there already' "$T/err"

	# A new certificate of the same issuer: that one must be named, either way.
	openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$T/new.key" \
		2>/dev/null || openssl ecparam -genkey -name prime256v1 -noout -out "$T/new.key"
	openssl req -new -key "$T/new.key" -subj /CN=new -out "$T/new.csr"
	printf 'extendedKeyUsage=%s\nbasicConstraints=CA:FALSE\n' \
		2.25.117605614488763127874438682632241167710 >"$T/ext"
	openssl x509 -req -days 2 -in "$T/new.csr" -CA "$T/c/ca.pem" -CAkey "$T/c/ca.key" \
		-set_serial 77 -extfile "$T/ext" -out "$T/new.pem" 2>/dev/null
	cat "$T/new.pem" "$T/c/ca.pem" >"$T/chain.pem"
	by_new() { # status, number, certificate, option..
		local status=$1 number=$2 cert=$3
		shift 3
		ends "$status" artifact publish --format v2 --name net.bin --in "$T/in" \
			--origin "$O" --sign-key "$T/new.key" --sign-cert "$cert" --version 1 \
			--content-key "$T/key$number" "$@"
	}
	by_new 1 2 "$T/new.pem"
	by_new 1 2 "$T/new.pem" --anchors "$T/c/other-ca.pem"
	by_new 0 2 "$T/new.pem" --anchors "$T/c/ca.pem"
	grep -q ': serial 4, .*before it: serial 3' "$T/out"
	by_new 0 3 "$T/chain.pem"
	grep -q ': serial 5, .*before it: serial 4' "$T/out"
}

@test "artifact v2: an input without a size is refused, one that is redirected is not" {
	publisher 5000
	ends_pipe() {
		local status=0
		cat "$T/in" | "$HOLDFAST" artifact publish --format v2 --name net.bin --origin "$O" \
			--sign-key "$T/c/signer.key" --sign-cert "$T/c/signer.pem" --version 1 \
			--content-key "$T/key1" 2>"$T/err" || status=$?
		[[ $status == 1 ]]
		grep -q 'its size must be known' "$T/err"
	}
	ends_pipe
	[[ ! -e $T/key1 && ! -e $MODELS/net.bin.manifest ]]
	"$HOLDFAST" artifact publish --format v2 --name net.bin --origin "$O" \
		--sign-key "$T/c/signer.key" --sign-cert "$T/c/signer.pem" --version 1 \
		--content-key "$T/key1" <"$T/in"
	[[ $(manifest .plain.size) == 5000 ]]
}

@test "artifact v2: memory does not grow with the input" {
	is_sanitized "$HOLDFAST" && skip "a sanitizer has its own memory"
	publisher 1
	truncate -s 96M "$T/in"
	python3 - "$HOLDFAST" "$T" <<-'END'
		import resource, subprocess, sys
		holdfast, t = sys.argv[1:]
		subprocess.run([holdfast, "artifact", "publish", "--format", "v2", "--name", "net.bin",
		                "--in", t + "/in", "--origin", t + "/origin",
		                "--sign-key", t + "/c/signer.key", "--sign-cert", t + "/c/signer.pem",
		                "--version", "1", "--content-key", t + "/key1"], check=True)
		subprocess.run([holdfast, "artifact", "inspect", "--format", "v2", "--name", "net.bin",
		                "--origin", t + "/origin", "--anchors", t + "/c/ca.pem"], check=True)
		peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
		print(peak, "kB")
		sys.exit(peak > 32 * 1024)
	END
}

# --- what can go wrong on the way ---

@test "artifact v2: a full disk leaves the old release, and no content key" {
	[[ $(id -u) == 0 ]] || skip "a small file system takes root"
	publisher 3000000
	mkdir "$T/state"
	mount -t tmpfs -o size=5m,mode=755 none "$T/state"
	O=$T/state MODELS=$O/models
	publish 0 1
	remember
	publish 1 2
	grep -q 'disk_full' "$T/err"
	[[ ! -e $T/key2 ]]
	unchanged
	[[ -z $(find "$T/state" -name '.tmp-*') ]]
}

# killed CALL NUMBER: publishes release 2 and is killed at that call.
killed() {
	local status=0
	rm -f "$T/key2"
	strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" \
		"$HOLDFAST" artifact publish --format v2 --name net.bin --in "$T/in" \
		--origin "$O" --sign-key "$T/c/signer.key" --sign-cert "$T/c/signer.pem" \
		--version 2 --content-key "$T/key2" >/dev/null 2>&1 || status=$?
	[[ $status == 137 ]]
}

@test "artifact v2: a kill between the steps leaves the old release, and a key of what is out" {
	local step
	publisher 100000
	publish 0 1
	remember
	# The content key gets its name by renameat2(), the others by renameat(): payload, keys,
	# manifest. The kill comes before the call does anything.
	killed renameat2 1
	[[ ! -e $T/key2 && $(find "$MODELS" -type f | wc -l) == 3 ]]
	unchanged
	for step in 1 2 3; do
		killed renameat "$step"
		[[ -s $T/key2 ]]
		unchanged
	done
	# What was left behind goes: two payloads and device keys.
	ends 0 artifact prune --name net.bin --origin "$O" --now --json
	[[ $(jq .removed "$T/out") == 3 && -z $(find "$MODELS" -name '.tmp-*') ]]
	unchanged
	# Behind the switch it is the new one, and whole: at the last sync, that of its name.
	killed fsync 9
	[[ $(manifest .version) == 2 ]]
	"$V2" open --manifest "$MODELS/net.bin.manifest" --payload "$(payload)" \
		--anchors "$T/c/ca.pem" --content-key "$T/key2" --out "$T/plain"
	cmp "$T/plain" "$T/in"
}

@test "artifact v2: two publishers do not meet" {
	publisher 100
	publish 0 1
	exec 7<"$MODELS"
	flock 7
	publish 1 2
	grep -q 'another program publishes in models' "$T/err"
	wrap 1 1 --devices "$T"
	ends 1 artifact prune --name net.bin --origin "$O"
	inspect 0
	exec 7<&-
	publish 0 2
}

# --- devices ---

@test "artifact v2: ten devices, and wrapping again adds" {
	local i
	publisher 1000
	mkdir "$T/fleet"
	for i in {0..9}; do
		device "d$i" --fit
	done
	cp "$T"/d[0-4].json "$T/fleet"
	publish 0 1 --devices "$T/fleet" --device "$T/d0.json" --device "$T/d5.json" --json
	[[ $(jq .devices "$T/out") == 6 ]]
	cp "$(keys)" "$T/first"
	opens_for d5
	cp "$T"/d[6-9].json "$T/fleet"
	wrap 0 1 --devices "$T/fleet" --json
	[[ $(jq -c '[.added, .devices]' "$T/out") == '[4,10]' ]]
	LC_ALL=C sort -c "$(keys)"
	[[ $(wc -l <"$(keys)") == 10 ]]
	# Those that were there are the same.
	[[ $(grep -cFf "$T/first" "$(keys)") == 6 ]]
	for i in {0..9}; do
		opens_for "d$i"
	done
	cp "$(keys)" "$T/second"
	wrap 0 1 --devices "$T/fleet"
	cmp "$(keys)" "$T/second"
	# A line that does not open has the right form all the same: who is named gets a new one.
	local name
	name=$(jq -r .name "$T/d3.json")
	jq -c --arg name "$name" 'if .storage_key == $name then
		.duplicate |= (.[:40] + (if .[40:41] == "A" then "B" else "A" end) + .[41:])
		else . end' "$T/second" >"$(keys)"
	refute cmp -s "$(keys)" "$T/second"
	refute opens_for d3
	wrap 0 1 --devices "$T/fleet" --json
	[[ $(jq -c '[.added, .devices]' "$T/out") == '[0,10]' ]]
	refute opens_for d3
	wrap 0 1 --devices "$T/fleet" --device "$T/d3.json" --json
	[[ $(jq -c '[.added, .devices]' "$T/out") == '[1,10]' ]]
	opens_for d3
	diff <(grep -vF "$name" "$(keys)") <(grep -vF "$name" "$T/second")
	inspect 0 --json
	[[ $(jq .devices "$T/out") == 10 ]]
}

@test "artifact v2: wrapping is of this release alone, with keys as they must be" {
	publisher 1000
	device a --fit
	device b --fit
	publish 0 1 --device "$T/a.json"
	publish 0 2 --device "$T/a.json"
	cp "$(keys)" "$T/keys"
	wrap 1 1 --device "$T/b.json"
	grep -q 'wrong_name: --content-key' "$T/err"
	head -c 100 "$T/key2" >"$T/key3"
	wrap 1 3 --device "$T/b.json"
	wrap 1 2 --device "$T/b.json" --anchors "$T/c/other-ca.pem"
	wrap 1 2 --device "$T/none.json"
	wrap 1 2 --devices "$T/none"
	flip "$(keys)" 100
	wrap 1 2 --device "$T/b.json"
	grep -q 'try: Remove that file' "$T/err"
	cp "$T/keys" "$(keys)"
	cat "$T/keys" "$T/keys" >"$(keys)"
	wrap 1 2 --device "$T/b.json"
	head -c -1 "$T/keys" >"$(keys)"
	wrap 1 2 --device "$T/b.json"
	rm "$(keys)"
	wrap 0 2 --device "$T/b.json" --anchors "$T/c/ca.pem"
	opens_for b
	ends 1 artifact wrap --name none --origin "$O" --content-key "$T/key1" \
		--device "$T/a.json"
}

@test "artifact v2: storage keys that are unfit, or of another name, are refused by name" {
	publisher 1000
	device good --fit
	device soft
	jq '.protection = "tpm"' "$T/soft.json" >"$T/liar.json"
	jq --arg name "$(jq -r .name "$T/soft.json")" '.name = $name' "$T/good.json" >"$T/other.json"
	jq 'del(.public)' "$T/good.json" >"$T/none.json"
	publish 0 1 --device "$T/good.json"
	remember
	local file
	for file in soft liar; do
		publish 1 2 --device "$T/good.json" --device "$T/$file.json"
		grep -q "$file.json: the storage key is unfit for protection tpm" "$T/err"
		wrap 1 1 --device "$T/$file.json"
		grep -q "$file.json: the storage key is unfit" "$T/err"
	done
	wrap 1 1 --device "$T/other.json"
	grep -q 'other.json: its name is that of another key' "$T/err"
	wrap 1 1 --device "$T/none.json"
	grep -q 'none.json: .*public' "$T/err"
	# In a folder, too; but one that says itself that it has no TPM is only left out.
	mkdir "$T/fleet"
	cp "$T/soft.json" "$T/good.json" "$T/fleet"
	wrap 0 1 --devices "$T/fleet" --json
	[[ $(jq -c '[.added, .devices, .left_out]' "$T/out") == '[0,1,1]' ]]
	cp "$T/liar.json" "$T/fleet"
	wrap 1 1 --devices "$T/fleet"
	grep -q 'liar.json: the storage key is unfit' "$T/err"
	[[ ! -e $T/key2 ]]
	unchanged
	publish 0 3 --protection software --device "$T/soft.json" --device "$T/good.json"
	opens_for soft
	opens_for good
}

@test "artifact v2: enrolling a device" {
	publisher 1000
	device good --fit
	device soft
	local file hex
	for file in good soft; do
		ends 0 artifact enrol --origin "$O" --device "$T/$file.json"
		hex=$(jq -r .name "$T/$file.json")
		jq -e --slurpfile device "$T/$file.json" --arg now "$(date +%s)" \
			'(.storage_key == {public: $device[0].public, name: $device[0].name})
			 and .protection == $device[0].protection and .ek_name == null
			 and (($now | tonumber) - .enrolled | . >= 0 and . < 60)
			 and (keys | length) == 4' "$O/devices/$hex.json"
	done
	# What is there stays.
	printf '{}' >"$O/devices/$hex.json"
	ends 0 artifact enrol --origin "$O" --device "$T/soft.json"
	grep -q 'was enrolled already' "$T/out"
	[[ $(cat "$O/devices/$hex.json") == '{}' ]]
	rm "$O/devices/$hex.json"
	jq '.protection = "tpm"' "$T/soft.json" >"$T/liar.json"
	ends 1 artifact enrol --origin "$O" --device "$T/liar.json"
	grep -q 'it says tpm, and its storage key' "$T/err"
	ends 1 artifact enrol --origin "$T/none" --device "$T/good.json"
	publish 0 1 --devices "$O/devices"
	opens_for good
}

@test "artifact v2: revoking a device" {
	publisher 1000
	device good --fit
	device bad --fit
	local hex
	hex=$(jq -r .name "$T/bad.json")
	ends 1 artifact enrol --origin "$O"
	ends 1 artifact enrol --origin "$O" --device "$T/bad.json" --revoke "$hex"
	# By its Name what lies there, by its file also what never was.
	ends 1 artifact enrol --origin "$O" --revoke "$hex"
	ends 0 artifact enrol --origin "$O" --device "$T/good.json"
	ends 0 artifact enrol --origin "$O" --revoke "$T/bad.json"
	jq -e '.refused == true and .ek_name == null' "$O/devices/$hex.json"
	ends 1 artifact enrol --origin "$O" --device "$T/bad.json"
	grep -q 'revoked' "$T/err"
	rm "$O/devices/$hex.json"
	ends 0 artifact enrol --origin "$O" --device "$T/bad.json"
	ends 0 artifact enrol --origin "$O" --revoke "$hex"
	grep -q "$hex: revoked" "$T/out"
	jq -e '.refused == true' "$O/devices/$hex.json"
	publish 0 1 --devices "$O/devices"
	opens_for good
	[[ $(cat "$O"/*/*.keys | wc -l) -eq 1 ]]
	refute grep -q "$hex" "$O"/*/*.keys
}

# --- a TPM ---

@test "artifact v2: stock tools import a device key into a TPM, which gives it out" {
	publisher 1000
	start_swtpm
	tools tpm2_createprimary -Q -C o -G "ecc256:aes128cfb" -c "$T/prim.ctx"
	tools tpm2_readpublic -Q -c "$T/prim.ctx" -f tss -o "$T/prim.pub" -n "$T/prim.name"
	jq -n --arg public "$(base64 -w0 "$T/prim.pub")" --arg name "$(xxd -p -c0 "$T/prim.name")" \
		'{type: "ecc-p256", name: $name, public: $public, pem: "", protection: "tpm"}' \
		>"$T/chip.json"
	publish 0 1 --device "$T/chip.json"
	local part
	for part in public duplicate seed; do
		jq -r ".$part" "$(keys)" | base64 -d >"$T/$part"
	done
	tools tpm2_flushcontext -t
	tools tpm2_import -Q -C "$T/prim.ctx" -u "$T/public" -i "$T/duplicate" -s "$T/seed" \
		-r "$T/private"
	tools tpm2_flushcontext -t
	tools tpm2_load -Q -C "$T/prim.ctx" -u "$T/public" -r "$T/private" -c "$T/key.ctx"
	tools tpm2_flushcontext -t
	tools tpm2_unseal -c "$T/key.ctx" -o "$T/inside"
	manifest .name
	{
		jq -r .key "$T/key1" | base64 -d
		sha256sum <"$T/manifest.json" | cut -d' ' -f1 | xxd -r -p
	} | cmp - "$T/inside"
}

# by_hand STATUS [OPTION..]: artifact open, of what lies in the origin.
by_hand() {
	local expected=$1
	shift
	ends "$expected" artifact open --manifest "$MODELS/net.bin.manifest" \
		--payload "$(payload)" --key "$(keys)" --anchors "$T/c/ca.pem" --out "$T/opened" "$@"
}

cannot_open_by_hand() { # text, option..
	local text=$1
	shift
	rm -f "$T/opened"
	by_hand 1 "$@"
	grep -q "$text" "$T/err"
	[[ ! -e $T/opened ]]
}

@test "artifact v2: opened by hand on the device, and nowhere else" {
	publisher 400000
	device other --fit
	start_swtpm
	write_config
	start_daemon
	ends 0 device storage-key --json
	cp "$T/out" "$T/this.json"
	publish 0 1 --device "$T/other.json"
	cannot_open_by_hand 'no key of this device'
	wrap 0 1 --device "$T/this.json"
	by_hand 0
	cmp "$T/opened" "$T/in"
	[[ $(stat -c %a "$T/opened") == 600 ]]
	grep -F "$(jq -r .name "$T/this.json")" "$(keys)" >"$T/line"
	rm "$T/opened"
	by_hand 0 --name net.bin --folder models --json
	jq -e '.serial == 1 and .size == 400000 and .protection == "tpm"' "$T/out"
	cannot_open_by_hand wrong_name --name net.bim
	cannot_open_by_hand wrong_name --folder model
	ends 2 artifact open --manifest m --payload p --key k --anchors a --out -
	ends 1 artifact open --manifest "$MODELS/net.bin.manifest" --payload "$(payload)" \
		--key "$T/line" --anchors "$T/c/other-ca.pem" --out "$T/opened"
	grep -q 'forbidden: --manifest' "$T/err"

	# What was changed: a payload, its end, a key; in this order it is found.
	local payload keys
	payload=$(payload) keys=$(keys)
	flip "$payload" 200000
	cannot_open_by_hand 'damaged: --payload'
	flip "$payload" 200000
	cp "$payload" "$T/payload"
	truncate -s -1 "$payload"
	cannot_open_by_hand 'damaged: --payload'
	cp "$T/payload" "$payload"
	by_hand 0
	# The key of the release before is not this one's.
	publish 0 2 --device "$T/this.json"
	cp "$keys" "$(keys)"
	cannot_open_by_hand 'damaged'
	publish 0 3 --device "$T/this.json" --expires 1h
	by_hand 0
	# In software no artifact for TPMs is opened, one for software is.
	stop_daemon
	SECURITY_PROVIDER=legacy start_daemon
	cannot_open_by_hand 'tpm_required'
	ends 0 device storage-key --json
	cp "$T/out" "$T/soft.json"
	publish 0 4 --protection software --device "$T/soft.json"
	by_hand 0 --json
	jq -e '.protection == "software"' "$T/out"
	cmp "$T/opened" "$T/in"
}

@test "artifact v2: opened by hand by a clock that was never set, or is right" {
	is_sanitized "$HOLDFAST" && skip "a sanitizer wants to be loaded first"
	publisher 1000
	start_swtpm
	write_config
	start_daemon
	ends 0 device storage-key --json
	cp "$T/out" "$T/this.json"
	publish 0 1 --device "$T/this.json" --expires 1h
	# wall SECONDS: what time() says to the program from here on, and to nobody else.
	local program=$HOLDFAST HOLDFAST=$T/holdfast
	wall() {
		echo "long time(long *at) { if (at) *at = $1; return $1; }" |
			cc -shared -fPIC -o "$T/wall.so" -x c -
		printf '#!/bin/sh\nexec env LD_PRELOAD=%s %s "$@"\n' "$T/wall.so" "$program" \
			>"$HOLDFAST"
		chmod +x "$HOLDFAST"
	}
	wall 1000
	by_hand 0
	cmp "$T/opened" "$T/in"
	grep -q 'no date was looked at' "$T/err"
	inspect 0 --anchors "$T/c/ca.pem"
	wall $(($(date +%s) + 7200))
	cannot_open_by_hand 'forbidden: the release has expired'
	grep -q 'try: Get a newer release' "$T/err"
	refute grep -q 'no date' "$T/err"
	# A signer of somebody else is not mended by a clock.
	ends 1 artifact open --manifest "$MODELS/net.bin.manifest" --payload "$(payload)" \
		--key "$(keys)" --anchors "$T/c/other-ca.pem" --out "$T/opened"
	grep -q 'forbidden: --manifest' "$T/err"
	refute grep -q 'Get a newer release' "$T/err"
}

# --- inspect, prune ---

@test "artifact v2: inspect says what is there, and what is wrong with it" {
	publisher 100000
	device a --fit
	publish 0 1 --device "$T/a.json" --expires 3w
	inspect 0
	grep -q '^signature  *not checked$' "$T/out"
	grep -q '^claims to be by  *CN=signer$' "$T/out"
	inspect 0 --anchors "$T/c/ca.pem"
	grep -q '^signed by  *CN=signer$' "$T/out"
	grep -q "^manifest  *$(basename "$(keys)" .keys)$" "$T/out"
	inspect 0 --anchors "$T/c/ca.pem" --json
	jq -e '.signature == "good" and .payload == "right" and .devices == 1 and .serial == 1
		and .expired == false and .plain == 100000 and .protection == "tpm"' "$T/out"
	inspect 1 --anchors "$T/c/other-ca.pem" --json
	[[ $(jq -r .signature "$T/out") == untrusted ]]
	local payload keys
	payload=$(payload) keys=$(keys)
	flip "$payload" 77
	inspect 1 --json
	[[ $(jq -r .payload "$T/out") == wrong ]]
	rm "$payload"
	inspect 1
	grep -q 'payload .*missing' "$T/out"
	grep -q 'not_found: the payload is missing' "$T/err"
	publish 0 2 --device "$T/a.json"
	rm "$(keys)"
	inspect 0 --json
	[[ $(jq -r .devices "$T/out") == 0 ]]
	cp "$keys" "$(keys)"
	inspect 1
	grep -q 'of another manifest' "$T/err"
	flip "$MODELS/net.bin.manifest" -5
	inspect 1 --anchors "$T/c/ca.pem" --json
	[[ $(jq -r .signature "$T/out") == bad ]]
	inspect 2 --salts x
	rm "$MODELS/net.bin.manifest"
	inspect 1
	# One that has expired.
	"$V2" publish --origin "$O" --name net.bin --in "$T/in" --expires 1000 \
		--sign-key "$T/c/signer.key" --sign-cert "$T/c/signer.pem" >/dev/null
	inspect 1 --json
	[[ $(jq -c '[.expired, .expires, .payload]' "$T/out") == '[true,1000,"right"]' ]]
}

@test "artifact v2: prune removes what no manifest names, and is old" {
	publisher 100
	publish 0 1
	local first old
	first=$(payload) old=$(keys)
	publish 0 2
	ends 0 artifact publish --format v2 --name b --in "$T/in" --origin "$O" \
		--sign-key "$T/c/signer.key" --sign-cert "$T/c/signer.pem" --version 1 \
		--content-key "$T/keyb"
	touch "$MODELS/net.payload" "$MODELS/x.keys"
	ends 0 artifact prune --name net.bin --origin "$O" --json
	[[ $(jq -c '[.removed, .kept]' "$T/out") == '[0,2]' && -s $first ]]
	# One that was out for long, and is replaced, has its day, too.
	touch -d '40 days ago' "$(payload)" "$(keys)"
	local second second_keys
	second=$(payload) second_keys=$(keys)
	publish 0 3
	ends 0 artifact prune --name net.bin --origin "$O" --json
	[[ $(jq -c '[.removed, .kept]' "$T/out") == '[0,4]' && -e $second && -e $second_keys ]]
	touch -d '2 days ago' "$second" "$second_keys" "$first" "$old"
	# A manifest that cannot be read may name any of them.
	mv "$MODELS/b.manifest" "$T/b.manifest"
	echo damaged >"$MODELS/b.manifest"
	ends 1 artifact prune --name net.bin --origin "$O" --now
	grep -q 'b.manifest: ' "$T/err"
	[[ -s $first ]]
	mv "$T/b.manifest" "$MODELS/b.manifest"
	ends 0 artifact prune --name net.bin --origin "$O" --json
	[[ $(jq -c '[.removed, .kept]' "$T/out") == '[4,0]' && ! -e $first && ! -e $old ]]
	unchanged_parts() {
		inspect 0 --anchors "$T/c/ca.pem"
		ends 0 artifact inspect --format v2 --name b --origin "$O"
		[[ -e $MODELS/net.payload && -e $MODELS/x.keys ]]
	}
	unchanged_parts
	ends 1 artifact prune --name none --origin "$O"
	# All were withdrawn: the folder is still one.
	rm "$MODELS"/*.manifest
	ends 1 artifact prune --name net.bin --origin "$O" --now
	ends 0 artifact prune --origin "$O" --folder models --now --json
	[[ $(jq -c '[.removed, .kept]' "$T/out") == '[4,0]' ]]
	[[ -e $MODELS/net.payload && -e $MODELS/x.keys ]]
	ends 1 artifact prune --origin "$O" --folder none
	ends 2 artifact prune --origin "$O" --folder ../models
}
