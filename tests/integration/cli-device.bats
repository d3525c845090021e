#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The verbs of the device's identity: what they print, ask and refuse, and that stock OpenSSL takes
# what they give.

bats_require_minimum_version 1.5.0
load helpers

HOLDFAST=$(program holdfast)

# --- without a service ---

# statement TENANT PURPOSE FILE: the bytes that the device's key signs (docs/IDENTITY.md).
statement() {
	printf 'holdfast device signature v1\0%s\0%s\0' "$1" "$2"
	cat "$3"
}

# own_device: a key and certificate of a device that OpenSSL plays.
own_device() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
		-keyout "$T/$1.key" -out "$T/$1.pem" 2>"$T/openssl"
}

# verifies STATUS [OPTION..]: of the statement "inventory" of tenant web about $T/message.
verifies() {
	local expected=$1
	shift
	ends "$expected" device verify --purpose inventory --tenant web --cert "$T/gw.pem" \
		--signature "$T/sig" --in "$T/message" "$@"
}

@test "device verify: purpose, tenant, message and certificate all count" {
	local words
	own_device gw
	own_device other
	printf 'a list' >"$T/message"
	printf 'A list' >"$T/changed"
	statement web inventory "$T/message" | openssl dgst -sha256 -sign "$T/gw.key" -out "$T/sig"
	verifies 0
	[[ $(cat "$T/out") == "good signature" ]]
	verifies 0 --json
	jq -e '. == {"good": true}' "$T/out"
	cat "$T/gw.pem" "$T/other.pem" >"$T/chain"
	ends 0 device verify --purpose inventory --tenant web --cert "$T/chain" \
		--signature "$T/sig" --in "$T/message"
	for words in "inventorY web gw message" "inventory host gw message" \
		"inventory web other message" "inventory web gw changed"; do
		# shellcheck disable=SC2086 # words
		set -- $words
		ends 1 device verify --purpose "$1" --tenant "$2" --cert "$T/$3.pem" \
			--signature "$T/sig" --in "$T/$4"
		grep -q '^holdfast: damaged: ' "$T/err"
	done
	# The bytes between the texts cannot be moved.
	ends 1 device verify --purpose nventory --tenant webi --cert "$T/gw.pem" \
		--signature "$T/sig" --in "$T/message"
	ends 1 device verify --purpose inventory --tenant web --cert "$T/message" \
		--signature "$T/sig" --in "$T/message"
	grep -q 'certificate: ' "$T/err"
	for word in 'a b' '' "$(printf '%065d' 0)"; do
		ends 1 device verify --purpose "$word" --tenant web --cert "$T/gw.pem" \
			--signature "$T/sig" --in "$T/message"
		grep -q '^holdfast: invalid: a purpose is' "$T/err"
	done
	ends 2 device verify --purpose inventory --tenant web --cert - --signature "$T/sig"
	ends 2 device verify --purpose inventory --cert "$T/gw.pem" --signature "$T/sig"
}

@test "wrong usage, and nothing is asked of the service" {
	ends 2 device reset
	grep -q "This erases the device's identity" "$T/err"
	grep -q -- "--factory is missing" "$T/err"
	refute grep -q "The TPM is cleared" "$T/err"
	ends 2 device reset --clear-tpm
	grep -q "The TPM is cleared" "$T/err"
	ends 2 device reset --factory
	grep -q -- "--yes is needed" "$T/err"
	ends 2 device reset --factory --yes --accept-foreign
	ends 2 device migrate --confirm --rollback
	ends 2 device sign --in "$T"
	ends 2 device init now
	ends 1 device sign --purpose 'a/b'
	grep -q '^holdfast: invalid: a purpose is ' "$T/err"
	ends 1 device status
	grep -q "no service answers at $SOCK" "$T/err"
	ends 1 device reset --factory --yes
	ends 0 device
	grep -q '^  device install-cert  *Install' "$T/out"
}

# --- with one ---

# identity tpm|software [LINE..]: a daemon whose device has such an identity.
identity() {
	local kind=$1
	shift
	mkdir -p "$T/c" "$T/p"
	if [[ $kind == tpm ]]; then
		start_swtpm
		MODE=enabled PROTECTION=tpm
	else
		MODE=software PROTECTION=software
	fi
	write_config "$@"
	start_daemon
	wait_until has_mode "$MODE"
}

has_mode() {
	[[ $(hf device status 2>/dev/null | head -n 1) == "$1: "* ]]
}

