#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The device's identity on real files and a TPM, where somebody asked for it: factory reset, software
# and migration, downgrade and upgrade, certificates; and where its folders are. The other rows of the
# table of docs/IDENTITY.md are in device.bats.

load helpers
load device

MANUAL='provision = "manual"'

# --- X -----------------------------------------------------------------------------------------

# What a reset must take.
make_data() {
	put one hello
	expect 201
	seal_text hello "$T/blob"
	expect 200
	api_json POST /v1/keys '{"name":"two","type":"ecc-p256"}'
	expect 201
}

data_are_gone() {
	get one
	expect 404
	api_file POST /v1/unseal "$T/blob"
	[[ $CODE != 200 ]]
	api GET /v1/keys/two
	expect 404
}

@test "X: a factory reset: nothing of before opens, the next identity is another one" {
	enabled
	make_data
	cp "$T/state/auth.key" "$T/auth.key"
	hf device reset --factory --yes
	becomes enabled
	other_key first
	proves
	data_are_gone
	refute cmp -s "$T/state/auth.key" "$T/auth.key"
	stop_daemon
	tools tpm2_getcap handles-persistent
	persistent "$(device .key.handle)"
}

@test "X: after it an operator provisions, where it is configured so" {
	start_swtpm
	boot "$MANUAL"
	hf device init
	is_mode enabled
	hf device reset --factory --yes
	is_mode unprovisioned
	[[ ! -e $T/config/$CERT && ! -e $T/persist/config/tpm_in_use ]]
	[[ -z $(records) ]]
	stop_daemon
	persistent
	# Software is allowed again: nothing of before counts.
	boot "$MANUAL"
	hf device init --software
	is_mode software
}

@test "X: it is not for who has only the host's socket, and asks before it begins" {
	enabled
	refute hf device reset --factory </dev/null
	same_key first
	api_json POST /v1/admin/device/reset '{}'
	expect 403 forbidden
	same_key first
}

@test "X: equal keys never come back, also when TPM2_Clear is refused" {
	local i
	start_swtpm
	tools tpm2_clearcontrol -C l s
	: >"$T/keys"
	for i in 1 2 3; do
		boot
		is_mode enabled
		device .key.public | openssl pkey -pubin -outform DER | sha256sum >>"$T/keys"
		hf device reset --factory --yes --clear-tpm --accept-foreign
		becomes enabled
		[[ $(device .alarm) == *partial*ClearControl* ]]
	done
	device .key.public | openssl pkey -pubin -outform DER | sha256sum >>"$T/keys"
	[[ $(sort -u "$T/keys" | wc -l) == 4 ]]
	proves
}

@test "X: TPM2_Clear names what others keep in the chip, and takes it when that is accepted" {
	enabled
	stop_daemon
	tools tpm2_createprimary -C o -G ecc -c "$T/stranger.ctx" -Q
	tools tpm2_evictcontrol -C o -c "$T/stranger.ctx" 0x81000200 -Q
	boot
	refute hf device reset --factory --yes --clear-tpm 2>"$T/err"
	grep -q 0x81000200 "$T/err"
	same_key first
	# Without it the stranger's key stays.
	hf device reset --factory --yes
	becomes enabled
	other_key first
	remember second
	stop_daemon
	tools tpm2_readpublic -c 0x81000200 -Q
	boot
	hf device reset --factory --yes --clear-tpm --accept-foreign
	becomes enabled
	other_key second
	stop_daemon
	refute tools tpm2_readpublic -c 0x81000200 -Q
}

@test "X: a reset in D erases the files, and the chip's key when the chip is back" {
	enabled
	make_data
	stop_daemon
	stop_swtpm
	boot
	is_mode degraded
	hf --timeout 2 device reset --factory --yes || true
	becomes resetting
	refute same_key first
	start_swtpm
	stop_daemon
	boot
	becomes enabled
	other_key first
	data_are_gone
	stop_daemon
	persistent "$(device .key.handle)"
}

@test "X: a power cut at any step: it goes on from the journal" {
	HOLDFAST_BUILD=$BUILD "$ROOT/tests/fault/powercut.py" --only reset-resumed --every 61
}

