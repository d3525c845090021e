#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Which SecurityProvider is chosen, and what it says. AC numbers are those of docs/PROVIDERS.md.

load helpers

provider_is() {
	[[ $(jq -r .provider "$T/status") == "$1" ]]
}

logged() {
	grep -q "$1" "$T/log" || {
		echo "not in the log: $1"
		return 1
	}
}

# Something listens where a TPM should be, and talks nonsense.
start_garbage() {
	local name
	for name in tpm.sock tpm.sock.ctrl; do
		helper socat "UNIX-LISTEN:$T/$name,fork" "EXEC:head -c 40 /dev/urandom"
		wait_until listens "$T/$name"
	done
	TCTI=swtpm:path=$T/tpm.sock
}

@test "AC-1: with a TPM that opens, auto selects the tpm provider and logs it" {
	start_swtpm
	start_daemon
	provider_is tpm
	logged 'security provider tpm (protection: tpm): the TPM opens'
	put a x
	expect 201
	[[ $(field .protection) == tpm ]]
}

@test "AC-3: without a TPM, auto selects the legacy provider and everything works" {
	start_daemon
	provider_is legacy
	logged 'security provider legacy (protection: software): no TPM found'
	put a content
	expect 201
	get a
	[[ $(cat "$T/body") == content ]]
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 201
	api_json POST /v1/keys/k/sign '{"message":"aGk="}'
	expect 200
}

@test "AC-4: SECURITY_PROVIDER=legacy wins over a TPM that is there, which is left alone" {
	start_swtpm
	export SECURITY_PROVIDER=legacy
	WRAP=(strace -D -f -qq -e trace=connect -o "$T/trace")
	start_daemon
	provider_is legacy
	[[ $(jq -r .reason "$T/status") == *SECURITY_PROVIDER* ]]
	logged 'security provider legacy'
	refute grep -q tpm.sock "$T/trace"
}

@test "AC-4: SECURITY_PROVIDER=legacy wins over provider = tpm" {
	start_swtpm
	write_config 'provider = "tpm"'
	SECURITY_PROVIDER=legacy start_daemon
	provider_is legacy
}

@test "AC-5: a TPM that does not connect: legacy, with one warning that says why" {
	TCTI=swtpm:path=$T/nobody.sock
	start_daemon
	provider_is legacy
	[[ $(jq -r .reason "$T/status") == *'cannot be used'* ]]
	[[ $(grep -c 'security provider' "$T/log") == 1 ]]
	logged 'security provider legacy (protection: software): a TPM is there but cannot be used: '
	put a x
	expect 201
	[[ $(field .protection) == software ]]
}

@test "AC-5: under a service manager that line is a warning" {
	TCTI=swtpm:path=$T/nobody.sock
	: >"$T/log"
	export JOURNAL_STREAM
	JOURNAL_STREAM=$(stat -c '%d:%i' "$T/log")
	start_daemon
	grep -q '^<4>security provider legacy' "$T/log"
}

@test "AC-5: a TPM that answers garbage: legacy" {
	start_garbage
	start_daemon
	provider_is legacy
	[[ $(jq -r .reason "$T/status") == *'cannot be used'* ]]
}

@test "AC-5: a TPM whose owner password we lack: legacy, and the reason names it" {
	start_swtpm
	TPM2TOOLS_TCTI=$TCTI tpm2_changeauth -c owner secret
	start_daemon
	provider_is legacy
	[[ $(jq -r .reason "$T/status") == *owner* ]]
}

@test "the owner password comes from a file" {
	start_swtpm
	TPM2TOOLS_TCTI=$TCTI tpm2_changeauth -c owner secret
	echo secret >"$T/owner"
	write_config
	sed -i "s|^tpm {|tpm { owner_auth_file = \"$T/owner\" |" "$T/conf"
	start_daemon
	provider_is tpm
	put a x
	expect 201
	stop_daemon
	# Its loss is no fault of the TPM, so it is no reason for software (AC-5).
	rm "$T/owner"
	start_daemon
	provider_is none
	[[ $(jq -r .reason "$T/status") == *owner_auth_file* ]]
}

refused_for() {
	provider_is none
	[[ $(jq -r .reason "$T/status") == *"$1"* ]]
	put b x
	expect 500 unreadable
	api GET /v1/secrets
	expect 200
}

