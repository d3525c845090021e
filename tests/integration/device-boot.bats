#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The device's identity over starts of the service: made once, kept, degraded and back, reset.

load helpers
load device-boot

@test "the first start makes an identity in the TPM, and a restart keeps it" {
	local name
	start_swtpm
	start_daemon
	settled enabled
	device
	[[ $(field .protection) == tpm && $(field .generation) == 1 ]]
	[[ $(field .key.handle) == 0x81000100 ]]
	[[ $(field .certificate.self_signed) == true ]]
	[[ $(field .certificate.subject) == CN=holdfast-* ]]
	name=$(field .key.name)
	chip_has 0x81000100 "$name"
	[[ $(jq -r .mode "$T/run/tpm_in_use") == enabled ]]
	[[ $(jq -r .key_name "$T/run/tpm_in_use") == "$name" ]]
	cmp "$T/run/tpm_in_use" "$T/state/device/config/tpm_in_use"
	logged 'device identity enabled: '
	device_signs
	expect 200
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	start_daemon
	settled enabled
	[[ $(key_name) == "$name" ]]
	[[ $(field .generation) == 1 ]]
}

@test "the configured subject and days are the certificate's, elsewhere than in the state folder" {
	mkdir "$T/config" "$T/persist"
	start_swtpm
	write_config "device { config_dir = \"$T/config\" persist_dir = \"$T/persist\"
		subject = \"CN=gw-1,O=Example\" days = 30 handle = 0x81000110 }"
	start_daemon
	settled enabled
	device
	[[ $(field .certificate.subject) == CN=gw-1,O=Example ]]
	[[ $(field '.certificate.not_after - now > 29 * 86400') == true ]]
	[[ $(field '.certificate.not_after - now < 31 * 86400') == true ]]
	[[ $(field .key.handle) == 0x81000110 ]]
	openssl x509 -in "$T/config/device.cert.pem" -noout
	[[ -f $T/persist/config/tpm_in_use ]]
	[[ ! -e $T/state/device ]]
}

@test "a subject that is none ends with status 2, also when it is only checked" {
	write_config 'device { subject = "CN=a,XX=b" }'
	run "$HOLDFASTD" --check --config "$T/conf"
	[[ $status == 2 && $output == *subject* ]]
	run "$HOLDFASTD" --config "$T/conf"
	[[ $status == 2 && $output == *subject* ]]
}

@test "what differs in section device takes a restart, and the reload says so" {
	start_daemon
	settled software
	sed -i '$a device { days = 30 }' "$T/conf"
	admin POST /v1/admin/reload -H 'Content-Type: application/json' -d '{}'
	expect 200
	logged "the configuration differs in 'days', which takes a restart"
}

@test "provision = manual waits for somebody to say so" {
	start_swtpm
	write_config 'device { provision = manual }'
	start_daemon
	settled unprovisioned
	device_signs
	expect 404 not_found
	refute chip_has 0x81000100 ''
	ends 0 device init
	settled enabled
	device_signs
	expect 200
}

@test "tpm = off makes an identity in software, without a marker, though there is a TPM" {
	local key
	start_swtpm
	write_config 'device { tpm = off }'
	start_daemon
	settled software
	device
	[[ $(field .protection) == software && $(field .tpm_available) == true ]]
	[[ ! -e $T/run/tpm_in_use ]]
	[[ $(stat -c %a "$T/state/device/device.key.pem") == 600 ]]
	device_signs
	expect 200
	key=$(public_key)
	stop_daemon
	# It stays so when the configuration allows the TPM later.
	write_config
	start_daemon
	settled software
	[[ $(public_key) == "$key" ]]
}

@test "without a TPM the identity is in software" {
	start_daemon
	settled software
	device_signs
	expect 200
	[[ $(field .protection) == software ]]
}

@test "a TPM that is expected and does not serve is no reason for software" {
	TCTI=swtpm:path=$T/nobody.sock
	start_daemon
	settled unprovisioned
	device_signs
	expect 404 not_found
	[[ ! -e $T/state/device/device.key.pem ]]
	device_admin init '{"software":true}'
	expect 200
	settled software
}

