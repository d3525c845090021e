#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The device's identity on real files and a TPM: the rows of the table of docs/IDENTITY.md, and what
# may befall a machine. What somebody asks for is in device-orders.bats; that each of them can be cut
# short anywhere is tests/fault/powercut.py.

load helpers
load device

MANUAL='provision = "manual"'

# --- U -----------------------------------------------------------------------------------------

@test "U: first boot with a TPM leads to E" {
	enabled
	[[ $(device .protection) == tpm && $(device .generation) == 1 ]]
	[[ $(device .key.handle) == 0x81000100 && $(device .alarm) == null ]]
	[[ $(device .certificate.self_signed) == true && $(device .certificate.problem) == null ]]
	proves
	jq -e --arg name "$(device .key.name)" '.mode == "enabled" and .key_name == $name and
		(.boot_id | length > 0) and (.time | length > 0)' "$T/persist/config/tpm_in_use"
	cmp "$T/persist/config/tpm_in_use" "$T/run/tpm_in_use"
	[[ ! -e $T/config/device.key.pem ]]
	stop_daemon
	persistent 0x81000100
	# It comes back as it is.
	reboot
	is_mode enabled
	same_key first
	proves
}

@test "U: first boot waits for an operator where it is configured so" {
	start_swtpm
	boot "$MANUAL"
	is_mode unprovisioned
	[[ $(device .key) == null && $(device .certificate) == null && $(device .protection) == none ]]
	signs_not not_found
	[[ ! -e $T/config/$CERT && ! -e $T/persist/config/tpm_in_use ]]
	HOLDFAST_SOCKET=$SOCK hf device init
	is_mode enabled
	proves
	# One event never makes two.
	remember first
	refute hf device init
	same_key first
}

@test "U: no TPM leads to S" {
	TCTI=
	boot
	is_mode software
	[[ $(device .protection) == software && $(device .key.handle) == null ]]
	[[ $(stat -c %a "$T/config/device.key.pem") == 600 ]]
	[[ ! -e $T/persist/config/tpm_in_use && ! -e $T/run/tpm_in_use ]]
	proves
	remember first
	boot
	is_mode software
	same_key first
}

@test "U: device { tpm = \"off\" } leads to S" {
	start_swtpm
	boot 'tpm = "off"'
	is_mode software
	proves
	stop_daemon
	persistent
}

@test "U: a TPM that is expected and does not serve leaves U; S is the operator's word" {
	TCTI=swtpm:path=$T/nobody.sock
	boot
	is_mode unprovisioned
	[[ -n $(device .reason) ]]
	signs_not not_found
	refute hf device init
	is_mode unprovisioned
	hf device init --software
	is_mode software
	proves
	# It stays so when the TPM comes.
	remember first
	start_swtpm
	boot
	is_mode software
	same_key first
	[[ $(device .tpm_available) == true ]]
}

@test "U: the TPM that was expected comes" {
	TCTI=swtpm:path=$T/tpm.sock
	boot
	is_mode unprovisioned
	start_swtpm
	boot
	is_mode enabled
	proves
}

@test "U: a device that was E never becomes S, by no word but a reset's" {
	enabled
	stop_daemon
	stop_swtpm
	boot
	is_mode degraded
	refute hf device init --software
	is_mode degraded
	[[ ! -e $T/config/device.key.pem ]]
}

@test "U: a power cut before the commit is undone, after it the rest is done" {
	HOLDFAST_BUILD=$BUILD "$ROOT/tests/fault/powercut.py" --only init --every 29
}

# --- E -----------------------------------------------------------------------------------------

@test "E: normal boot, with the marker lost or edited" {
	local marker=$T/persist/config/tpm_in_use
	enabled
	rm "$marker"
	boot
	is_mode enabled
	jq -e '.mode == "enabled"' "$marker"
	echo '{"mode": "degraded", "key_name": "00"}' >"$marker"
	boot
	is_mode enabled
	jq -e --arg name "$(jq -r .key.name "$T/first.json")" \
		'.mode == "enabled" and .key_name == $name' "$marker"
	same_key first
	[[ $(jq -r .generation "$T/device") == 1 ]]
}

@test "E: certificate deleted: the same key, and the same certificate again" {
	enabled
	rm "$T/config/$CERT"
	boot
	is_mode enabled
	same_key first
	openssl x509 -in "$T/config/$CERT" | cmp - <(openssl x509 -in "$T/first.crt")
	proves
}

@test "E: config_dir wiped: the same key, certificate and second copy again" {
	enabled
	rm -rf "$T/config"
	boot
	is_mode enabled
	same_key first
	proves
	cmp "$T/config/device.identity.json" "$T/persist/holdfast/identity.json"
}