@test "X: a reset that waits for a TPM which is gone is ended by an operator" {
	enabled
	make_data
	stop_daemon
	stop_swtpm
	boot
	is_mode degraded
	hf --timeout 1 device reset --factory --yes || true
	becomes resetting
	refute hf device reset --factory --without-tpm </dev/null
	refute hf device reset --factory --yes --without-tpm --clear-tpm
	hf device reset --factory --yes --without-tpm
	refute is_mode resetting
	[[ $(device .alarm) == *'reset: partial'*0x81000100* ]]
	[[ ! -e $T/config/$CERT && ! -e $T/state/identity.journal ]]
	# The chip comes back with the old key in it, which is nobody's now.
	stop_daemon
	start_swtpm
	boot
	becomes enabled
	other_key first
	data_are_gone
}

@test "X: a reset without the TPM, asked for at once" {
	enabled
	stop_daemon
	stop_swtpm
	boot
	is_mode degraded
	hf device reset --factory --yes --without-tpm
	refute is_mode resetting
	[[ $(device .alarm) == *'reset: partial'*0x81000100* ]]
}

# --- S -----------------------------------------------------------------------------------------

software() {
	start_swtpm
	boot "$MANUAL"
	hf device init --software
	is_mode software
	remember first
}

@test "S: a TPM appears: the software identity stays, and it is told" {
	TCTI=
	boot
	is_mode software
	[[ $(device .tpm_available) == false ]]
	remember first
	start_swtpm
	boot
	is_mode software
	same_key first
	[[ $(device .tpm_available) == true ]]
	stop_daemon
	persistent
}

@test "S: the pair of older software is taken over" {
	soft_pair gateway-7
	mkdir -p "$T/config" "$T/persist"
	install -m 600 "$T/soft.key" "$T/config/device.key.pem"
	cp "$T/soft.crt" "$T/config/$CERT"
	start_swtpm
	boot
	is_mode software
	[[ $(device .certificate.subject) == *gateway-7* ]]
	proves
}

@test "S: certificate and key deleted, with a TPM: E, a new identity" {
	software
	rm "$T/config/$CERT" "$T/config/device.key.pem"
	boot
	is_mode enabled
	[[ $(device .alarm) == *new* && $(device .generation) == 2 ]]
	other_key first
	proves
}

@test "S: certificate deleted, key kept: the same key" {
	software
	rm "$T/config/$CERT"
	boot
	is_mode software
	same_key first
	proves
}

# succeeds OLD: its key has signed that the one of $T/new.pem is the device's (docs/IDENTITY.md).
succeeds() {
	local at
	openssl x509 -in "$T/cross.pem" -outform DER -out "$T/cross.der"
	openssl asn1parse -inform DER -in "$T/cross.der" -strparse 4 -noout -out "$T/tbs.der"
	at=$(openssl asn1parse -inform DER -in "$T/cross.der" | tail -n 1 | sed 's/ *:.*//')
	openssl asn1parse -inform DER -in "$T/cross.der" -strparse "$at" -noout -out "$T/cross.sig"
	openssl x509 -in "$1" -noout -pubkey >"$T/old.pub"
	openssl dgst -sha256 -verify "$T/old.pub" -signature "$T/cross.sig" "$T/tbs.der"
	openssl x509 -in "$T/cross.pem" -noout -pubkey >"$T/cross.pub"
	openssl x509 -in "$T/new.pem" -noout -pubkey | cmp - "$T/cross.pub"
	refute openssl dgst -sha256 -verify "$T/cross.pub" -signature "$T/cross.sig" "$T/tbs.der"
}