# key_in CERTIFICATE: a digest of its public key.
key_in() {
	openssl x509 -in "$1" -noout -pubkey | sha256sum
}

shown() {
	identity "$1" 'tenant web { operations = {"device-sign"} }'
	ends 0 device status
	grep -Eq "^protection +$PROTECTION\$" "$T/out"
	grep -Eq '^certificate +CN=holdfast-[0-9a-f]{16}$' "$T/out"
	grep -Eq '^  issuer +itself$' "$T/out"
	ends 0 --json device status
	jq -e --arg m "$MODE" --arg p "$PROTECTION" '.mode == $m and .protection == $p and
		.certificate.self_signed and .alarm == null' "$T/out"
	jq -r .key.public "$T/out" >"$T/pub"
	ends 0 device certificate --out "$T/gw.pem"
	openssl verify -CAfile "$T/gw.pem" "$T/gw.pem"
	[[ $(openssl x509 -in "$T/gw.pem" -noout -pubkey) == "$(cat "$T/pub")" ]]
	printf 'a list' >"$T/message"
	ends 0 device sign --purpose inventory --in "$T/message" --out "$T/sig"
	ends 0 device verify --purpose inventory --tenant host --cert "$T/gw.pem" \
		--signature "$T/sig" --in "$T/message"
	statement host inventory "$T/message" >"$T/statement"
	openssl dgst -sha256 -verify "$T/pub" -signature "$T/sig" "$T/statement"
	ends 0 --socket "$T/run/tenants/web/holdfast.sock" device sign --purpose inventory \
		--in "$T/message" --out "$T/sig"
	verifies 0
	ends 1 device verify --purpose inventory --tenant host --cert "$T/gw.pem" \
		--signature "$T/sig" --in "$T/message"
	ends 0 --json device sign --purpose inventory --in "$T/message"
	jq -e --arg p "$PROTECTION" '.protection == $p and .scheme == "ecdsa" and
		.format == "der" and .hash == "sha256"' "$T/out"
	head -c 65536 /dev/zero >"$T/most"
	ends 0 device sign --purpose inventory --in "$T/most" --out "$T/sig"
	printf x >>"$T/most"
	ends 1 device sign --purpose inventory --in "$T/most" --out "$T/sig"
	grep -q '^holdfast: too_large: ' "$T/err"
}

@test "status, certificate, sign and verify (tpm)" { shown tpm; }
@test "status, certificate, sign and verify (software)" { shown software; }

@test "what keys are wrapped to, as others want it" {
	identity tpm
	ends 0 device storage-key --out "$T/pem"
	openssl pkey -pubin -in "$T/pem" -noout
	ends 0 device storage-key --format tpm --out "$T/half"
	tpm2_print -t TPM2B_PUBLIC "$T/half" >"$T/print"
	grep -q 'restricted' "$T/print"
	[[ $(hf device storage-key --format name) == 000b$(tail -c +3 "$T/half" | sha256sum | cut -c-64) ]]
	ends 0 --json device storage-key
	jq -e '.protection == "tpm" and (.pem | startswith("-----BEGIN PUBLIC KEY"))' "$T/out"
}

# A CA of one's own signs the request with what stands in it.
ca_signs() { # request, certificate
	openssl x509 -req -in "$1" -CA "$T/ca.pem" -CAkey "$T/ca.key" -CAcreateserial -days 20 \
		-copy_extensions copy -out "$2" 2>"$T/openssl"
}

certified() {
	identity "$1"
	own_device ca
	own_device stranger
	hf device certificate --out "$T/self.pem"
	ends 0 device csr --subject CN=gw-1,O=Example --dns gw-1.example --ip 192.0.2.7 --out "$T/csr"
	openssl req -in "$T/csr" -noout -verify -text >"$T/print" 2>&1
	grep -q 'DNS:gw-1.example, IP Address:192.0.2.7' "$T/print"
	ca_signs "$T/csr" "$T/leaf.pem"
	cat "$T/leaf.pem" "$T/ca.pem" >"$T/chain.pem"
	ends 0 device install-cert --in "$T/chain.pem"
	grep -q "^$MODE: " "$T/out"
	grep -Eq '^certificate +.*CN=gw-1' "$T/out"
	grep -Eq '^  issuer +CN=ca$' "$T/out"
	ends 0 device certificate --out "$T/now.pem"
	openssl verify -CAfile "$T/ca.pem" "$T/now.pem"
	[[ $(key_in "$T/now.pem") == "$(key_in "$T/self.pem")" ]]
	# It ends in 20 days.
	ends 0 doctor
	grep -Eq '^warn +certificate +it expires in (19|20) days' "$T/out"
	ends 0 device csr
	openssl req -in "$T/out" -noout -subject | grep -q gw-1
	ends 1 device install-cert --in "$T/stranger.pem"
	grep -Eq '^holdfast: (invalid|damaged|conflict): ' "$T/err"
	ends 1 device install-cert --in "$T/csr"
	ends 0 device certificate
	cmp "$T/out" "$T/now.pem"
	ends 0 device renew
	grep -Eq '^  issuer +itself$' "$T/out"
	ends 0 device certificate --out "$T/new.pem"
	[[ $(key_in "$T/new.pem") == "$(key_in "$T/self.pem")" ]]
	ends 0 doctor
	grep -Eq '^ok +certificate ' "$T/out"
}