@test "degraded without its TPM, never software, and back by itself" {
	local name
	start_swtpm
	start_daemon
	settled enabled
	name=$(key_name)
	stop_daemon
	stop_swtpm
	rm -f "$T"/tpm.sock*
	start_daemon
	[[ $(jq -r .provider "$T/status") == legacy ]]
	settled degraded
	[[ $(key_name) == "$name" ]]
	[[ $(jq -r .mode "$T/run/tpm_in_use") == degraded ]]
	device_signs
	expect 503 tpm_failed
	device_admin init '{"software":true}'
	[[ $CODE != 200 ]]
	[[ ! -e $T/state/device/device.key.pem ]]
	logged 'device identity degraded: '
	start_swtpm
	settled enabled
	[[ $(key_name) == "$name" ]]
	device_signs
	expect 200
	logged 'the TPM is back'
	api GET /v1/status
	[[ $(field .provider) == tpm ]]
	[[ $(jq -r .mode "$T/run/tpm_in_use") == enabled ]]
}

@test "SECURITY_PROVIDER=legacy degrades it, and nothing looks for the TPM" {
	start_swtpm
	start_daemon
	settled enabled
	stop_daemon
	SECURITY_PROVIDER=legacy start_daemon
	settled degraded
	device
	[[ $(field .reason) == *overridden* || $(field .alarm) == *overridden* ]]
	stop_daemon
	start_daemon
	settled enabled
}

@test "a demanded TPM that comes later ends the degradation" {
	write_config_later() {
		TCTI=swtpm:path=$T/tpm.sock write_config 'provider = "tpm"'
	}
	write_config_later
	TCTI=swtpm:path=$T/tpm.sock
	start_daemon
	settled unprovisioned
	start_swtpm
	settled enabled
}

@test "another TPM is a conflict until somebody approves" {
	local name
	start_swtpm
	start_daemon
	settled enabled
	name=$(key_name)
	stop_daemon
	stop_swtpm
	rm -rf "$T"/tpm.sock* "$T/tpm"
	start_swtpm
	start_daemon
	not_enabled() {
		api GET /v1/device
		[[ $CODE == 200 && $(field .mode) != enabled ]]
	}
	wait_until not_enabled
	device_signs
	[[ $CODE == 503 ]]
	admin POST /v1/admin/tpm/accept -H 'Content-Type: application/json' -d '{}'
	expect 200
	settled conflict
	device_signs
	expect 503 tpm_changed
	ends 0 device approve
	settled enabled
	[[ $(key_name) != "$name" ]]
	device
	[[ $(field .generation) == 2 ]]
}

@test "the identity's handle is nobody's to reach by raw commands" {
	start_swtpm
	write_config 'device { handle = 0x81000120 }'
	start_daemon
	settled enabled
	wait_until listens "$T/run/tpm.sock"
	TCTI=swtpm:path=$T/run/tpm.sock
	refute tools tpm2_readpublic -c 0x81000120
	refute tools tpm2_evictcontrol -C o -c 0x81000120
	[[ $(persistent_handles) != *81000120* ]]
}

# --- factory reset ---

