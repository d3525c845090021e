#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Tenants that mean harm, by raw commands (tests/broker/attacks.py): to the chip, to each other, to
# the service. While they try, tenant b works, and so does the service.

bats_require_minimum_version 1.5.0
load helpers
load broker

FILE_CONFIG=(
	'tenant a { broker = "standard" rate = 0 }'
	'tenant b { broker = "standard" rate = 0 }'
)

# healthy: what is ours works, and the chip is not locked.
healthy() {
	put s 'a secret'
	[[ $CODE == 20[01] ]]
	get s
	[[ $(cat "$T/body") == 'a secret' ]]
	api GET /v1/status
	[[ $(field .provider) == tpm && $(field .tpm.lockout.in_lockout) == false ]]
	is_running
}

is_running() {
	refute is_gone "$DAEMON_PID"
}

property() {
	tools tpm2_getcap properties-variable | sed -n "s/^ *$1: *//p"
}

@test "wrong guesses at one's own key change nothing for the neighbour" {
	raw_daemon_guarded
	attack dictionary a b
	[[ $(property inLockout) == 0 ]]
	(($(property TPM2_PT_LOCKOUT_COUNTER) < $(property TPM2_PT_MAX_AUTH_FAIL)))
	healthy
}

# Without lockoutAuth the chip's counter cannot be reset: then the budgets of all are below it.
@test "nor without the password of the lockout hierarchy" {
	start_swtpm
	tools tpm2_dictionarylockout -Q -s -n 32 -t 1000 -l 1000
	write_config 'provider = "tpm"'
	start_daemon
	attack dictionary a b
	[[ $(property inLockout) == 0 ]]
	healthy
}

@test "hierarchies that are not a tenant's take part in nothing" {
	raw_daemon_guarded
	attack hierarchies a b
	# A wrong password of the lockout hierarchy would have locked its own commands out.
	tools tpm2_dictionarylockout -Q -c -p lockpass
	healthy
}

@test "objects and sessions of another tenant" {
	raw_daemon
	attack strangers a b
	healthy
}

@test "saved contexts of another tenant, changed ones and mixed ones" {
	raw_daemon
	attack contexts a b
	healthy
}

@test "persistent handles of another tenant" {
	raw_daemon
	attack persistent a b
	healthy
}

@test "persistent handles of the service itself, and of the chip" {
	raw_daemon
	tools tpm2_createprimary -Q -C o -G ecc -c "$T/p.ctx"
	tools tpm2_evictcontrol -Q -C o -c "$T/p.ctx" 0x81000077
	tools tpm2_flushcontext -t
	# shellcheck disable=SC2046
	attack reserved a $(tools tpm2_getcap handles-persistent | sed 's/^- //')
	tools tpm2_readpublic -Q -c 0x81000077
	healthy
}

@test "every command that standard does not hold" {
	local before
	raw_daemon
	before=$(tools tpm2_pcrread | sha256sum)
	attack denied a b
	[[ $(tools tpm2_pcrread | sha256sum) == "$before" ]]
	[[ -z $(tools tpm2_getcap handles-nv-index) ]]
	healthy
}

@test "every command that read-only does not hold" {
	CONFIG=('tenant a { broker = "read-only" rate = 0 }' 'tenant b { broker = "standard" }')
	raw_daemon
	attack denied a b read-only
}

@test "commands are added and taken away by name" {
	CONFIG=(
		'tenant a { broker = "standard" allow = {SelfTest, EC_Ephemeral} deny = {Sign, StirRandom} }'
		'tenant b { broker = "standard" }'
		'tenant c { broker = "none" allow = {GetRandom} }'
	)
	raw_daemon
	attack denied a b standard SelfTest,EC_Ephemeral Sign,StirRandom
}

@test "none: no raw command at all" {
	CONFIG=('tenant a { broker = "none" }' 'tenant c { }')
	raw_daemon
	attack nothing a
	attack nothing "$(raw_socket c)"
	serves_others
}

serves_others() {
	SOCK=$T/run/tenants/a/holdfast.sock api GET /v1/status
	expect 200
}