@test "a CA's certificate, and back to a self-signed one (tpm)" { certified tpm; }
@test "a CA's certificate, and back to a self-signed one (software)" { certified software; }

@test "init by hand" {
	start_swtpm
	write_config 'device { provision = "manual" }'
	start_daemon
	wait_until has_mode unprovisioned
	ends 1 device sign --purpose x
	grep -q '^holdfast: not_found: ' "$T/err"
	grep -q 'holdfast device init' "$T/err"
	ends 1 device certificate
	grep -q '^holdfast: no_certificate: ' "$T/err"
	ends 0 doctor
	grep -Eq '^warn +identity +unprovisioned: ' "$T/out"
	ends 0 device init
	grep -q '^enabled: ' "$T/out"
	ends 1 device init --software
	grep -q '^holdfast: conflict: ' "$T/err"
	has_mode enabled
}

@test "a TPM that does not serve: degraded, and on when it is back" {
	identity tpm
	hf device certificate --out "$T/gw.pem"
	stop_daemon
	stop_swtpm
	write_config
	start_daemon
	wait_until has_mode degraded
	ends 1 device sign --purpose x
	grep -q '^holdfast: tpm_failed: ' "$T/err"
	ends 0 device certificate
	cmp "$T/out" "$T/gw.pem"
	ends 1 device init --software
	ends 1 doctor
	grep -Eq '^fail +identity +degraded: ' "$T/out"
	stop_daemon
	start_swtpm
	write_config
	start_daemon
	wait_until has_mode enabled
	ends 0 device sign --purpose x --out "$T/sig"
}

@test "tpm_in_use is deleted: written anew, and told" {
	identity tpm 'device { config_dir = "'"$T"'/c"  persist_dir = "'"$T"'/p" }'
	[[ -s $T/p/config/tpm_in_use ]]
	stop_daemon
	rm "$T/p/config/tpm_in_use"
	start_daemon
	wait_until has_mode enabled
	[[ -s $T/p/config/tpm_in_use ]]
	ends 0 doctor
	grep -Eq '^info +tpm-in-use ' "$T/out"
	ends 0 device status
	grep -q '^tpm_in_use ' "$T/out"
}

@test "a soft key dropped beside the TPM's identity is told" {
	identity tpm 'device { config_dir = "'"$T"'/c"  persist_dir = "'"$T"'/p" }'
	stop_daemon
	own_device gw
	cp "$T/gw.key" "$T/c/device.key.pem"
	cp "$T/gw.pem" "$T/c/device.cert.pem"
	start_daemon
	wait_until has_mode enabled
	ends 0 doctor
	grep -Eq '^warn +identity-alarm ' "$T/out"
	ends 0 device status
	grep -q '^ALARM ' "$T/out"
	[[ ! -e $T/c/device.key.pem ]]
}

@test "another chip: conflict, until somebody approves" {
	identity tpm
	hf device certificate --out "$T/old.pem"
	stop_daemon
	stop_swtpm
	start_swtpm other
	write_config
	start_daemon
	ends 1 device sign --purpose x
	grep -Eq '^holdfast: tpm_(failed|changed): ' "$T/err"
	ends 0 tpm accept --yes
	wait_until has_mode conflict
	ends 1 device sign --purpose x
	grep -q '^holdfast: tpm_changed: ' "$T/err"
	grep -q 'holdfast device approve' "$T/err"
	ends 1 doctor
	grep -Eq '^fail +identity +conflict: ' "$T/out"
	ends 0 device approve
	wait_until has_mode enabled
	hf device certificate --out "$T/new.pem"
	[[ $(key_in "$T/old.pem") != "$(key_in "$T/new.pem")" ]]
}

