#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# holdfast-client: one file for containers that have nothing else.

bats_require_minimum_version 1.5.0
load helpers
load containers

FILE_CONFIG=('tenant a { }')

HOLDFAST=$(program holdfast)
SIZE_MAX=1000000

# alone NAME WORD..: the client as /NAME in a root that holds it and the tenant's folder alone.
alone() {
	local name=$1
	shift
	bwrap --unshare-all --die-with-parent --uid 0 --gid 0 --clearenv --ro-bind "$CLIENT" "/$name" \
		--ro-bind "$T/run/tenants/a" /run/holdfast --remount-ro / "/$name" "$@"
}

# needs_bwrap: .. and what it needs.
needs_bwrap() {
	need_static
	command -v bwrap >/dev/null || skip "bwrap is not installed"
	bwrap --unshare-all --ro-bind / / true 2>"$T/need" ||
		skip "bwrap cannot start a container here: $(cat "$T/need")"
}

@test "it needs no other file, is small, stripped, and has no cryptography" {
	need_static
	echo "$(stat -L -c %s "$CLIENT") bytes"
	[[ $(stat -L -c %s "$CLIENT") -lt $SIZE_MAX ]]
	refute grep -q NEEDED <(LC_ALL=C readelf -d "$CLIENT")
	refute grep -q '\.symtab\|\.debug' <(LC_ALL=C readelf -S -W "$CLIENT")
	refute grep -qa 'libcrypto\|EVP_\|OPENSSL_' "$CLIENT"
	# The same question finds it where it is.
	grep -qa 'libcrypto\|EVP_\|OPENSSL_' "$HOLDFAST"
}

@test "it works in a root that holds nothing else" {
	needs_bwrap
	on legacy
	printf geheim | alone holdfast seal >"$T/blob"
	[[ $(alone holdfast unseal <"$T/blob") == geheim ]]
	alone holdfast key create k
	printf message >"$T/message"
	alone holdfast sign --key k <"$T/message" >"$T/sig"
	alone holdfast key public k >"$T/k.pem"
	openssl dgst -sha256 -verify "$T/k.pem" -signature "$T/sig" "$T/message"
	[[ $(alone holdfast random 65536 | wc -c) == 65536 ]]
	[[ $(alone holdfast status --json | jq -r .tenant) == a ]]
	alone holdfast usage --json | jq -e '[.network.interfaces[].name] == ["lo"]'
}

@test "it says what is wrong in a root that holds nothing else" {
	local status=0
	needs_bwrap
	on legacy
	stop_daemon
	alone holdfast status >"$T/out" 2>"$T/err" || status=$?
	[[ $status == 1 ]]
	grep -q 'no service answers at /run/holdfast/holdfast.sock' "$T/err"
}

# The name that it is called by decides; software has no attestation keys.
@test "it answers to the names of EVE's tools" {
	local tool status
	needs_bwrap
	on legacy
	for tool in genaik pubgetaik sign; do
		status=0
		alone "eve_tools_tpm2_$tool" >"$T/out" 2>"$T/err" || status=$?
		[[ $status == 2 ]]
		grep -q "eve_tools_tpm2_$tool" "$T/err"
	done
	status=0
	alone eve_tools_tpm2_genaik -g 0x23 >"$T/out" 2>"$T/err" || status=$?
	[[ $status == 1 ]]
	grep -q tpm_required "$T/err"
}

# What is missing needs libcrypto, or is the host's and the administrator's.
@test "it has every verb of holdfast that a container needs" {
	local verb
	needs_bwrap
	for verb in status seal unseal 'secret list' 'secret delete' 'key create' 'key list' \
		'key public' 'key delete' 'key import' 'key export' 'key csr' sign decrypt agree mac \
		random usage 'aik create' 'aik list' 'aik public' 'aik delete' 'aik quote' 'aik certify' \
		'aik sign' 'aik activate' 'device status' 'device sign' 'device certificate' \
		'device storage-key' 'device activate' 'device unwrap' ek pcr eventlog version help; do
		"$CLIENT" help | grep -qE "^  $verb( |\$)" || {
			echo "missing: $verb"
			return 1
		}
	done
	refute "$CLIENT" doctor 2>/dev/null
	refute "$CLIENT" tenant list 2>/dev/null
	refute "$CLIENT" device verify --help 2>/dev/null
	refute "$CLIENT" device init --help 2>/dev/null
}
