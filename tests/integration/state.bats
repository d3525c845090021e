#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The state folder and the process: lost, torn and full, started twice, stopped and started again.

load helpers

# holdfastd runs, in the foreground, and ends by itself.
run_daemon() {
	run timeout 20 "$HOLDFASTD" --config "$T/conf"
}

restarts() {
	on "$1"
	put a content
	head -c 200000 /dev/urandom >"$T/big"
	api_file PUT /v1/secrets/big "$T/big"
	seal_text stateless "$T/blob"
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	field .public >"$T/k.pem"
	stop_daemon "$2"
	start_daemon
	get a
	[[ $(cat "$T/body") == content ]]
	get big
	cmp "$T/body" "$T/big"
	api_file POST /v1/unseal "$T/blob"
	[[ $(cat "$T/body") == stateless ]]
	echo hi >"$T/message"
	api_json POST /v1/keys/k/sign "{\"message\":\"$(base64 -w0 <"$T/message")\"}"
	field .signature | base64 -d >"$T/signature"
	openssl dgst -sha256 -verify "$T/k.pem" -signature "$T/signature" "$T/message"
}

@test "a restart keeps everything (tpm)" { restarts tpm TERM; }
@test "a restart keeps everything (legacy)" { restarts legacy TERM; }
@test "a kill keeps everything (tpm)" { restarts tpm KILL; }
@test "a kill keeps everything (legacy)" { restarts legacy KILL; }

@test "a power cut of daemon and TPM keeps everything and leaves lockout at 0" {
	local i
	on tpm
	put a content
	for i in 1 2 3; do
		stop_swtpm
		stop_daemon KILL
		rm -f "$T"/tpm.sock*
		start_swtpm
		start_daemon
		get a
		[[ $(cat "$T/body") == content ]]
	done
	api GET /v1/status
	[[ $(field .tpm.lockout.counter) == 0 ]]
}

@test "SIGTERM ends with status 0 and leaves no socket" {
	on tpm
	[[ $(stat -c %a "$SOCK") == 660 ]]
	[[ $(stat -c %a "$T/run") == 750 ]]
	stop_daemon TERM
	[[ $DAEMON_STATUS == 0 ]]
	[[ ! -e $SOCK ]]
	refute grep -qi 'error' "$T/log"
	# TPM2_Shutdown was sent: the next start finds an orderly stop.
	start_daemon
	stop_daemon INT
	[[ $DAEMON_STATUS == 0 ]]
}

# The chip stands still until it is told to go on.
hold_chip() {
	kill -STOP "$SWTPM_PID"
}

release_chip() {
	kill -CONT "$SWTPM_PID"
}

# background N BODY PATH: a request whose status goes to $T/code.N.
background() {
	curl -s -m 60 --unix-socket "$SOCK" -H 'Content-Type: application/json' -d "$2" \
		-o /dev/null -w '%{http_code}' "http://h$3" >"$T/code.$1" 3>&- &
}

counted() {
	api GET /metrics
	grep -q "^holdfast_requests_total{operation=\"$1\"} $2\$" "$T/body"
}

@test "SIGTERM waits for the request at work" {
	on tpm
	hold_chip
	background 1 '{"name":"k","type":"ecc-p256"}' /v1/keys
	local client=$!
	wait_until counted key.create 1
	kill -TERM "$DAEMON_PID"
	wait_until grep -q stopping "$T/log"
	release_chip
	wait "$client"
	[[ $(cat "$T/code.1") == 201 ]]
	stop_daemon TERM
	[[ $DAEMON_STATUS == 0 ]]
	start_daemon
	api_json POST /v1/keys/k/sign '{"message":"aGk="}'
	expect 200
}

@test "SIGTERM with a chip that hangs: who waits is told, and it ends with status 1" {
	on tpm
	hold_chip
	background 1 '{"bytes":8}' /v1/random
	local client=$!
	wait_until counted random 1
	stop_daemon TERM
	[[ $DAEMON_STATUS == 1 ]]
	wait "$client"
	[[ $(cat "$T/code.1") == 504 ]]
	release_chip
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
}

@test "status answers while the chip is busy, and what waits for it is done later" {
	local i pids=()
	on tpm
	hold_chip
	for i in 1 2 3; do
		background $i '{"bytes":8}' /v1/random
		pids+=($!)
	done
	wait_until counted random 3
	api GET /v1/status -m 20
	expect 200
	release_chip
	for i in 1 2 3; do
		wait "${pids[i - 1]}"
		[[ $(cat "$T/code.$i") == 200 ]]
	done
}

