#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Unmodified TPM software in containers: stock packages, the tenant's folder and nothing else of
# ours. Its results are those of a bare chip.

bats_require_minimum_version 1.5.0
load helpers
load broker

FILE_CONFIG=(
	'tenant a { broker = "standard" rate = 0 }'
	'tenant b { broker = "standard" rate = 0 }'
)

setup_file() {
	command -v bwrap >/dev/null || skip "bwrap is not installed"
	bwrap --unshare-all --ro-bind / / true 2>/dev/null || skip "bwrap cannot start a container here"
}

# works WORKFLOW WORD..: for a, with the results of a bare chip.
works() {
	raw_daemon
	inside a "$@"
	bare "$@"
	same a bare
}

@test "tpm2-tools: the long workflow" {
	works tools.sh
}

@test "tpm2-tools: what one run leaves does not hinder the next" {
	local i
	raw_daemon
	for i in 1 2 3; do
		inside a tools.sh core
	done
	inside b tools.sh core
	same a b
}

@test "pytss: ESAPI with every kind of session" {
	works pytss.py
}

@test "openssl with the provider tpm2" {
	works openssl.sh
}

@test "tpm2-pkcs11: a token by pkcs11-tool, and pkcs11-tool --test" {
	need_program pkcs11-tool tpm2_ptool
	works pkcs11.sh
}

@test "tpm2-pkcs11: a token by tpm2_ptool" {
	need_program pkcs11-tool tpm2_ptool
	raw_daemon
	inside a pkcs11.sh ptool
	bare pkcs11.sh
	same a bare
}

@test "tpm2-abrmd on top" {
	need_program tpm2-abrmd dbus-daemon
	raw_daemon
	inside a abrmd.sh
	bare tools.sh core
	same a bare
	inside a abrmd.sh pytss.py
	inside a abrmd.sh openssl.sh
}

# It saves every session after each command, that of tpm2_evictcontrol too.
@test "tpm2-abrmd on top: persistent handles" {
	need_program tpm2-abrmd dbus-daemon
	raw_daemon
	inside a abrmd.sh tools.sh
	bare tools.sh
	same a bare
}

provision() {
	local tenant
	HOLDFAST_SOCKET=$ADMIN "$(program holdfast)" fapi provision >"$T/provisioned"
	# The tenants' copies are there when the administrator has his answer.
	for tenant in a b; do
		test -s "$T/run/tenants/$tenant/fapi-config.json"
	done
}

@test "FAPI: the tools and pytss" {
	raw_daemon
	provision
	inside a fapi.sh
	inside b fapi.sh
	same a b
	if /usr/bin/python3 -c "import tpm2_pytss.FAPI" 2>/dev/null; then
		inside a pytss.py fapi
	fi
	# One tenant's objects are not another's.
	inside a fapi-keep.sh make
	refute inside b fapi-keep.sh use >/dev/null
	inside a fapi-keep.sh use
}

# Six for the unseal, and ReadClock when FAPI is opened; the rest is answered without the chip.
@test "FAPI: what an unseal costs in TPM commands" {
	local before
	raw_daemon
	provision
	inside a fapi-keep.sh make
	inside a fapi-keep.sh use
	before=$(commands_sent)
	inside a fapi-keep.sh use
	echo "$(($(commands_sent) - before)) commands"
	(($(commands_sent) - before <= 7))
}

@test "FAPI: the system store is the same for all and cannot be written" {
	raw_daemon
	provision
	[[ $(jq -r .tcti "$T/run/tenants/a/fapi-config.json") == swtpm:path=/run/holdfast/tpm.sock ]]
	inside a fapi.sh
	inside a readonly.sh
}

# The workflows print what is the chip's too: both see the same one, and neither the other.
@test "two tenants at once" {
	local pid
	raw_daemon
	inside a tools.sh 3>&- &
	pid=$!
	HELPERS+=("$pid")
	inside b tools.sh
	wait "$pid"
	same a b
	[[ $(grep '^chip' "$T/out.a") == "$(grep '^chip' "$T/out.b")" ]]
}

@test "two tenants at once, all kinds of software" {
	local pid
	raw_daemon
	(
		inside a openssl.sh
		inside a pytss.py
		inside a tools.sh
		cp "$T/out.a" "$T/out.first"
	) 3>&- &
	pid=$!
	HELPERS+=("$pid")
	inside b tools.sh
	inside b pytss.py
	inside b openssl.sh
	inside b tools.sh
	wait "$pid"
	same first b
}

# The host's own socket, for what runs outside of containers.
@test "the host's socket takes the same" {
	raw_daemon
	TPM2TOOLS_TCTI=swtpm:path=$T/run/tpm.sock "$WORKFLOWS/tools.sh" >"$T/out.host" 2>&1 || {
		tail -n 30 "$T/out.host"
		return 1
	}
	no_scarcity "$T/out.host"
	bare tools.sh
	same host bare
	[[ $(stat -c %a "$T/run/tpm.sock") == 660 && $(stat -c %a "$T/run/tpm.sock.ctrl") == 660 ]]
}

@test "as one of many: what the service does goes on beside it" {
	local pid i
	raw_daemon
	inside a tools.sh 3>&- &
	pid=$!
	HELPERS+=("$pid")
	put s 'a secret'
	expect 201
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 201
	for ((i = 0; i < 100; i++)); do
		get s
		[[ $(cat "$T/body") == 'a secret' ]]
		api_json POST /v1/keys/k/sign '{"message":"aGVsbG8="}'
		expect 200
	done
	wait "$pid"
}
