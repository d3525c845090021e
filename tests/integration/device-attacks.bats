#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Who can write config_dir, and no more, does not take an identity in the TPM away; who can write
# persist_dir, and no more, neither orders a factory reset nor ends one.

load helpers
load device

# forge FILE JSON: a copy of a record with a right checksum and the last generation.
forge() {
	local generation=9999999999999999999 sum
	sum=$(printf '%s\n%s' "$generation" "$2" | sha256sum | cut -d ' ' -f 1)
	printf 'holdfast-twin 1 %s %s\n%s' "$generation" "$sum" "$2" >"$1"
}

BLANK='{"version":1,"enabled":false,"present":false,"generation":2,"since":"2026-01-01T00:00:00Z"}'

# drop JSON: both copies of config_dir say that.
drop() {
	forge "$T/config/device.identity.json" "$1"
	forge "$T/config/device.identity.json.copy" "$1"
}

# as_before: the first key, its certificate, and whole records without an alarm at the next start.
as_before() {
	same_key first
	proves
	cmp "$T/config/$CERT" "$T/first.crt"
	cmp "$T/config/device.identity.json" "$T/persist/holdfast/identity.json"
	reboot
	is_mode enabled
	[[ $(device .alarm) == null ]]
	same_key first
}

@test "attack: config_dir of a device in software, while the TPM fails" {
	enabled
	stop_daemon
	stop_swtpm
	rm -rf "$T/config"
	mkdir "$T/config"
	drop "$BLANK"
	soft_pair
	cp "$T/soft.key" "$T/config/device.key.pem"
	cp "$T/soft.crt" "$T/config/$CERT"
	cp "$T/persist/holdfast/identity.json" "$T/record"
	boot
	is_mode degraded
	[[ $(device .alarm) == *'named another identity, or none'* ]]
	signs_not tpm_failed
	cmp "$T/persist/holdfast/identity.json" "$T/record"
	reboot
	is_mode enabled
	quarantined
	as_before
}

@test "attack: a blank record in config_dir makes no new identity" {
	enabled
	stop_daemon
	drop "$BLANK"
	reboot
	is_mode enabled
	[[ $(device .alarm) == *'named another identity, or none'* ]]
	[[ $(device .generation) == 1 ]]
	as_before
}

@test "attack: an altered record in config_dir is no conflict" {
	local record
	enabled
	stop_daemon
	record=$(tail -n +2 "$T/persist/holdfast/identity.json")
	# Another Name, and a handle that is none of the owner's.
	drop "$(jq -c '.name = .name[:8] + "00000000" + .name[16:]' <<<"$record")"
	reboot
	is_mode enabled
	as_before
	stop_daemon
	drop "$(jq -c '.handle = 2172649472' <<<"$record")"
	reboot
	is_mode enabled
	as_before
}

# journal FOLDER JSON-MEMBERS: a journal with those.
journal() {
	local json
	json=$(jq -cn "{version: 1, doing: \"\", object: \"\", header: \"\", handle: 0, name: \"\", chain: \"\",
		hsk_handle: 0, hsk_name: \"\", clear_tpm: true, partial: false, step: 0,
		asked: \"2026-01-01T00:00:00Z\"} + {$2}")
	forge "$1/identity.journal" "$json"
	cp "$1/identity.journal" "$1/identity.journal.copy"
}

# reset_journal FOLDER STEPS: a factory reset of which so many steps are done, as bits.
reset_journal() {
	journal "$1" "doing: \"reset\", step: $2"
}

@test "attack: persist_dir tells that somebody's key in the TPM was half made" {
	local name
	enabled
	stop_daemon
	tools tpm2_createprimary -C o -G ecc -c "$T/other" >/dev/null 2>&1
	tools tpm2_evictcontrol -C o -c "$T/other" 0x81000150 >/dev/null
	tools tpm2_readpublic -c 0x81000150 -n "$T/name" >/dev/null
	name=$(xxd -p -c 99 "$T/name")
	journal "$T/persist/holdfast" "doing: \"init\", handle: $((0x81000150)), name: \"$name\""
	boot
	is_mode enabled
	same_key first
	tools tpm2_readpublic -c 0x81000150 >/dev/null
	[[ ! -e $T/persist/holdfast/identity.journal ]]
	[[ $(device .alarm) == *'the key at 0x81000150 as half made; nothing proves that it is ours'* ]]
	# Nor does it go with a factory reset, while the identity's own does.
	journal "$T/persist/holdfast" "doing: \"init\", handle: $((0x81000150)), name: \"$name\""
	hf device reset --factory --yes
	refute same_key first
	tools tpm2_readpublic -c 0x81000150 >/dev/null
}

@test "attack: a factory reset that persist_dir alone knows of" {
	enabled
	put kept content
	expect 201
	stop_daemon
	reset_journal "$T/persist/holdfast" 0
	boot
	is_mode enabled
	same_key first
	proves
	get kept
	[[ $CODE == 200 && $(cat "$T/body") == content ]]
	grep -q 'not begun here: it is not followed' "$T/log"
}

@test "attack: persist_dir tells that a factory reset is done" {
	enabled
	put secret content
	expect 201
	stop_daemon
	reset_journal "$T/state" 0
	reset_journal "$T/persist/holdfast" 63
	cp "$T/state/auth.key" "$T/auth.key"
	start_daemon
	no_journal() {
		[[ ! -e $T/state/identity.journal ]]
	}
	wait_until no_journal
	wait_until tenants_opened
	get secret
	expect 404
	refute cmp -s "$T/state/auth.key" "$T/auth.key"
}