@test "a lost tpm.state is no new TPM: refused, but for legacy; restored, all opens again" {
	start_swtpm
	start_daemon
	put a content
	stop_daemon
	mkdir "$T/backup"
	mv "$T/state"/tpm.state* "$T/backup"
	start_daemon
	refused_for 'tpm.state is lost'
	get a
	expect 500 unreadable
	[[ $(field .remedy) == *'tpm.state'*'backup'*'tpm.used'* ]]
	logged "state folder $T/state: "
	[[ ! -e $T/state/tpm.state ]]
	stop_daemon
	SECURITY_PROVIDER=tpm start_daemon
	refused_for 'tpm.state is lost'
	stop_daemon
	# An unreadable marker is not an absent one.
	truncate -s 3 "$T/state/tpm.used" "$T/state/tpm.used.copy"
	start_daemon
	refused_for 'tpm.state is lost'
	stop_daemon
	SECURITY_PROVIDER=legacy start_daemon
	provider_is legacy
	stop_daemon
	cp "$T/backup"/* "$T/state"
	start_daemon
	provider_is tpm
	get a
	[[ $(cat "$T/body") == content ]]
}

@test "given up by hand, tpm.state is made anew" {
	start_swtpm
	start_daemon
	stop_daemon
	rm "$T/state"/tpm.state* "$T/state"/tpm.used*
	# The tenant's id is older.
	start_daemon
	provider_is tpm
	[[ -s $T/state/tpm.used && -s $T/state/tpm.used.copy ]]
}

@test "legacy first and a TPM later" {
	SECURITY_PROVIDER=legacy start_daemon
	[[ ! -e $T/state/tpm.used ]]
	stop_daemon
	start_swtpm
	write_config
	start_daemon
	provider_is tpm
}

@test "a torn tpm.state is refused under auto, and legacy does not read it" {
	start_swtpm
	start_daemon
	stop_daemon
	truncate -s 7 "$T/state/tpm.state" "$T/state/tpm.state.copy"
	start_daemon
	refused_for 'tpm.state'
	stop_daemon
	SECURITY_PROVIDER=legacy start_daemon
	provider_is legacy
}

@test "a tpm.state that cannot be written is refused under auto, and made when there is room" {
	start_swtpm
	# Room for keys and ids, not for the record.
	WRAP=(prlimit --fsize=250)
	start_daemon
	provider_is none
	[[ $(jq -r .reason "$T/status") == *'recording the TPM'* ]]
	put a x
	expect 507 disk_full
	stop_daemon
	WRAP=()
	start_daemon
	provider_is tpm
}

@test "a TPM that cannot be used is named, with its code in the log, also when it is demanded" {
	TCTI=foo:bar
	start_daemon
	provider_is legacy
	[[ $(jq -r .reason "$T/status") == *'the configured TCTI foo:bar does not open'* ]]
	stop_daemon
	TCTI=swtpm:path=$T/nobody.sock
	write_config 'provider = "tpm"'
	: >"$T/log"
	start_daemon
	provider_is none
	[[ $(jq -r .reason "$T/status") == *"$TCTI"* ]]
	grep -q "nobody.sock.*TSS2 0x" "$T/log"
	# Every line is ours.
	refute grep -Ei '^(error|warning):' "$T/log"
}

@test "SECURITY_PROVIDER=tpm without a TPM stays up and answers tpm_required" {
	export SECURITY_PROVIDER=tpm
	start_daemon
	provider_is none
	api GET /v1/status
	[[ $(field .protection) == none && $(field .tpm) == null ]]
	[[ $(field .reason) == *'demands a TPM'* ]]
	put a x
	expect 503 tpm_required
	api_json POST /v1/random '{"bytes":8}'
	expect 503 tpm_required
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 503 tpm_required
	api GET /v1/keys
	expect 200
	api GET /metrics
	expect 200
}

@test "provider = tpm with a TPM that does not open stays up and answers tpm_required" {
	start_garbage
	write_config 'provider = "tpm"'
	start_daemon
	provider_is none
	seal_text x "$T/blob"
	expect 503 tpm_required
}

@test "provider = tpm takes the TPM into use when it appears later" {
	TCTI=swtpm:path=$T/tpm.sock
	write_config 'provider = "tpm"'
	start_daemon
	provider_is none
	start_swtpm
	tpm_in_use() {
		decided && provider_is tpm
	}
	wait_until tpm_in_use
	put a x
	expect 201
}

# young SECONDS: the daemon believes that the machine started that long ago.
young() {
	local uptime
	uptime=$(cut -d. -f1 /proc/uptime)
	unshare -T --boottime "$(($1 - uptime))" --fork true 2>/dev/null || skip "no time namespaces"
	WRAP=(unshare -T --boottime "$(($1 - uptime))" --fork --kill-child)
}

@test "after a boot it waits for the TPM, says so, and takes it when it comes" {
	TCTI=swtpm:path=$T/tpm.sock
	write_config
	sed -i 's/wait = 0/wait = 600/' "$T/conf"
	young 5
	launch_daemon
	wait_until listens "$SOCK"
	api GET /v1/status
	expect 200
	[[ $(field .provider) == deciding && $(field .protection) == none ]]
	api_json POST /v1/random '{"bytes":8}'
	expect 503 starting
	grep -qi '^retry-after: 1' "$T/head"
	api GET /v1/keys
	expect 503 starting
	api GET /metrics
	expect 200
	start_swtpm
	wait_until decided
	provider_is tpm
}

@test "after a boot it waits no longer than it is told" {
	TCTI=swtpm:path=$T/nobody.sock
	write_config
	sed -i 's/wait = 0/wait = 25/' "$T/conf"
	young 5
	launch_daemon
	wait_until listens "$SOCK"
	api GET /v1/status
	[[ $(field .provider) == deciding ]]
	within 60 decided
	provider_is legacy
}

@test "an unknown SECURITY_PROVIDER ends with status 2 and the words that are allowed" {
	write_config
	SECURITY_PROVIDER=hsm run "$HOLDFASTD" --config "$T/conf"
	[[ $status == 2 ]]
	[[ $output == *SECURITY_PROVIDER* ]]
	[[ $output == *auto* && $output == *tpm* && $output == *legacy* ]]
	SECURITY_PROVIDER= run "$HOLDFASTD" --config "$T/conf"
	[[ $status == 2 ]]
}

@test "what the TPM sealed stays closed in legacy: tpm_required" {
	start_swtpm
	start_daemon
	provider_is tpm
	seal_text secret "$T/blob"
	put a secret
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	stop_daemon
	SECURITY_PROVIDER=legacy start_daemon
	provider_is legacy
	api_file POST /v1/unseal "$T/blob"
	expect 503 tpm_required
	get a
	expect 503 tpm_required
	api_json POST /v1/keys/k/sign '{"message":"aGk="}'
	expect 503 tpm_required
	# Its names are taken and its public half is readable.
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 409 conflict
	api GET /v1/keys/k
	expect 200
	[[ $(field .protection) == tpm ]]
	api GET /v1/secrets
	[[ $(jq -c '[.secrets[].name]' "$T/body") == '["a"]' ]]
	# .. and with the TPM again it opens.
	stop_daemon
	start_daemon
	get a
	expect 200
	[[ $(cat "$T/body") == secret ]]
}

@test "what legacy sealed is not_supported with a TPM in use, and opens in legacy again" {
	start_swtpm
	SECURITY_PROVIDER=legacy start_daemon
	seal_text secret "$T/blob"
	put a secret
	stop_daemon
	start_daemon
	provider_is tpm
	api_file POST /v1/unseal "$T/blob"
	expect 422 not_supported
	get a
	expect 422 not_supported
	stop_daemon
	SECURITY_PROVIDER=legacy start_daemon
	get a
	expect 200
	[[ $(cat "$T/body") == secret ]]
}

@test "a TPM that dies in use answers tpm_failed, status still answers, and it recovers" {
	on tpm
	put a secret
	stop_swtpm
	get a
	expect 503 tpm_failed
	api GET /v1/status
	expect 200
	rm -f "$T"/tpm.sock*
	start_swtpm
	recovered() {
		get a
		[[ $CODE == 200 ]]
	}
	wait_until recovered
	[[ $(cat "$T/body") == secret ]]
}
