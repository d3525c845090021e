#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The device's identity is looked at again, by itself, whenever what it lacked may be back.

load helpers
load device-boot

@test "without a TPM the identity is in software once the time for one to come is over" {
	unshare -T true || skip "no namespace of time"
	write_config
	sed -i 's/wait = 0/wait = 25/' "$T/conf"
	local up
	up=$(cut -d. -f1 /proc/uptime)
	# The machine was started two seconds ago.
	WRAP=(unshare -T --boottime="-$((up - 2))" --fork --kill-child)
	launch_daemon
	wait_until listens "$SOCK"
	wait_until mode_is unprovisioned
	within 60 mode_is software
	device_signs
	expect 200
}

@test "an order that failed for the TPM leaves no degradation when the TPM is back" {
	start_swtpm
	start_daemon
	settled enabled
	stop_swtpm
	rm -f "$T"/tpm.sock*
	device_admin renew '{}'
	[[ $CODE == 503 ]]
	settled degraded
	start_swtpm
	# By itself: nobody asks the TPM for anything.
	within 60 mode_is enabled
	device_signs
	expect 200
}

@test "another TPM while it runs is a conflict at once" {
	start_swtpm
	start_daemon
	settled enabled
	stop_swtpm
	rm -rf "$T"/tpm.sock* "$T/tpm"
	start_swtpm
	device_signs
	[[ $CODE == 503 ]]
	settled conflict
}

@test "a folder that was not there at the start is found when it is" {
	mkdir "$T/config" "$T/persist"
	write_config "device { config_dir = \"$T/config\" persist_dir = \"$T/persist\" }"
	start_daemon
	settled software
	stop_daemon
	mv "$T/persist" "$T/away"
	start_daemon
	wait_until mode_is degraded
	mv "$T/away" "$T/persist"
	within 60 mode_is software
	device_signs
	expect 200
}

@test "orders behind one that hangs are few, and the others are told so" {
	local n
	start_swtpm
	start_daemon
	settled enabled
	kill -STOP "$SWTPM_PID"
	printf '{}' >"$T/request"
	for n in 1 2 3 4 5 6; do
		curl -s -o "$T/renewed.$n" --unix-socket "$T/run/admin.sock" \
			-H 'Content-Type: application/json' --data-binary "@$T/request" \
			http://h/v1/admin/device/renew 2>/dev/null &
		HELPERS+=($!)
	done
	refused() {
		grep -q '"code":"tpm_busy"' "$T"/renewed.*
	}
	wait_until refused
	kill -CONT "$SWTPM_PID"
	answered() {
		[[ $(cat "$T"/renewed.* 2>/dev/null | grep -o '"mode":"enabled"' | wc -l) == 5 ]]
	}
	wait_until answered
}
