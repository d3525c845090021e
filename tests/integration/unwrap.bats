#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What was encrypted to the storage key of a device, by pytss and tpm2-tools and none of our code:
# through the socket and by the command line, at what cost, for whom, and when the TPM does not serve.

bats_require_minimum_version 1.5.0
load helpers
load tenants
load broker

HOLDFAST=$(program holdfast)
FILE_CONFIG=('fapi { probe = false }')
PUBLISHER=$ROOT/tests/support/wrap.py
SECRET='a content key and a digest, as they are here: 64 bytes, no more.'

# wrapped NAME [HOW..]: something for the storage key in $T/NAME/; its request is in $T/NAME/key.json.
wrapped() {
	local name=$1
	shift
	mkdir -p "$T/$name"
	hf device storage-key --format tpm --out "$T/storage.pub"
	printf '%s' "$SECRET" >"$T/data"
	"$PUBLISHER" "$T/storage.pub" "$T/data" "$T/$name" "$@"
}

unwrap() { # NAME
	api POST /v1/unwrap -H 'Content-Type: application/json' --data-binary "@$T/$1/key.json"
}

opens() { # NAME
	unwrap "$1"
	expect 200
	field .data | base64 -d | cmp - "$T/data"
	[[ $(field .protection) == "$PROTECTION" && $(field 'keys | join(" ")') == 'data protection' ]]
}

# lines OPERATION: the audit's, as JSON.
lines() {
	sed -n 's/.*audit {/{/p' "$T/log" | jq -c --arg operation "$1" 'select(.operation == $operation)'
}

last_cost() {
	lines unwrap | tail -n 1 | jq .tpm_commands
}

opening() { # PROVIDER
	on "$1"
	wrapped one
	opens one
	opens one
	[[ $(lines unwrap | wc -l) == 2 ]]
	lines unwrap | jq -e -s 'all(.result == "ok" and .tenant == "host")'
	# Neither what is in it, nor what it came in.
	refute grep -qF "$SECRET" "$T/log"
	refute grep -qF "$(jq -r .duplicate "$T/one/key.json")" "$T/log"
	curl -s --unix-socket "$SOCK" http://h/metrics |
		grep -q 'holdfast_requests_total{operation="unwrap"} 2'
	flip "$T/one/duplicate" 40
	jq --arg d "$(base64 -w0 "$T/one/duplicate")" '.duplicate = $d' "$T/one/key.json" >"$T/changed"
	mkdir "$T/two" && mv "$T/changed" "$T/two/key.json"
	unwrap two
	expect 422 damaged
	[[ $(lines unwrap | tail -n 1 | jq -r .result) == damaged ]]
	opens one
	stop_daemon
	start_daemon
	opens one
}

@test "opened through the socket by the TPM, one line of audit each" { opening tpm; }
@test "opened through the socket in software, one line of audit each" { opening legacy; }

@test "three commands the first time, one while it is in the TPM, no import again" {
	local i
	on tpm
	for i in 1 2 3 4 5; do
		wrapped "k$i"
	done
	opens k1
	(($(last_cost) <= 4))
	opens k1
	[[ $(last_cost) == 1 ]]
	for i in 2 3 4 5; do
		opens "k$i"
		(($(last_cost) <= 5)) # and what gives way to it
	done
	opens k5
	[[ $(last_cost) == 1 ]]
	# It was displaced meanwhile: Load and Unseal, and a place for it.
	opens k1
	(($(last_cost) >= 2 && $(last_cost) <= 4))
	opens k1
	[[ $(last_cost) == 1 ]]
}

# Who knows the public half could also make something else for this device.
@test "only what a device key is" {
	local engine how
	for engine in tpm legacy; do
		on "$engine"
		for how in auth=sesame attributes=400 attributes=40440 policy scheme sha384 inner; do
			wrapped odd "$how"
			unwrap odd
			expect 422 damaged
		done
		api GET /v1/status
		[[ $(field '.tpm.lockout.counter // 0') == 0 && $(field .tpm.fault) == null ]]
		wrapped one
		opens one
		stop_daemon
		stop_swtpm
		rm -rf "$T/state"
	done
}

