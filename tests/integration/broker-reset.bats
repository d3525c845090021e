#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The TPM is reset while tenants work (tests/broker/reset.py): they are told so by a TPM's codes, and
# go on with what they make anew. What they made persistent is there, as on a chip.

load helpers
load broker

FILE_CONFIG=(
	'tenant a { broker = "standard" rate = 0 }'
	'tenant b { broker = "standard" rate = 0 }'
	'tenant c { broker = "standard" rate = 0 }'
)
LOADS=(a b c)

tenant_does() { # verb, tenant
	timeout 600 /usr/bin/python3 -B "$WORKFLOWS/reset.py" "$1" "$(raw_socket "$2")" "$T/reset-$2"
}

begin_load() {
	local tenant
	for tenant in "${LOADS[@]}"; do
		tenant_does load "$tenant" >"$T/told.$tenant" 2>&1 3>&- &
		HELPERS+=($!)
	done
	wait_until went_on 3
}

# went_on N: every tenant has done so many rounds more than at the last mark.
went_on() {
	local tenant rounds
	for tenant in "${LOADS[@]}"; do
		rounds=$(cat "$T/reset-$tenant/rounds" 2>/dev/null || echo 0)
		((rounds >= $(cat "$T/mark-$tenant" 2>/dev/null || echo 0) + $1)) || return 1
	done
}

# They are replaced all the time, which cp takes for a fault.
mark() {
	local tenant
	for tenant in "${LOADS[@]}"; do
		cat "$T/reset-$tenant/rounds" >"$T/mark-$tenant"
	done
}

end_load() {
	local tenant pid
	for tenant in "${LOADS[@]}"; do
		touch "$T/reset-$tenant/stop"
	done
	for pid in "${HELPERS[@]}"; do
		wait "$pid" || {
			cat "$T"/told.*
			return 1
		}
	done
	HELPERS=()
}

cut_power() {
	stop_swtpm
	rm -f "$T"/tpm.sock*
	start_swtpm
}

# As a machine does it: the chip stays and forgets, and somebody starts it.
reset_chip() {
	swtpm_ioctl --unix "$T/tpm.sock.ctrl" -i
	tools tpm2_startup -c || true
}

ours_work() {
	get s && [[ $CODE == 200 && $(cat "$T/body") == 'a secret' ]]
}

under_load() { # how the chip is reset
	local pid i
	raw_daemon
	pid=$DAEMON_PID
	put s 'a secret'
	expect 201
	begin_load
	for i in 1 2 3; do
		mark
		"$1"
		wait_until went_on 5
		wait_until ours_work
	done
	end_load
	[[ $DAEMON_PID == "$pid" ]]
	refute is_gone "$pid"
	# Told something, all of them: a reset that nobody noticed is none.
	refute grep -l 'no error at all' "$T"/told.*
}

@test "power is cut while three tenants work" {
	under_load cut_power
}

@test "the chip is reset while three tenants work" {
	under_load reset_chip
}

@test "the chip is away for a while: refusals, no waiting without end" {
	raw_daemon
	begin_load
	stop_swtpm
	rm -f "$T"/tpm.sock*
	wait_until refused_now
	mark
	start_swtpm
	wait_until went_on 5
	end_load
}

refused_now() {
	! timeout 30 /usr/bin/python3 -B "$WORKFLOWS/reset.py" use "$(raw_socket a)" "$T/reset-a" \
		>/dev/null 2>&1
}

@test "what is persistent survives the TPM's restart and the daemon's" {
	local tenant
	LOADS=(a b)
	raw_daemon
	for tenant in a b; do
		tenant_does persist "$tenant"
		tenant_does use "$tenant"
	done
	cut_power
	wait_until tenant_does use a
	tenant_does use b
	stop_daemon TERM
	start_daemon
	tenant_does use a
	tenant_does use b
	stop_daemon KILL
	cut_power
	start_daemon
	tenant_does use b
	tenant_does remove b
	tenant_does use a
	stop_daemon KILL
	start_daemon
	refute tenant_does use b
	tenant_does use a
	tenant_does remove a
}

@test "persistent ones of stock tools survive too" {
	raw_daemon
	export TPM2TOOLS_TCTI
	TPM2TOOLS_TCTI=swtpm:path=$(raw_socket a)
	cd "$T"
	tpm2_createprimary -Q -C o -G ecc -c p.ctx
	tpm2_create -Q -C p.ctx -G ecc -u k.pub -r k.priv
	tpm2_load -Q -C p.ctx -u k.pub -r k.priv -c k.ctx
	tpm2_readpublic -Q -c k.ctx -f pem -o k.pem
	tpm2_evictcontrol -Q -C o -c p.ctx 0x81000031
	tpm2_evictcontrol -Q -C o -c k.ctx 0x81000032
	cut_power
	stop_daemon KILL
	start_daemon
	echo message >message
	tpm2_sign -Q -c 0x81000032 -g sha256 -f plain -o sig message
	openssl dgst -sha256 -verify k.pem -signature sig message
	tpm2_create -Q -C 0x81000031 -G ecc -u n.pub -r n.priv
	tpm2_load -Q -C 0x81000031 -u n.pub -r n.priv -c n.ctx
	tpm2_sign -Q -c n.ctx -g sha256 -f plain -o sig message
	# A context from before the reset is refused, as by a chip.
	refute tpm2_readpublic -Q -c k.ctx 2>err
	grep -qi '0x1df' err
	cd /
}