@test "a software identity moves into the TPM, and back until that is confirmed" {
	identity software
	hf device certificate --out "$T/soft.pem"
	stop_daemon
	start_swtpm
	write_config
	start_daemon
	wait_until has_mode software
	wait_until offers_tpm
	ends 0 doctor
	grep -Eq '^warn +soft-key ' "$T/out"
	ends 0 device migrate
	grep -Eq '^migration +waits' "$T/out"
	ends 0 device migrate --rollback
	ends 1 device migrate --confirm
	grep -q '^holdfast: conflict: ' "$T/err"
	has_mode software
	ends 0 device certificate
	cmp "$T/out" "$T/soft.pem"
	ends 0 device migrate
	ends 0 device migrate --confirm
	grep -q '^enabled: ' "$T/out"
	hf device certificate --out "$T/hard.pem"
	[[ $(key_in "$T/hard.pem") != "$(key_in "$T/soft.pem")" ]]
}

offers_tpm() {
	hf --json device status | jq -e .tpm_available >/dev/null
}

# --- factory reset ---

reset_to() { # mode, then the configuration
	printf secret | hf seal --out "$T/blob"
	printf secret | hf seal --name kept
	hf device certificate --out "$T/old.pem"
	ends 0 device reset --factory --yes
	[[ ! -s $T/err ]]
	grep -q "^$1: " "$T/out"
	ends 1 unseal --in "$T/blob"
	[[ -z $(hf secret list) ]]
}

reset() {
	identity "$1"
	reset_to "$MODE"
	hf device certificate --out "$T/new.pem"
	[[ $(key_in "$T/old.pem") != "$(key_in "$T/new.pem")" ]]
}

@test "reset: a new identity, and nothing of before opens (tpm)" { reset tpm; }
@test "reset: a new identity, and nothing of before opens (software)" { reset software; }

@test "reset: by hand there is none afterwards" {
	start_swtpm
	write_config 'device { provision = "manual" }'
	start_daemon
	ends 0 device init
	reset_to unprovisioned
	ends 0 device init
	ends 0 --json device reset --factory --yes
	jq -e '.mode == "unprovisioned" and .key == null' "$T/out"
}

# foreign_key: somebody's persistent key, which is not ours.
foreign_key() {
	tools tpm2_createprimary -Q -C o -G ecc -c "$T/foreign.ctx"
	tools tpm2_evictcontrol -Q -C o -c "$T/foreign.ctx" 0x81000042
	tools tpm2_flushcontext -t
}

@test "reset --clear-tpm names what others keep in the chip, and asks" {
	start_swtpm
	foreign_key
	write_config
	start_daemon
	wait_until has_mode enabled
	hf device certificate --out "$T/old.pem"
	ends 1 device reset --factory --clear-tpm --yes
	grep -q '^holdfast: conflict: .*0x81000042' "$T/err"
	grep -q -- '--accept-foreign' "$T/err"
	ends 0 device certificate
	cmp "$T/out" "$T/old.pem"
	# On a terminal it is a second question; no is an answer.
	printf 'yes\nno\n' | HOLDFAST_SOCKET=$SOCK script -qec \
		"$HOLDFAST device reset --factory --clear-tpm" "$T/screen" >/dev/null || true
	grep -q 0x81000042 "$T/screen"
	grep -q 'Nothing was changed' "$T/screen"
	ends 0 device certificate
	cmp "$T/out" "$T/old.pem"
	ends 0 device reset --factory --clear-tpm --accept-foreign --yes
	grep -q '^enabled: ' "$T/out"
	hf device certificate --out "$T/new.pem"
	[[ $(key_in "$T/old.pem") != "$(key_in "$T/new.pem")" ]]
	stop_daemon
	refute grep -q 0x81000042 <(tools tpm2_getcap handles-persistent)
}

@test "reset asks on a terminal, and waits for the service" {
	identity software
	hf device certificate --out "$T/old.pem"
	HOLDFAST_SOCKET=$SOCK script -qec "$HOLDFAST device reset --factory" "$T/screen" \
		>/dev/null <<<no || true
	grep -q 'cannot be undone' "$T/screen"
	hf device certificate | cmp - "$T/old.pem"
	HOLDFAST_SOCKET=$SOCK script -qefc "$HOLDFAST device reset --factory" "$T/screen" \
		>/dev/null <<<yes
	grep -q 'The reset has begun' "$T/screen"
	grep -q '^software: ' "$T/screen"
	refute cmp -s <(hf device certificate) "$T/old.pem"
}