@test "what is no request is refused before the TPM" {
	local part before
	on tpm
	wrapped one
	before=$(commands_sent)
	for part in public duplicate seed; do
		jq "del(.$part)" "$T/one/key.json" >"$T/body.json"
		api POST /v1/unwrap -H 'Content-Type: application/json' --data-binary "@$T/body.json"
		expect 400 invalid
		jq ".$part = \"\"" "$T/one/key.json" >"$T/body.json"
		api POST /v1/unwrap -H 'Content-Type: application/json' --data-binary "@$T/body.json"
		expect 400 invalid
		[[ $(field .detail) == *"/$part"* ]]
		head -c 513 /dev/zero | base64 -w0 >"$T/long"
		jq --rawfile long "$T/long" ".$part = \$long" "$T/one/key.json" >"$T/body.json"
		api POST /v1/unwrap -H 'Content-Type: application/json' --data-binary "@$T/body.json"
		expect 400 invalid
		[[ $(field .detail) == *"/$part: has 1 to 512 bytes"* ]]
		jq ".$part = \"AAAA\"" "$T/one/key.json" >"$T/body.json"
		api POST /v1/unwrap -H 'Content-Type: application/json' --data-binary "@$T/body.json"
		expect 422 damaged
	done
	[[ $(commands_sent) == "$before" ]]
	opens one
}

@test "without the right nobody opens anything" {
	local path
	with tpm 'tenant web { }' 'tenant loader { operations = {"unwrap"} }'
	PROTECTION=tpm
	wrapped one
	as loader opens one
	for path in /v1/unwrap /v1/device/storage-key/activate; do
		as web api POST "$path" -H 'Content-Type: application/json' \
			--data-binary "@$T/one/key.json"
		expect 403 forbidden
		[[ $(field .detail) == *unwrap* ]]
	done
	as web api GET /v1/device/storage-key
	expect 403 forbidden
	lines unwrap | jq -e -s 'map(select(.result == "ok").tenant) == ["loader"]'
}

# --- when the TPM does not serve ---

@test "the TPM is away, locked, another one: tpm_failed, served, tpm_changed; and all is well again" {
	on tpm
	wrapped one
	opens one
	# In lockout: what is ours is exempt.
	tools tpm2_createprimary -Q -C o -c "$T/p.ctx"
	tools tpm2_flushcontext -t
	tools tpm2_create -Q -C "$T/p.ctx" -u "$T/l.pub" -r "$T/l.priv" -i "$T/data" -p right \
		-a 'fixedtpm|fixedparent|userwithauth'
	tools tpm2_flushcontext -t
	tools tpm2_dictionarylockout -Q -s -n 1 -t 1000 -l 1000
	tools tpm2_load -Q -C "$T/p.ctx" -u "$T/l.pub" -r "$T/l.priv" -c "$T/l.ctx"
	refute tools tpm2_unseal -c "$T/l.ctx" -p wrong
	tools tpm2_flushcontext -t
	tools tpm2_getcap properties-variable | grep -q 'inLockout: *1'
	wrapped locked
	opens locked
	opens one
	tools tpm2_dictionarylockout -Q -c
	stop_swtpm
	rm -f "$T"/tpm.sock*
	unwrap one
	expect 503 tpm_failed
	mv "$T/tpm" "$T/first"
	start_swtpm
	unwrap one
	expect 503 tpm_changed
	unwrap locked
	expect 503 tpm_changed
	stop_swtpm
	rm -rf "$T/tpm" "$T"/tpm.sock*
	mv "$T/first" "$T/tpm"
	start_swtpm
	wait_until opens one
}

@test "the TPM is busy: tpm_busy or timeout within the deadline, and then it opens" {
	on tpm
	wrapped one
	kill -STOP "$SWTPM_PID"
	unwrap one
	kill -CONT "$SWTPM_PID"
	[[ $CODE == 503 || $CODE == 504 ]]
	[[ $(field .code) == timeout || $(field .code) == tpm_busy || $(field .code) == tpm_failed ]]
	wait_until opens one
}

@test "after a reset of the TPM it opens without a new import" {
	on tpm
	wrapped one
	opens one
	stop_swtpm
	rm -f "$T"/tpm.sock*
	start_swtpm
	wait_until opens one
	# Load and Unseal are two of them, and no more than opening the TPM again is besides.
	opens one
	[[ $(last_cost) == 1 ]]
}

# --- challenges ---

activating() { # type of the endorsement key
	on tpm
	hf ek --type "$1" --format tpm --out "$T/ek.pub"
	printf 'a challenge' >"$T/secret"
	tpm2_makecredential -T none -u "$T/ek.pub" -s "$T/secret" -o "$T/credential" \
		-n "$(hf device storage-key --format name)"
	ends 0 device activate --ek "$1" --in "$T/credential" --out "$T/opened"
	cmp "$T/opened" "$T/secret"
	[[ $(stat -c %a "$T/opened") == 600 ]]
	ends 0 --json device activate --ek "$1" --in "$T/credential"
	jq -r .secret "$T/out" | base64 -d | cmp - "$T/secret"
	(($(lines device.activate | tail -n 1 | jq .tpm_commands) <= 4))
	# For an attestation key, and by one.
	hf aik create gw
	ends 1 aik activate gw --ek "$1" --credential "$T/credential"
	grep -q '^holdfast: damaged: ' "$T/err"
	tpm2_makecredential -T none -u "$T/ek.pub" -s "$T/secret" -o "$T/other" \
		-n "$(hf aik public gw --format name)"
	ends 1 device activate --ek "$1" --in "$T/other"
	grep -q '^holdfast: damaged: .*storage key' "$T/err"
	ends 1 device activate --in "$T/nothing"
	ends 2 device activate --ek sm2
}