# A device in use: $T/blob, secret `a`, key `k`, and a tenant that was added by command.
use_it() {
	settled enabled
	NAME=$(key_name)
	STORAGE=$(curl -s --unix-socket "$SOCK" http://h/v1/device/storage-key | jq -r .name)
	seal_text content "$T/blob"
	expect 200
	put a content
	expect 201
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 201
	printf '{"name":"added"}' >"$T/request"
	admin POST /v1/admin/tenants -H 'Content-Type: application/json' \
		--data-binary "@$T/request"
	expect 201
	wait_until test -S "$T/run/tenants/added/holdfast.sock"
	cp -r "$T/state" "$T/before"
	chip_has 0x81000100 "$NAME"
	chip_has 0x81000101 "$STORAGE"
}

# put_back: the state folder as it was, by somebody who had kept a copy.
put_back() {
	stop_daemon
	rm -rf "$T/state"
	cp -r "$T/before" "$T/state"
	start_daemon
}

is_new() {
	api GET /v1/device
	[[ $CODE == 200 && $(field .mode) == enabled && $(field .key.name) != "$NAME" ]]
}

# Whatever was sealed, stored or allowed before is gone.
nothing_is_left() {
	wait_until is_new || {
		cat "$T/body"
		return 1
	}
	device_signs
	expect 200
	get a
	expect 404 not_found
	api GET /v1/keys/k
	expect 404 not_found
	api_file POST /v1/unseal "$T/blob"
	[[ $CODE != 200 ]]
	admin GET /v1/admin/tenants
	[[ $(field '[.tenants[].name] | index("added")') == null ]]
	[[ ! -e $T/run/tenants/added ]]
	refute chip_has 0x81000100 "$NAME"
	refute chip_has 0x81000101 "$STORAGE"
	refute cmp -s "$T/before/auth.key" "$T/state/auth.key"
	refute cmp -s "$T/before/host.key" "$T/state/host.key"
	[[ ! -e $T/state/identity.journal && ! -e $T/state/device/holdfast/identity.journal ]]
	! is_gone "$DAEMON_PID"
}

@test "factory reset: a new key, and nothing from before opens; without clearing it is partial" {
	start_swtpm
	start_daemon
	use_it
	ends 0 device reset --factory --yes
	nothing_is_left
	device
	[[ $(field .alarm) == *'reset: partial'* ]]
	logged 'the factory reset is done; reset: partial: '
	# The identity's key was in the chip alone.
	put_back
	settled conflict
	device_signs
	expect 503 tpm_changed
}

@test "factory reset with --clear-tpm names the keys of others first, and then is whole" {
	local seed
	start_swtpm
	start_daemon
	use_it
	seed=$(tools tpm2_createprimary -C o -c "$T/primary" >/dev/null 2>&1 &&
		tools tpm2_readpublic -c "$T/primary" -n "$T/seed" >/dev/null && xxd -p "$T/seed")
	[[ -n $seed ]]
	tools tpm2_evictcontrol -C o -c "$T/primary" 0x81000800 >/dev/null
	device_admin reset '{"clear_tpm":true}'
	expect 409 conflict
	[[ $(field .detail) == *0x81000800* ]]
	settled enabled
	device_admin reset '{"clear_tpm":true,"accept_foreign":true}'
	expect 202
	nothing_is_left
	device
	[[ $(field .alarm) == null ]]
	refute tools tpm2_readpublic -c 0x81000800
	# Not even copies that somebody kept open anything.
	put_back
	api_file POST /v1/unseal "$T/blob"
	[[ $CODE != 200 ]]
	get a
	[[ $CODE != 200 ]]
}

@test "with provision = manual a reset device waits" {
	start_swtpm
	start_daemon
	use_it
	write_config 'device { provision = manual }'
	device_admin reset '{}'
	expect 202
	# The configuration is read anew.
	settled unprovisioned
	device_signs
	expect 404 not_found
}

@test "tenants of the configuration are served after a reset, by the sockets of before" {
	start_swtpm
	write_config 'tenant web { }'
	start_daemon
	settled enabled
	local web=$T/run/tenants/web folder
	folder=$(stat -c %i "$web")
	SOCK=$web/holdfast.sock put a content
	expect 201
	NAME=$(key_name)
	device_admin reset '{}'
	expect 202
	wait_until is_new
	wait_until tenants_opened
	[[ $(stat -c %i "$web") == "$folder" ]]
	SOCK=$web/holdfast.sock get a
	expect 404 not_found
	SOCK=$web/holdfast.sock put a content
	expect 201
}

@test "a socket that the service manager gave is served after a reset" {
	start_swtpm
	write_config
	mkdir "$T/given"
	SOCK=$T/given/host.sock
	WRAP=(python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.bind(sys.argv[1])
s.listen(16)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])' "$SOCK")
	start_daemon
	settled enabled
	NAME=$(key_name)
	device_admin reset '{}'
	expect 202
	wait_until is_new
	device_signs
	expect 200
}

@test "a service manager is told of the reset as of a reload" {
	start_swtpm
	write_config
	export NOTIFY_SOCKET=$T/notify
	helper socat -u "UNIX-RECV:$T/notify" "OPEN:$T/told,creat,append"
	wait_until test -S "$T/notify"
	start_daemon
	settled enabled
	NAME=$(key_name)
	device_admin reset '{}'
	expect 202
	wait_until is_new
	refute grep -q STOPPING=1 "$T/told"
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	stopped() {
		grep -q STOPPING=1 "$T/told"
	}
	wait_until stopped
	# READY, then twice anew: to erase, and to begin.
	[[ $(grep -o 'READY=1\|RELOADING=1\|STOPPING=1' "$T/told" | tr '\n' ' ') == \
		'READY=1 RELOADING=1 READY=1 RELOADING=1 READY=1 STOPPING=1 ' ]]
}

@test "a reset without the TPM erases the files, makes nothing new, and ends when it is back" {
	start_swtpm
	start_daemon
	use_it
	stop_swtpm
	rm -f "$T"/tpm.sock*
	device_admin reset '{}'
	expect 202
	settled resetting
	files_erased() {
		[[ ! -e $T/state/tenants && ! -e $T/state/auth.key && ! -e $T/state/host.key &&
			! -e $T/state/tpm.state && ! -e $T/state/fapi ]]
	}
	wait_until files_erased
	[[ -e $T/state/identity.journal ]]
	put a x
	expect 503 starting
	device_signs
	expect 503 starting
	# A restart changes nothing.
	stop_daemon KILL
	launch_daemon
	wait_until listens "$SOCK"
	settled resetting
	[[ ! -e $T/state/auth.key ]]
	start_swtpm
	nothing_is_left
}