@test "full is not everything" {
	CONFIG=('tenant a { broker = "full" }' 'tenant b { broker = "standard" }')
	raw_daemon
	attack full a b
	healthy
}

@test "provision is the host's alone" {
	start_swtpm
	write_config 'tenant a { broker = "provision" }'
	run -2 "$HOLDFASTD" --check --config "$T/conf"
	[[ $output == *provision* ]]
}

@test "Startup and Shutdown are answered, not sent" {
	local before
	raw_daemon
	before=$(property TPM2_PT_STARTUP_CLEAR)
	attack answered a b
	[[ $(property TPM2_PT_STARTUP_CLEAR) == "$before" ]]
	# A chip that had been shut down would refuse nothing, and forget nothing but at its next start.
	stop_daemon TERM
	[[ $DAEMON_STATUS == 0 ]]
}

@test "registers are read and not changed" {
	raw_daemon
	attack pcrs a b
	healthy
}

@test "malformed commands get a chip's own codes, and the connection goes on" {
	raw_daemon
	start_bare
	attack malformed a b "$T/bare.sock"
	healthy
}

@test "sizes that are no command's" {
	raw_daemon
	attack frames a b
	healthy
}

@test "commands with something changed" {
	raw_daemon
	attack mutations a b 1500 1
	healthy
}

@test "a client that drips its bytes is ended, and holds up nobody" {
	raw_daemon
	attack drip a b
	healthy
}

@test "a client that goes in mid command" {
	raw_daemon
	attack dies a b
	healthy
}

@test "two hundred connections of one tenant" {
	raw_daemon
	attack crowd a b
	healthy
}

@test "seventy sessions of one tenant" {
	raw_daemon
	attack sessions a b 16
	healthy
}

@test "forty objects of one tenant, and more than its quota" {
	raw_daemon
	attack objects a b 64
	healthy
}

@test "quotas are the tenant's own" {
	CONFIG=(
		'tenant a { broker = "standard" rate = 0 sessions = 4 objects = 44 }'
		'tenant b { broker = "standard" rate = 0 }'
	)
	raw_daemon
	attack sessions a b 4
	attack objects a b 44
}

@test "seven tenants with all their sessions leave some to the eighth" {
	local tenant
	CONFIG=()
	for tenant in a b c d e f g h; do
		CONFIG+=("tenant $tenant { broker = \"standard\" rate = 0 }")
	done
	raw_daemon
	attack starve h a b c d e f g
	healthy
}

@test "sequences and sessions in turn, more than a chip holds" {
	raw_daemon
	attack interleaved a b
	healthy
}

@test "one tenant's connections race for the same things" {
	raw_daemon
	attack races a b
	healthy
}

@test "what is the same every time is asked of the chip once" {
	local before
	raw_daemon
	before=$(commands_sent)
	attack constants a b
	(($(commands_sent) - before <= 10))
}

@test "lists of handles have nothing of others" {
	raw_daemon
	attack lists a b
	healthy
}

@test "the control socket sets locality 0 and does nothing else" {
	local control option
	raw_daemon
	control=$(raw_socket a).ctrl
	for option in -i --stop -s -v -C '-l 1' '-l 4' '-r 0' '-h x' '-b 4096' \
		"--save permanent $T/stolen" "--load permanent $T/log"; do
		# shellcheck disable=SC2086
		refute timeout 20 swtpm_ioctl --unix "$control" $option >/dev/null 2>&1
		refute test -s "$T/stolen"
	done
	timeout 20 swtpm_ioctl --unix "$control" -l 0
	attack answered a b
	healthy
}

@test "a tenant that is removed has no socket, and its connections end" {
	raw_daemon
	attack answered b a
	sed -i '/^tenant a/d' "$T/conf"
	SOCK=$ADMIN api_json POST /v1/admin/reload '{}'
	wait_until refute test -e "$(raw_socket a)" >/dev/null
	attack answered b b
}

@test "whom peers leave out" {
	CONFIG=('tenant a { broker = "standard" peers = {"uid:4242"} }' 'tenant b { broker = "standard" }')
	raw_daemon
	attack nothing a
}