@test "a challenge for the storage key opens in its TPM alone (rsa-2048)" { activating rsa-2048; }
@test "a challenge for the storage key opens in its TPM alone (ecc-p256)" { activating ecc-p256; }

@test "in software there is a storage key, and no challenge" {
	on legacy
	hf device storage-key --format json | jq -e '.type == "ecc-p256" and .protection == "software"'
	hf device storage-key --format tpm --out "$T/storage.pub"
	tpm2_print -t TPM2B_PUBLIC "$T/storage.pub" >"$T/printed"
	grep -q 'restricted|decrypt' "$T/printed"
	refute grep -qi 'fixedtpm' "$T/printed"
	printf '\xba\xdc\xc0\xde\0\0\0\1\0\1a\0\1b' >"$T/credential"
	ends 1 device activate --in "$T/credential"
	grep -q '^holdfast: tpm_required: ' "$T/err"
}

# --- the command line ---

verbs() { # PROVIDER
	on "$1"
	wrapped one
	ends 0 device unwrap --in "$T/one/key.json" --out "$T/opened"
	cmp "$T/opened" "$T/data"
	[[ $(stat -c %a "$T/opened") == 600 ]]
	hf device unwrap <"$T/one/key.json" | cmp - "$T/data"
	ends 0 --json device unwrap --in "$T/one/key.json"
	jq -r .data "$T/out" | base64 -d | cmp - "$T/data"
	[[ $(jq -r .protection "$T/out") == "$PROTECTION" ]]
	# A line as an origin keeps it has more members.
	jq -c '{storage_key: "00", manifest: "00"} + .' "$T/one/key.json" >"$T/line"
	hf device unwrap --in "$T/line" | cmp - "$T/data"
	printf '{' >"$T/bad"
	ends 1 device unwrap --in "$T/bad"
	grep -q '^holdfast: invalid: ' "$T/err"
	jq 'del(.seed)' "$T/one/key.json" >"$T/bad"
	ends 1 device unwrap --in "$T/bad"
	grep -q 'seed' "$T/err"
	head -c 3000 /dev/zero | tr '\0' ' ' >"$T/bad"
	ends 1 device unwrap --in "$T/bad"
	ends 1 device unwrap --in "$T/nothing"
	ends 0 device storage-key --format json --out "$T/description"
	jq -e --arg p "$PROTECTION" '(keys == ["name", "pem", "protection", "public", "type"]) and
		.protection == $p' "$T/description"
	jq -r .public "$T/description" | base64 -d | cmp - "$T/storage.pub"
	[[ $(jq -r .name "$T/description") == 000b$(tail -c +3 "$T/storage.pub" | sha256sum | cut -c-64) ]]
}

@test "the verbs, with a TPM" { verbs tpm; }
@test "the verbs, in software" { verbs legacy; }

# --- a tenant with raw commands ---

@test "a tenant of the broker cannot open a device key, by no handle and no blob" {
	local handle hsk=
	command -v bwrap >/dev/null || skip "bwrap is not installed"
	bwrap --unshare-all --ro-bind / / true 2>/dev/null || skip "bwrap cannot start a container here"
	PROTECTION=tpm
	raw_daemon 'tenant a { broker = "standard" rate = 0 }'
	wrapped one
	opens one # so that it is in the TPM while the tenant tries
	for handle in $(tools tpm2_getcap handles-persistent | sed 's/^- //'); do
		tools tpm2_readpublic -Q -c "$handle" -n "$T/name"
		if [[ $(xxd -p -c 99 "$T/name") == "$(hf device storage-key --format name)" ]]; then
			hsk=$handle
		fi
	done
	[[ -n $hsk ]]
	mkdir -p "$T/home-a/key" "$T/home-a/hsk"
	cp "$T/one/"* "$T/home-a/key"
	cp "$T/data" "$PUBLISHER" "$T/home-a"
	tail -n +2 "$T/state/tpm.state" >"$T/record"
	jq -r .hsk_public "$T/record" | base64 -d >"$T/home-a/hsk/public"
	jq -r .hsk_private "$T/record" | base64 -d >"$T/home-a/hsk/private"
	inside a device-key.sh /home "$(jq -r .srk_handle "$T/record" | xargs printf '0x%x')" "$hsk"
	[[ $(grep -c '^result ' "$T/out.a") == 5 ]]
	opens one
}