@test "E: persist_dir wiped: the record is rebuilt from its copy" {
	enabled
	rm -rf "$T/persist"
	boot
	is_mode enabled
	same_key first
	proves
	cmp "$T/config/device.identity.json" "$T/persist/holdfast/identity.json"
	[[ -s $T/persist/config/tpm_in_use ]]
}

@test "E: all copies of the record gone, the certificate names the key: rebuilt" {
	enabled
	records -delete
	boot
	is_mode enabled
	same_key first
	[[ $(device .alarm) != null ]]
	proves
	records | grep -q .
	# For good.
	boot
	is_mode enabled
	same_key first
	proves
}

@test "E: records and certificate gone: a new identity beside the old key, which is left" {
	enabled
	records -delete
	rm "$T/config/$CERT"
	boot
	is_mode enabled
	other_key first
	proves
	[[ $(device .key.handle) != 0x81000100 ]]
	stop_daemon
	tools tpm2_readpublic -c 0x81000100 -f pem -o "$T/left.pub"
	cmp "$T/left.pub" "$T/first.pub"
}

@test "E: first boot beside a stranger's key: it is left, the next free handle is taken" {
	start_swtpm
	tools tpm2_createprimary -C o -G ecc -c "$T/stranger.ctx" -Q
	tools tpm2_evictcontrol -C o -c "$T/stranger.ctx" 0x81000100 -Q
	tools tpm2_readpublic -c 0x81000100 -f pem -o "$T/stranger.pub" -Q
	boot
	is_mode enabled
	[[ $(device .key.handle) == 0x8100010[2-9a-f] ]]
	proves
	stop_daemon
	tools tpm2_readpublic -c 0x81000100 -f pem -o "$T/still.pub" -Q
	cmp "$T/stranger.pub" "$T/still.pub"
}

@test "E: one slot of the record torn: repaired from another" {
	local file
	enabled
	for file in persist/holdfast/identity.json persist/holdfast/identity.json.copy \
		config/device.identity.json config/device.identity.json.copy; do
		truncate -s 40 "$T/$file"
		boot
		is_mode enabled
		same_key first
		[[ $(device .reason) == *copy* && $(device .alarm) == null ]]
		cmp "$T/$file" "$T/config/device.identity.json"
		cmp "$T/$file" "$T/persist/holdfast/identity.json"
	done
	proves
}

@test "E: all slots torn: as if they were gone" {
	local file
	enabled
	for file in $(records); do
		echo '{"half' >"$file"
	done
	boot
	is_mode enabled
	same_key first
	proves
}

@test "E: a soft key is dropped in: quarantined, with an alarm" {
	enabled
	soft_pair
	install -m 600 "$T/soft.key" "$T/config/device.key.pem"
	boot
	is_mode enabled
	same_key first
	[[ $(device .alarm) == *quarantine* ]]
	[[ ! -e $T/config/device.key.pem ]]
	quarantined
	proves
}

@test "E: a soft pair is dropped in, with its certificate" {
	enabled
	soft_pair
	install -m 600 "$T/soft.key" "$T/config/device.key.pem"
	cp "$T/soft.crt" "$T/config/$CERT"
	boot
	is_mode enabled
	same_key first
	quarantined
	proves
	# Without a TPM it is not taken either.
	install -m 600 "$T/soft.key" "$T/config/device.key.pem"
	stop_daemon
	stop_swtpm
	boot
	is_mode degraded
	signs_not tpm_failed
}

@test "E: the certificate of another device is copied in" {
	enabled
	soft_pair
	cp "$T/soft.crt" "$T/config/$CERT"
	boot
	is_mode enabled
	same_key first
	[[ $(device .alarm) != null ]]
	openssl x509 -in "$T/config/$CERT" | cmp - <(openssl x509 -in "$T/first.crt")
	proves
	echo nonsense >"$T/config/$CERT"
	boot
	is_mode enabled
	proves
}

@test "E: the TPM is gone at boot: D, no signature, the same certificate, no software" {
	enabled
	stop_daemon
	stop_swtpm
	boot
	is_mode degraded
	[[ $(device .protection) != software && $(device .tpm.state) != ok ]]
	signs_not tpm_failed
	hf device certificate | cmp - "$T/first.crt"
	[[ ! -e $T/config/device.key.pem ]]
	jq -e '.mode == "degraded"' "$T/persist/config/tpm_in_use"
	refute hf device renew
	refute hf device init
}