@test "S: migration: cross-signed, taken back, and confirmed" {
	software
	hf device migrate
	is_mode software
	same_key first
	[[ $(device .confirming) == true ]]
	proves
	reboot "$MANUAL"
	is_mode software
	[[ $(device .confirming) == true ]]
	same_key first
	hf device migrate --rollback
	is_mode software
	[[ $(device .confirming) == false ]]
	stop_daemon
	persistent
	boot "$MANUAL"
	same_key first
	proves
	refute hf device certificate --pending
	hf device migrate
	hf device certificate --pending --out "$T/new.pem"
	hf device certificate --cross --out "$T/cross.pem"
	hf device status | grep -q -- 'certificate --cross'
	hf device migrate --confirm
	is_mode enabled
	other_key first
	proves
	cmp "$T/new.pem" "$T/config/$CERT"
	openssl verify -CAfile "$T/new.pem" "$T/new.pem"
	cmp "$T/cross.pem" "$T"/persist/holdfast/previous/*.cross.pem
	[[ ! -e $T/config/device.key.pem ]]
	succeeds "$T/first.crt"
	refute hf device migrate --rollback
	reboot "$MANUAL"
	is_mode enabled
}

# --- downgrade and upgrade ---------------------------------------------------------------------

@test "E: older software makes its own pair; upgraded again: back in the TPM, the pair put aside" {
	enabled
	stop_daemon
	soft_pair older
	install -m 600 "$T/soft.key" "$T/config/device.key.pem"
	cp "$T/soft.crt" "$T/config/$CERT"
	rm -f "$T/persist/config/tpm_in_use"
	boot
	is_mode enabled
	same_key first
	quarantined
	proves
}

@test "(S): with restore = \"ask\" the pair stays until it is approved" {
	enabled
	stop_daemon
	soft_pair older
	install -m 600 "$T/soft.key" "$T/config/device.key.pem"
	cp "$T/soft.crt" "$T/config/$CERT"
	boot 'restore = "ask"'
	is_mode software
	[[ $(device .alarm) == *approve* && $(device .certificate.subject) == *older* ]]
	proves
	hf device approve
	is_mode enabled
	same_key first
	quarantined
	proves
}

# --- certificates and clocks -------------------------------------------------------------------

# A CA signs the device's request, good from..to as openssl ca takes them.
issue() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=ca \
		-keyout "$T/ca.key" -out "$T/ca.crt" 2>"$T/req.log"
	hf device csr >"$T/csr"
	openssl req -in "$T/csr" -noout -verify
	mkdir -p "$T/ca"
	: >"$T/ca/index"
	echo 10 >"$T/ca/serial"
	printf '%s\n' '[ca]' 'default_ca = x' '[x]' "database = $T/ca/index" \
		"serial = $T/ca/serial" "new_certs_dir = $T/ca" 'default_md = sha256' 'policy = p' \
		'[p]' 'commonName = supplied' >"$T/ca/conf"
	openssl ca -batch -config "$T/ca/conf" -cert "$T/ca.crt" -keyfile "$T/ca.key" -in "$T/csr" \
		-startdate "$1" -enddate "$2" -notext -out "$T/issued.crt" 2>"$T/ca.log" || {
		cat "$T/ca.log"
		return 1
	}
}

@test "clocks: a certificate that is not valid yet, or no more, is told and used" {
	enabled
	issue 20400101000000Z 20410101000000Z
	cat "$T/issued.crt" "$T/ca.crt" >"$T/chain"
	hf device install-cert --in "$T/chain"
	is_mode enabled
	[[ $(device .certificate.problem) == not_yet_valid ]]
	[[ $(device .certificate.self_signed) == false ]]
	same_key first
	boot
	is_mode enabled
	[[ $(device .certificate.problem) == not_yet_valid ]]
	proves
	# One that has expired is not taken; one that expires stays.
	issue 20010101000000Z 20020101000000Z
	refute hf device install-cert --in "$T/issued.crt" 2>"$T/err"
	grep -q 'has expired' "$T/err"
	issue 20010101000000Z "$(date -u -d '+15 seconds' +%Y%m%d%H%M%SZ)"
	hf device install-cert --in "$T/issued.crt"
	expired() {
		is_mode enabled && [[ $(device .certificate.problem) == expired ]]
	}
	wait_until expired
	proves
	hf device renew
	is_mode enabled
	[[ $(device .certificate.problem) == null ]]
	same_key first
	proves
}

@test "certificates of another key are refused, and those of ours restored" {
	enabled
	soft_pair
	refute hf device install-cert --in "$T/soft.crt"
	refute hf device install-cert --in "$T/first.pub"
	is_mode enabled
	issue 20200101000000Z 20400101000000Z
	hf device install-cert --in "$T/issued.crt"
	rm "$T/config/$CERT"
	boot
	is_mode enabled
	openssl verify -CAfile "$T/ca.crt" "$T/config/$CERT"
	proves
}

# --- EVE ---------------------------------------------------------------------------------------

@test "EVE: /config and /persist are found where both exist" {
	local name
	bwrap --unshare-all --ro-bind / / true 2>/dev/null || skip "bwrap cannot start a container here"
	start_swtpm
	mkdir -p "$T/config" "$T/persist"
	write_config 'fapi { probe = false }'
	WRAP=(bwrap --die-with-parent --tmpfs /)
	for name in /*; do
		case $name in
		/config | /persist | /proc) ;;
		*) if [[ -L $name ]]; then
			WRAP+=(--symlink "$(readlink "$name")" "$name")
		elif [[ -d $name ]]; then
			WRAP+=(--dev-bind "$name" "$name")
		fi ;;
		esac
	done
	WRAP+=(--bind /proc /proc --bind "$T/config" /config --bind "$T/persist" /persist)
	start_daemon
	wait_until identity_settled
	is_mode enabled
	remember first
	proves
	[[ -s $T/config/$CERT && -s $T/persist/config/tpm_in_use ]]
	[[ -s $T/persist/holdfast/identity.json ]]
	[[ ! -e $T/state/device ]]
	# A reinstall keeps /persist; the certificate and the copy come back into /config.
	stop_daemon
	find "$T/config" -mindepth 1 -delete
	start_daemon
	wait_until identity_settled
	is_mode enabled
	same_key first
	proves
}

@test "without /config and /persist it is all in the state folder" {
	[[ ! -d /config || ! -d /persist ]] || skip "this machine has both"
	start_swtpm
	write_config 'fapi { probe = false }'
	start_daemon
	wait_until identity_settled
	is_mode enabled
	[[ -s $T/state/device/$CERT && -s $T/state/device/config/tpm_in_use ]]
}

# by_ca NAMES EXTENSION..: $T/issued.pem, for what the device asks.
by_ca() {
	local names=$1
	shift
	printf '%s\n' "$@" >"$T/extensions"
	[[ -e $T/ca.key ]] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-days 30 -subj /CN=ca -keyout "$T/ca.key" -out "$T/ca.pem" 2>"$T/req.log"
	hf device csr --out "$T/device.csr"
	openssl x509 -req -in "$T/device.csr" -CA "$T/ca.pem" -CAkey "$T/ca.key" -set_serial 7 \
		-days 30 -subj "$names" -extfile "$T/extensions" \
		-out "$T/issued.pem" 2>"$T/req.log"
}

@test "S, E: a CA's certificate that is of no use is refused, and one of doubtful use is told" {
	enabled
	by_ca /CN=gw basicConstraints=CA:TRUE
	refute hf device install-cert --in "$T/issued.pem" 2>"$T/err"
	grep -q 'that of a CA' "$T/err"
	cmp "$T/first.crt" "$T/config/$CERT"
	by_ca /CN=gw extendedKeyUsage=emailProtection
	hf device install-cert --in "$T/issued.pem"
	is_mode enabled
	[[ $(device .alarm) == *'neither clients nor servers'* ]]
	by_ca '/CN=gw/title=Dr/GN=Ada/description=x' extendedKeyUsage=clientAuth
	hf device install-cert --in "$T/issued.pem"
	is_mode enabled
	[[ $(device .alarm) == null ]]
	# Asked for anew without a subject, it is that one, whatever we could write ourselves.
	hf device csr --out "$T/again.csr"
	[[ $(openssl req -in "$T/again.csr" -noout -subject) == \
		$(openssl x509 -in "$T/issued.pem" -noout -subject) ]]
	openssl req -in "$T/again.csr" -noout -verify
}