# killing SYSCALL COUNT: the next daemon dies when one of its threads makes its COUNT-th such call.
killing() {
	WRAP=(strace -D -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2")
}

traced() {
	refute grep -q '^TracerPid:[[:space:]]*0$' "/proc/$DAEMON_PID/status"
}

gone_or_new() {
	is_gone "$DAEMON_PID" || is_new
}

@test "a reset that is killed is resumed at the next start, wherever it was killed" {
	local n
	start_swtpm
	# A helper that is traced cannot look for leaks, which ends it with an error.
	write_config 'fapi { probe = false }'
	start_daemon
	use_it
	helper strace -f -qq -o /dev/null -p "$DAEMON_PID" -e trace=unlinkat \
		-e inject=unlinkat:signal=KILL:when=2
	wait_until traced
	device_admin reset '{}'
	wait_until is_gone "$DAEMON_PID"
	# Their numbers may be others' soon.
	wait "${HELPERS[0]}" || true
	HELPERS=()
	[[ -e $T/state/identity.journal || -e $T/state/device/holdfast/identity.journal ]]
	for n in unlinkat:4 fsync:3 unlinkat:8 fsync:6 rename:2 fsync:9 unlinkat:16 fsync:14; do
		killing "${n%:*}" "${n#*:}"
		launch_daemon
		wait_until gone_or_new
		if is_gone "$DAEMON_PID"; then
			wait "$DAEMON_PID" || true
			DAEMON_PID=
		fi
		stop_daemon KILL
	done
	WRAP=()
	start_daemon
	nothing_is_left
}

# --- more of factory resets ---

@test "a reset is the way out of a journal that is torn" {
	local f
	start_swtpm
	start_daemon
	use_it
	stop_daemon
	for f in "$T/state/device/holdfast/identity.journal" "$T/state/identity.journal"; do
		echo garbage >"$f"
		echo garbage >"$f.copy"
	done
	start_daemon
	settled degraded
	ends 0 device reset --factory --yes
	nothing_is_left
}

@test "what a reset has left is told until a restart" {
	start_swtpm
	start_daemon
	use_it
	device_admin reset '{}'
	expect 202
	nothing_is_left
	device_admin renew '{}'
	expect 200
	device
	[[ $(field .alarm) == *'reset: partial'* ]]
	[[ $(field .alarm) != *'reset: partial'*'reset: partial'* ]]
}

@test "a reset takes identity keys with it that no record names" {
	local first second other
	start_swtpm
	start_daemon
	settled enabled
	first=$(key_name)
	stop_daemon
	# Installed again: the state folder's secrets stay, the identity's files do not.
	rm -rf "$T/state/device" "$T/state"/identity.journal*
	start_daemon
	settled enabled
	second=$(key_name)
	[[ $second != "$first" ]]
	chip_has 0x81000100 "$first"
	tools tpm2_createprimary -C o -G ecc -c "$T/other" >/dev/null 2>&1
	tools tpm2_evictcontrol -C o -c "$T/other" 0x81000800 >/dev/null
	other=$(persistent_handles)
	[[ $other == *81000800* ]]
	device_admin reset '{}'
	expect 202
	NAME=$second
	wait_until is_new
	refute chip_has 0x81000100 "$first"
	[[ $(persistent_handles) == *81000800* ]]
	logged 'the identity key at 0x81000100 is gone'
}

@test "a reset that could not be set up again is refused" {
	start_swtpm
	start_daemon
	settled enabled
	cp "$T/conf" "$T/good"
	echo 'nonsense {' >>"$T/conf"
	device_admin reset '{}'
	expect 400 invalid
	[[ ! -e $T/state/identity.journal ]]
	mode_is enabled
	cp "$T/good" "$T/conf"
	device_admin reset '{}'
	expect 202
}

@test "while a reset waits, whoever administers is told so, and the doctor does not wait" {
	local before
	start_swtpm
	start_daemon
	settled enabled
	stop_swtpm
	rm -f "$T"/tpm.sock*
	device_admin reset '{}'
	expect 202
	settled resetting
	device_admin reset '{}'
	expect 503 starting
	device_admin init '{"software":true}'
	expect 503 starting
	admin POST /v1/admin/tpm/accept -H 'Content-Type: application/json' -d '{}'
	expect 503 starting
	before=$SECONDS
	HOLDFAST_SOCKET=$SOCK run "$HOLDFAST" doctor
	[[ $output == *resetting* && $output == *starting* ]]
	((SECONDS - before < 60))
}
