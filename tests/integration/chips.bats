#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Chips as others left them: each is taken over without harm to what lies there.

bats_require_minimum_version 1.5.0
load helpers

# tpm_config [KEY = VALUE..]: like write_config, with more keys in the tpm section.
tpm_config() {
	printf 'paths { state = "%s"  run = "%s" }\ntpm { tcti = "%s"  wait = 0\n%s\n}\n' \
		"$T/state" "$T/run" "$TCTI" "$*" >"$T/conf"
}

name_of() {
	tools tpm2_readpublic -Q -c "$1" -n "$T/name" >/dev/null && od -An -tx1 "$T/name" | tr -d ' \n'
}

# leave_primary HANDLE ATTRIBUTES [OPTION..]: a primary of the owner hierarchy made persistent, a
# storage key when it is restricted.
leave_primary() {
	local handle=$1 attributes=$2 algorithm=ecc256
	shift 2
	if [[ $attributes == restricted* ]]; then
		algorithm=ecc256:aes128cfb
	fi
	tools tpm2_createprimary -Q -C o -g sha256 -G "$algorithm" -c "$T/primary.ctx" "$@" \
		-a "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|$attributes"
	tools tpm2_evictcontrol -Q -C o -c "$T/primary.ctx" "$handle"
	tools tpm2_flushcontext -t
}

works_on_the_chip() {
	[[ $(jq -r .provider "$T/status") == tpm ]]
	[[ $(jq -r .protection "$T/status") == tpm ]]
	seal_text "works" "$T/blob"
	api_file POST /v1/unseal "$T/blob"
	expect 200
	[[ $(cat "$T/body") == works ]]
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 201
}

works_on_the_chip_still() {
	api_file POST /v1/unseal "$T/blob"
	expect 200
	[[ $(cat "$T/body") == works ]]
}

survives_a_restart() {
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	start_daemon
	works_on_the_chip_still
}

@test "an empty chip: the SRK is made with the template that tpm2_createprimary gives" {
	start_swtpm
	start_daemon
	works_on_the_chip
	survives_a_restart
	stop_daemon
	made=$(name_of 0x81000001)
	tools tpm2_createprimary -Q -C o -g sha256 -G ecc256:aes128cfb -c "$T/primary.ctx" \
		-a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt|noda'
	[[ $(name_of "$T/primary.ctx") == "$made" ]]
}

@test "an empty chip with srk = rsa-2048: an RSA root" {
	start_swtpm
	tpm_config 'srk = "rsa-2048"'
	start_daemon
	works_on_the_chip
	survives_a_restart
	stop_daemon
	tools tpm2_readpublic -c 0x81000001 | grep -q 'value: rsa'
}

@test "an owner password that we know is used and never sent in clear" {
	start_swtpm
	tools tpm2_changeauth -c owner ownerpass
	printf 'ownerpass\n' >"$T/owner"
	chmod 600 "$T/owner"
	tpm_config "owner_auth_file = \"$T/owner\""
	start_daemon
	works_on_the_chip
	survives_a_restart
	[[ $(tools tpm2_getcap handles-persistent | grep -c 0x8100) == 3 ]]
}

@test "an owner password that we lack: legacy with the step named, and nothing made" {
	start_swtpm
	tools tpm2_changeauth -c owner ownerpass
	tpm_config
	start_daemon
	[[ $(jq -r .provider "$T/status") == legacy ]]
	jq -r .reason "$T/status" | grep -qi 'owner'
	grep -qi 'owner' "$T/log"
	stop_daemon
	[[ -z $(tools tpm2_getcap handles-persistent) ]]
}

@test "a wrong owner password is told apart" {
	start_swtpm
	tools tpm2_changeauth -c owner ownerpass
	printf 'wrong' >"$T/owner"
	chmod 600 "$T/owner"
	tpm_config "owner_auth_file = \"$T/owner\""
	start_daemon
	[[ $(jq -r .provider "$T/status") == legacy ]]
	jq -r .reason "$T/status" | grep -qi 'refused'
}

@test "an owner password that we lack, with an SRK already there: works with the HSK as a blob" {
	start_swtpm
	leave_primary 0x81000001 'restricted|decrypt|noda'
	tools tpm2_changeauth -c owner ownerpass
	tpm_config
	start_daemon
	works_on_the_chip
	grep -q 'stays a blob' "$T/log"
	survives_a_restart
}

@test "stock FAPI's SRK (no noDA) at 0x81000001 stays, ours goes beside it" {
	start_swtpm
	leave_primary 0x81000001 'restricted|decrypt'
	before=$(name_of 0x81000001)
	start_daemon
	works_on_the_chip
	survives_a_restart
	stop_daemon
	[[ $(name_of 0x81000001) == "$before" ]]
	tools tpm2_getcap handles-persistent | grep -q 0x81000002
}

@test "an SRK with zero-filled unique (systemd's) is adopted as it is" {
	start_swtpm
	head -c 64 /dev/zero >"$T/unique"
	leave_primary 0x81000001 'restricted|decrypt|noda' -u "$T/unique"
	before=$(name_of 0x81000001)
	start_daemon
	works_on_the_chip
	survives_a_restart
	stop_daemon
	[[ $(name_of 0x81000001) == "$before" ]]
	run ! grep -q 0x81000002 <(tools tpm2_getcap handles-persistent)
}