@test "more than 64 requests in flight are refused with Retry-After, the others are done" {
	local i pids=()
	on tpm
	hold_chip
	another() {
		background ${#pids[@]} '{"data":"aGk="}' /v1/seal
		pids+=($!)
	}
	for i in {1..64}; do
		another
	done
	# A look takes a place too: whoever came just then was refused, and is replaced.
	full() {
		api GET /v1/secrets
		[[ $CODE == 429 ]] || { another && false; }
	}
	wait_until full
	expect 429 quota
	grep -qi '^retry-after: [1-9]' "$T/head"
	release_chip
	local done=0
	for i in "${!pids[@]}"; do
		wait "${pids[i]}"
		[[ $(cat "$T/code.$i") == @(200|429) ]]
		[[ $(cat "$T/code.$i") == 429 ]] || done=$((done + 1))
	done
	[[ $done == 64 ]]
	api GET /v1/status
	expect 200
}

@test "SIGHUP does not end it" {
	on legacy
	kill -HUP "$DAEMON_PID"
	api GET /v1/status
	expect 200
	wait_until grep -q 'configuration reloaded' "$T/log"
}

@test "a second daemon on the same state is refused and the first goes on" {
	on legacy
	put a x
	sed "s|run = \"[^\"]*\"|run = \"$T/run2\"|" "$T/conf" >"$T/conf2"
	run timeout 20 "$HOLDFASTD" --config "$T/conf2"
	[[ $status == 1 ]]
	[[ $output == *"another holdfastd uses the state folder $T/state"* ]]
	get a
	expect 200
}

@test "a second daemon on the same socket is refused and the first goes on" {
	on legacy
	sed "s|state = \"[^\"]*\"|state = \"$T/state2\"|" "$T/conf" >"$T/conf2"
	run timeout 20 "$HOLDFASTD" --config "$T/conf2"
	[[ $status == 1 ]]
	[[ $output == *'another process answers'* ]]
	api GET /v1/status
	expect 200
}

@test "a socket that a killed daemon left is replaced, another file is not" {
	on legacy
	stop_daemon KILL
	[[ -S $SOCK ]]
	start_daemon
	api GET /v1/status
	expect 200
	stop_daemon
	echo precious >"$SOCK"
	run_daemon
	[[ $status == 1 ]]
	[[ $(cat "$SOCK") == precious ]]
}

@test "a run folder that everybody may write is refused, and a path too long for a socket" {
	write_config 'provider = "legacy"'
	mkdir -m 0777 "$T/run"
	run_daemon
	[[ $status == 1 ]]
	[[ $output == *everybody* ]]
	local long=$T/$(printf 'x%.0s' {1..120})
	sed -i "s|run = \"[^\"]*\"|run = \"$long\"|" "$T/conf"
	run_daemon
	[[ $status == 1 ]]
	[[ $output == *'too long'* ]]
}

@test "a state folder that cannot be used ends with status 1 and says so" {
	write_config 'provider = "legacy"'
	echo file >"$T/state"
	run_daemon
	[[ $status == 1 ]]
	[[ $output == *'state folder'* ]]
	[[ $(cat "$T/state") == file ]]
	rm "$T/state"
	mkdir -m 0755 "$T/state"
	run_daemon
	[[ $status == 1 ]]
	[[ $output == *"chmod 700 $T/state"* ]]
	chmod 0700 "$T/state"
	chown nobody "$T/state"
	run_daemon
	[[ $status == 1 ]]
	[[ $output == *"chown $(id -u) $T/state"* ]]
	rmdir "$T/state"
	# It is made where it is missing, for us alone.
	start_daemon
	[[ $(stat -c %a "$T/state") == 700 ]]
}

everything_answers() {
	seal_text x "$T/blob"
	expect "$@"
	put new x
	expect "$@"
	get a
	expect "$@"
	api GET /v1/secrets
	expect "$@"
	api_json POST /v1/keys '{"name":"n","type":"ecc-p256"}'
	expect "$@"
	api_json POST /v1/keys/k/sign '{"message":"aGk="}'
	expect "$@"
	api GET /v1/status
	expect 200
	[[ $(field .provider) == none ]]
	api GET /metrics
	expect 200
}

lost_auth_key() {
	on "$1"
	put a content
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	stop_daemon
	mkdir "$T/backup"
	mv "$T/state"/auth.key* "$T/backup"
	start_daemon
	everything_answers 403 auth_failed
	api GET /v1/secrets
	[[ $(field .remedy) == *'auth.key'*'backup'* ]]
	grep -q 'auth.key' "$T/log"
	grep -q "state folder $T/state: Restore auth.key" "$T/log"
	refute grep -q "$T" "$T/body"
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	# No new one was made, and the old one brings everything back.
	[[ ! -e $T/state/auth.key && ! -e $T/state/auth.key.copy ]]
	cp "$T/backup"/* "$T/state"
	start_daemon
	get a
	expect 200
	[[ $(cat "$T/body") == content ]]
}

@test "a lost auth.key: stays up, says how to go on, makes no new one (tpm)" { lost_auth_key tpm; }
@test "a lost auth.key: stays up, says how to go on, makes no new one (legacy)" { lost_auth_key legacy; }

@test "an auth.key lost before any record was made is missed as well" {
	on legacy
	seal_text stateless "$T/blob"
	stop_daemon
	rm "$T/state"/auth.key*
	start_daemon
	api_file POST /v1/unseal "$T/blob"
	expect 403 auth_failed
	[[ ! -e $T/state/auth.key ]]
}

@test "a lost id is not replaced where a TPM was used, even with no record" {
	on tpm
	seal_text stateless "$T/blob"
	stop_daemon
	mkdir "$T/backup"
	mv "$T/state/tenants/host"/id* "$T/backup"
	start_daemon
	api_file POST /v1/unseal "$T/blob"
	expect 500 unreadable
	[[ $(field .remedy) == *tenants/host/id*backup* ]]
	[[ ! -e $T/state/tenants/host/id ]]
	stop_daemon
	cp "$T/backup"/* "$T/state/tenants/host"
	start_daemon
	api_file POST /v1/unseal "$T/blob"
	[[ $(cat "$T/body") == stateless ]]
}

@test "a lost host.key: legacy is not used, records are listed, no new one is made" {
	on legacy
	put a content
	stop_daemon
	mkdir "$T/backup"
	mv "$T/state"/host.key* "$T/backup"
	start_daemon
	get a
	expect 403 auth_failed
	[[ $(field .remedy) == *'host.key'* ]]
	api GET /v1/secrets
	expect 200
	stop_daemon
	[[ ! -e $T/state/host.key ]]
	cp "$T/backup"/* "$T/state"
	start_daemon
	get a
	expect 200
}

@test "one copy of each precious file may be torn; it is repaired" {
	local file copy
	on tpm
	put a content
	for file in auth.key host.key tpm.state tpm.used tenants/host/id; do
		for copy in "$file" "$file.copy"; do
			[[ -s $T/state/$copy ]]
			stop_daemon
			truncate -s 7 "$T/state/$copy"
			start_daemon
			[[ $(jq -r .provider "$T/status") == tpm ]]
			get a
			expect 200
			(($(stat -c %s "$T/state/$copy") > 7))
		done
	done
	stop_daemon
	rm "$T/state/auth.key" "$T/state/tpm.state.copy"
	start_daemon
	get a
	expect 200
}

@test "both copies of auth.key torn is unreadable, and they are left as they are" {
	on legacy
	put a content
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	stop_daemon
	truncate -s 7 "$T/state/auth.key" "$T/state/auth.key.copy"
	start_daemon
	everything_answers 500 unreadable
	[[ $(stat -c %s "$T/state/auth.key") == 7 ]]
}

@test "what killed writers left behind is swept at start" {
	on legacy
	put a content
	stop_daemon KILL
	echo torn >"$T/state/tenants/host/secrets/.tmp-1-1"
	echo torn >"$T/state/.tmp-1-2"
	start_daemon
	get a
	expect 200
	api GET /v1/secrets
	[[ $(jq -c '[.secrets[].name]' "$T/body") == '["a"]' ]]
	wait_until nothing_half "$T/state"
}

full_disk() {
	put other x
	[[ $CODE == 507 ]]
	expect 507 disk_full
	head -c 900000 /dev/urandom >"$T/big"
	api_file PUT /v1/secrets/keep "$T/big"
	expect 507 disk_full
	api GET /v1/secrets/other
	expect 404 not_found
	get keep
	expect 200
	[[ $(cat "$T/body") == kept ]]
	wait_until nothing_half "$T/state"
}

@test "a full disk is disk_full, nothing is changed, and it goes on when there is room" {
	mkdir -m 0700 "$T/state"
	mount -t tmpfs -o size=512k,mode=0700 tmpfs "$T/state" || skip "no right to mount"
	on legacy
	wait_until identity_decided
	put keep kept
	expect 201
	# Every page is taken; the next write has none.
	dd if=/dev/zero of="$T/state/filler" bs=4k status=none 2>/dev/null || true
	full_disk
	rm "$T/state/filler"
	put other x
	expect 201
}

@test "a limit of file size is disk_full as well, not the end of the process" {
	on legacy
	wait_until identity_decided
	put keep kept
	# Below what any record takes.
	prlimit --pid "$DAEMON_PID" --fsize=40
	put other x
	expect 507 disk_full
	prlimit --pid "$DAEMON_PID" --fsize=unlimited:unlimited 2>/dev/null || true
	api GET /v1/secrets/other
	expect 404 not_found
	get keep
	expect 200
	wait_until nothing_half "$T/state"
}

@test "the process keeps its memory to itself" {
	on legacy
	grep -Eq '^Max core file size +0 +0 ' "/proc/$DAEMON_PID/limits"
	refute find "$T/state" -type f -perm /077 | grep -q .
}

@test "options: --version, --help, --check, wrong ones" {
	run "$HOLDFASTD" --version
	[[ $status == 0 && $output =~ ^holdfastd\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	run "$HOLDFASTD" --help
	[[ $status == 0 && $output == *usage* ]]
	run "$HOLDFASTD" --nonsense
	[[ $status == 2 ]]
	run "$HOLDFASTD" extra
	[[ $status == 2 ]]
	run "$HOLDFASTD" --config "$T/absent"
	[[ $status == 2 ]]
	write_config 'provider = "auto"' 'tenant web { keys = 3 }'
	run "$HOLDFASTD" --check --config "$T/conf"
	[[ $status == 0 ]]
	[[ $output == *ok* && $output != *tenant* ]]
	[[ ! -e $T/state ]]
	if [[ ! -e /etc/holdfast/holdfast.conf ]]; then
		run "$HOLDFASTD" --check
		[[ $status == 0 && $output == *'absent; defaults apply'* ]]
	fi
	echo 'nonsense = 1' >>"$T/conf"
	run "$HOLDFASTD" --check --config "$T/conf"
	[[ $status == 2 ]]
	[[ $output == *"$T/conf:5:"* ]]
	run "$HOLDFASTD" --config "$T/conf"
	[[ $status == 2 ]]
}

@test "--check refuses a run folder whose socket cannot be bound" {
	# The longest is that of FAPI's helper.
	local fits=/run/$(printf 'x%.0s' {1..83})
	write_config
	sed -i "s|run = \"[^\"]*\"|run = \"$fits\"|" "$T/conf"
	run "$HOLDFASTD" --check --config "$T/conf"
	[[ $status == 0 ]]
	echo 'tenant a { }' >>"$T/conf"
	run "$HOLDFASTD" --check --config "$T/conf"
	[[ $status == 2 && $output == *'too long'* ]]
	sed -i -e '/^tenant/d' -e "s|$fits|${fits}x|" "$T/conf"
	run "$HOLDFASTD" --check --config "$T/conf"
	[[ $status == 2 && $output == *'too long'* ]]
}

@test "a tenant section narrows host" {
	write_config 'provider = "legacy"' 'tenant host { operations = {"random", "key"} connections = 3 }'
	start_daemon
	api_json POST /v1/random '{"bytes":1}'
	expect 200
	put a x
	expect 403 forbidden
	[[ $(field .detail) == *seal* ]]
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 201
	api_json POST /v1/keys/k/sign '{"message":"aGk="}'
	expect 403 forbidden
	api_json POST /v1/keys '{"name":"i","pem":"x"}'
	expect 403 forbidden
	grep 'audit {' "$T/log" | grep -q '"result":"forbidden"'
	# One connection more than allowed is closed at once; others are given back.
	# They are counted on another socket, since a look at this one takes the place of one.
	open_now() {
		admin GET /v1/admin/tenants/host
		[[ $(field .connections.open) == "$1" ]]
	}
	local i
	wait_until open_now 0
	for i in 1 2 3; do
		helper socat -u "UNIX-CONNECT:$SOCK" -
	done
	wait_until open_now 3
	api GET /v1/status
	[[ $CODE == 000 ]]
	stop_helpers
	served() {
		api GET /v1/status
		[[ $CODE == 200 ]]
	}
	wait_until served
}

@test "the service manager is told when it is ready and when it stops" {
	helper socat -u "UNIX-RECV:$T/notify" "OPEN:$T/told,creat,append"
	wait_until test -S "$T/notify"
	export NOTIFY_SOCKET=$T/notify WATCHDOG_USEC=200000
	write_config 'provider = "legacy"'
	start_daemon
	wait_until grep -q 'READY=1' "$T/told"
	wait_until grep -q 'WATCHDOG=1' "$T/told"
	stop_daemon
	wait_until grep -q 'STOPPING=1' "$T/told"
}

@test "a socket of the service manager is used and left alone" {
	write_config 'provider = "legacy"'
	mkdir -m 0750 "$T/run"
	perl -MSocket -MPOSIX -e '
		my ($path, @command) = @ARGV;
		my $s;
		socket($s, AF_UNIX, SOCK_STREAM, 0) && bind($s, sockaddr_un($path)) && listen($s, 8)
			or die $!;
		POSIX::dup2(fileno($s), 3);
		$ENV{LISTEN_PID} = $$;
		$ENV{LISTEN_FDS} = 1;
		exec { $command[0] } @command;
	' "$SOCK" "$HOLDFASTD" --config "$T/conf" 2>>"$T/log" &
	DAEMON_PID=$!
	wait_until decided
	api GET /v1/status
	expect 200
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	[[ -S $SOCK ]]
}