@test "E: the TPM goes while it runs: D; and comes back: E" {
	enabled
	stop_swtpm
	signs_not tpm_failed
	becomes degraded
	start_swtpm
	proves
	is_mode enabled
	same_key first
}

@test "E: the key is evicted while it runs: C, and it is looked for once, not at each signature" {
	local i
	enabled
	tools tpm2_evictcontrol -C o -c 0x81000100 -Q
	for i in 1 2 3 4 5 6; do
		signs_not tpm_changed
	done
	becomes conflict
	[[ $(grep -c 'is not where it was: looking again' "$T/log") == 1 ]]
	hf device approve
	becomes enabled
	other_key first
	proves
}

@test "E: SECURITY_PROVIDER=legacy counts as a TPM that failed, and says so" {
	enabled
	stop_daemon
	export SECURITY_PROVIDER=legacy
	boot
	is_mode degraded
	[[ $(device .alarm) == *SECURITY_PROVIDER=legacy* ]]
	signs_not tpm_failed
	unset SECURITY_PROVIDER
	boot
	is_mode enabled
	same_key first
}

@test "E: lockout of the TPM is reported and hinders nothing" {
	start_swtpm
	tools tpm2_dictionarylockout -s -n 1 -t 1000 -l 1000
	boot
	is_mode enabled
	remember first
	stop_daemon
	tools tpm2_createprimary -C o -G ecc -p secret -c "$T/da.ctx" -Q
	refute tools tpm2_create -C "$T/da.ctx" -P wrong -u "$T/u" -r "$T/r" -Q
	boot
	is_mode enabled
	[[ $(device .tpm.in_lockout) == true ]]
	proves
}

# --- D and C -----------------------------------------------------------------------------------

@test "D: the TPM is back with the key: E again" {
	enabled
	stop_daemon
	stop_swtpm
	boot
	is_mode degraded
	start_swtpm
	stop_daemon
	boot
	is_mode enabled
	same_key first
	proves
}

@test "D, E: a chip swapped: C, with both Names; back again: E" {
	enabled
	swap_chip
	boot
	is_mode conflict
	[[ $(device .key.name) == "$(jq -r .key.name "$T/first.json")" ]]
	signs_not tpm_changed
	hf device certificate | cmp - "$T/first.crt"
	refute hf device init
	[[ ! -e $T/config/device.key.pem ]]
	stop_daemon
	stop_swtpm
	CHIP=tpm
	start_swtpm
	boot
	is_mode enabled
	same_key first
	proves
}

@test "D, E: another key lies at the handle: C, with its Name" {
	enabled
	stop_daemon
	tools tpm2_evictcontrol -C o -c 0x81000100 -Q
	tools tpm2_createprimary -C o -G ecc -c "$T/stranger.ctx" -Q
	tools tpm2_evictcontrol -C o -c "$T/stranger.ctx" 0x81000100 -Q
	tools tpm2_readpublic -c 0x81000100 -n "$T/name" -Q
	boot
	is_mode conflict
	[[ $(device .found_name) == "$(xxd -p -c 99 "$T/name")" ]]
	signs_not tpm_changed
}

@test "D, E: the TPM was cleared: C" {
	enabled
	stop_daemon
	tools tpm2_clear -Q
	boot
	is_mode conflict
	signs_not tpm_changed
}

@test "E, D: a record that cannot be read is not an absent one" {
	local file
	enabled
	stop_daemon
	for file in $(records); do
		mv "$file" "$T/kept.${file##*/}.$(dirname "$file" | tr / _)"
		mkdir "$file"
	done
	rm "$T/config/$CERT"
	boot
	is_mode degraded
	signs_not tpm_failed
	[[ ! -e $T/config/$CERT ]]
	stop_daemon
	persistent 0x81000100
}

@test "C: the operator approves: a new identity, and the old certificate is kept" {
	enabled
	swap_chip
	boot
	is_mode conflict
	# The chip is another one for everything else, too.
	admin POST /v1/admin/tpm/accept -H 'Content-Type: application/json' -d '{}'
	is_mode conflict
	hf device approve
	becomes enabled
	other_key first
	[[ $(device .generation) == 2 ]]
	proves
	find "$T/persist/holdfast/previous" -type f -exec openssl x509 -in {} \; |
		grep -qxF "$(sed -n 2p "$T/first.crt")"
}

@test "C: approved where an operator is to ask: U, and w stays" {
	enabled
	stop_daemon
	tools tpm2_evictcontrol -C o -c 0x81000100 -Q
	boot "$MANUAL"
	is_mode conflict
	hf device approve
	is_mode unprovisioned
	refute hf device init --software
	hf device init
	is_mode enabled
	other_key first
}