@test "an SRK with a password is left alone" {
	start_swtpm
	leave_primary 0x81000001 'restricted|decrypt|noda' -p secret
	before=$(name_of 0x81000001)
	start_daemon
	works_on_the_chip
	survives_a_restart
	stop_daemon
	[[ $(name_of 0x81000001) == "$before" ]]
}

@test "a stranger's signing key at 0x81000001 stays, ours goes beside it" {
	start_swtpm
	leave_primary 0x81000001 'sign|noda'
	before=$(name_of 0x81000001)
	start_daemon
	works_on_the_chip
	survives_a_restart
	stop_daemon
	[[ $(name_of 0x81000001) == "$before" ]]
}

@test "strangers at both places: legacy, with a reason that names the way out" {
	start_swtpm
	leave_primary 0x81000001 'sign|noda'
	leave_primary 0x81000002 'sign|noda'
	start_daemon
	[[ $(jq -r .provider "$T/status") == legacy ]]
	jq -r .reason "$T/status" | grep -q 'no place'
}

@test "a stranger at our storage key's handle: it stays, ours is kept as a blob" {
	start_swtpm
	leave_primary 0x81000101 'sign|noda'
	before=$(name_of 0x81000101)
	start_daemon
	works_on_the_chip
	survives_a_restart
	stop_daemon
	[[ $(name_of 0x81000101) == "$before" ]]
}

@test "a chip in dictionary-attack lockout works all the same" {
	start_swtpm
	tools tpm2_dictionarylockout -s -n 1 -t 1000 -l 1000
	tools tpm2_createprimary -Q -C o -c "$T/primary.ctx"
	tools tpm2_flushcontext -t
	tools tpm2_create -Q -C "$T/primary.ctx" -p right -u "$T/u" -r "$T/r"
	tools tpm2_flushcontext -t
	tools tpm2_load -Q -C "$T/primary.ctx" -u "$T/u" -r "$T/r" -c "$T/key.ctx"
	echo x >"$T/x"
	run ! tools tpm2_sign -Q -c "$T/key.ctx" -p wrong -o "$T/sig" "$T/x"
	run ! tools tpm2_sign -Q -c "$T/key.ctx" -p wrong -o "$T/sig" "$T/x"
	tools tpm2_flushcontext -t
	tools tpm2_getcap properties-variable | grep -A20 TPM2_PT_PERMANENT | grep -q 'inLockout:.*1'
	start_daemon
	works_on_the_chip
	[[ $(jq -r .tpm.lockout.in_lockout "$T/status") == true ]]
}

@test "a failure that the chip counts is seen in status at once, and no other" {
	start_swtpm
	start_daemon
	works_on_the_chip
	stop_daemon
	for lockable in '' '|noda'; do
		tools tpm2_create -Q -C 0x81000001 -G ecc256 -u "$T/u" -r "$T/r" -p right \
			-a "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign$lockable"
		tools tpm2_encodeobject -C 0x81000001 -u "$T/u" -r "$T/r" -p -o "$T/key$lockable.pem"
	done
	start_daemon
	printf wrong >"$T/wrong"
	export HOLDFAST_SOCKET=$SOCK
	refute "$(program holdfast)" key import a --in "$T/key|noda.pem" --passphrase-file "$T/wrong"
	api GET /v1/status
	[[ $(field .tpm.lockout.counter) == 0 ]]
	refute "$(program holdfast)" key import a --in "$T/key.pem" --passphrase-file "$T/wrong"
	api GET /v1/status
	[[ $(field .tpm.lockout.counter) == 1 ]]
	works_on_the_chip_still
}

@test "objects and sessions that a killed owner left are flushed" {
	start_swtpm
	for i in 1 2 3; do
		tools tpm2_createprimary -Q -C n -c "$T/p$i.ctx"
	done
	tools tpm2_startauthsession -Q -S "$T/s.ctx"
	start_daemon
	works_on_the_chip
	stop_daemon
	[[ -z $(tools tpm2_getcap handles-transient) ]]
	[[ -z $(tools tpm2_getcap handles-loaded-session) ]]
	[[ -z $(tools tpm2_getcap handles-saved-session) ]]
}

@test "another chip at the same address: tpm_changed, and nothing is made on it" {
	start_swtpm
	start_daemon
	works_on_the_chip
	stop_daemon
	stop_swtpm
	mv "$T/tpm" "$T/first-chip"
	rm -f "$T"/tpm.sock*
	start_swtpm
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
	api_file POST /v1/unseal "$T/blob"
	expect 503 tpm_changed
	printf x >"$T/x"
	api_file POST /v1/seal "$T/x"
	expect 503 tpm_changed
	stop_daemon
	[[ -z $(tools tpm2_getcap handles-persistent) ]]
	stop_swtpm
	rm -rf "$T/tpm" "$T"/tpm.sock*
	mv "$T/first-chip" "$T/tpm"
	start_swtpm
	start_daemon
	api_file POST /v1/unseal "$T/blob"
	expect 200
}

@test "the chip loses power under a running daemon and comes back" {
	start_swtpm
	start_daemon
	works_on_the_chip
	for i in 1 2 3 4 5 6; do
		stop_swtpm
		api_file POST /v1/unseal "$T/blob"
		expect 503 tpm_failed
		rm -f "$T"/tpm.sock*
		start_swtpm
		api_file POST /v1/unseal "$T/blob"
		expect 200
		[[ $(cat "$T/body") == works ]]
	done
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	tools tpm2_getcap properties-variable | grep -q 'TPM2_PT_LOCKOUT_COUNTER: 0x0'
}
