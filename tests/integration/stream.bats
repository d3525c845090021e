#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Sealing and unsealing of what is too large to be held in memory: what arrives is what was sent,
# damage anywhere is told, memory and disk stay bounded, and whoever leaves leaves nothing behind.

load helpers

MIB=1048576
MOST=$((64 * MIB))
CHUNKED=(-H 'Transfer-Encoding: chunked')

# make_plain SIZE: the same bytes for the same size, and no pattern in them.
make_plain() {
	openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 -in /dev/zero 2>/dev/null |
		head -c "$1" >"$T/plain" || true
	[[ $(stat -c %s "$T/plain") == "$1" ]]
}

# seal_plain [CURL OPTION..]: $T/plain to $T/blob.
seal_plain() {
	api_file POST /v1/seal "$T/plain" "$@"
	expect 200
	cp "$T/body" "$T/blob"
}

# unseal_blob [CURL OPTION..]: $T/blob, which must give $T/plain.
unseal_blob() {
	api_file POST /v1/unseal "$T/blob" "$@"
	expect 200
	grep -qi "^holdfast-protection: $PROTECTION" "$T/head"
	grep -qi "^content-length: $(stat -c %s "$T/plain")" "$T/head"
	cmp "$T/body" "$T/plain"
}

# Files without a name that the daemon holds.
spools() {
	find "/proc/$DAEMON_PID/fd" -lname "$T/state/spool/*" 2>/dev/null | wc -l
}

no_spool() {
	[[ $(spools) == 0 ]]
}

a_spool() {
	[[ $(spools) -gt 0 ]]
}

# Room for large data is given back, and so is the request's place: one of the largest is taken
# again, and a short one is.
nothing_left() {
	wait_until no_spool
	[[ -z $(find "$T/state/spool" -mindepth 1) ]]
	make_plain $MOST
	seal_plain
	api_json POST /v1/seal '{"data":""}'
	expect 200
	wait_until no_spool
}

sizes() {
	local n tags
	on "$1"
	for n in 0 1 65535 65536 65537 $((MIB - 1)) $MIB $((MIB + 1)) $((5 * MIB)) $MOST; do
		make_plain "$n"
		seal_plain
		grep -qi "^content-length: $(stat -c %s "$T/blob")" "$T/head"
		tags=$(((n + 65535) / 65536 * 16))
		# As long as the format says, beside what stands before the stream.
		if ((n > 128)); then
			(($(stat -c %s "$T/blob") - n - tags < 4096))
		fi
		unseal_blob
		unseal_blob "${CHUNKED[@]}"
		seal_plain "${CHUNKED[@]}"
		unseal_blob
	done
}

@test "every size up to 64 MiB comes back as it was (tpm)" { sizes tpm; }
@test "every size up to 64 MiB comes back as it was (legacy)" { sizes legacy; }

# What comes in chunks is a stream from 128 KiB on, what has a length only from 1 MiB on.
@test "a blob made by either way opens by the other, and both are of one form" {
	local n
	on legacy
	for n in 131072 131073 196608 700000 $MIB; do
		make_plain "$n"
		seal_plain
		cp "$T/blob" "$T/whole"
		unseal_blob "${CHUNKED[@]}"
		seal_plain "${CHUNKED[@]}"
		[[ $(stat -c %s "$T/blob") == $(stat -c %s "$T/whole") ]]
		# Magic, version, provider, kind and flags.
		cmp -n 8 "$T/blob" "$T/whole"
		unseal_blob
		# As a member of JSON it never is a stream.
		if ((n < 700000)); then
			{
				printf '{"blob":"'
				base64 -w0 "$T/blob"
				printf '"}'
			} >"$T/request"
			api POST /v1/unseal -H 'Content-Type: application/json' \
				--data-binary "@$T/request"
			field .data | base64 -d | cmp - "$T/plain"
		fi
	done
}

@test "one byte over 64 MiB is refused, by its length before it is sent" {
	on legacy
	make_plain $((MOST + 1))
	CODE=$(curl -s -m 60 --unix-socket "$SOCK" -H 'Content-Type: application/octet-stream' \
		-H 'Expect: 100-continue' --expect100-timeout 30 \
		--data-binary "@$T/plain" -D "$T/head" -o "$T/body" \
		-w '%{http_code} %{size_upload}' http://h/v1/seal)
	[[ $CODE == "413 0" ]]
	CODE=413
	expect 413 too_large
	api_file POST /v1/seal "$T/plain" "${CHUNKED[@]}"
	expect 413 too_large
	[[ $(field .remedy) == *64\ MiB* ]]
	head -c $((MOST + 65536)) /dev/zero >>"$T/plain"
	api_file POST /v1/unseal "$T/plain"
	expect 413 too_large
	nothing_left
}

# damaged CODE: what is in $T/broken, by both ways of sending it.
damaged() {
	api_file POST /v1/unseal "$T/broken"
	expect 422 damaged
	api_file POST /v1/unseal "$T/broken" "${CHUNKED[@]}"
	expect 422 damaged
}

damage() {
	local size start at
	on "$1"
	make_plain $((3 * MIB + 5))
	seal_plain
	size=$(stat -c %s "$T/blob")
	start=$((size - 3 * MIB - 5 - 49 * 16))
	# In the first, a middle and the last chunk, in a tag, and in the header.
	for at in "$start" $((start + 65536)) $((size / 2)) $((size - 17)) $((size - 1)) 20; do
		cp "$T/blob" "$T/broken"
		flip "$T/broken" "$at" 1
		damaged
	done
	# Cut within a chunk, between two, within a tag; a byte and a chunk too many.
	for at in $((size - 3)) $((start + 40 * 65552)) $((start + 40 * 65552 + 5)); do
		head -c "$at" "$T/blob" >"$T/broken"
		damaged
	done
	cat "$T/blob" - <<<'' >"$T/broken"
	damaged
	{
		cat "$T/blob"
		head -c 65552 "$T/blob"
	} >"$T/broken"
	damaged
	# Two chunks in each other's place.
	{
		head -c $((start + 65552 * 20)) "$T/blob"
		tail -c +$((start + 65552 * 21 + 1)) "$T/blob" | head -c 65552
		tail -c +$((start + 65552 * 20 + 1)) "$T/blob" | head -c 65552
		tail -c +$((start + 65552 * 22 + 1)) "$T/blob"
	} >"$T/broken"
	[[ $(stat -c %s "$T/broken") == "$size" ]]
	damaged
	unseal_blob
	wait_until no_spool
}

@test "damage anywhere is damage before a byte is given out (tpm)" { damage tpm; }
@test "damage anywhere is damage before a byte is given out (legacy)" { damage legacy; }

@test "what is no blob, or not from here, is told and costs nothing" {
	on legacy
	make_plain $((5 * MIB))
	api_file POST /v1/unseal "$T/plain"
	expect 400 invalid
	seal_plain
	cp "$T/blob" "$T/foreign"
	stop_daemon
	rm -rf "$T/state"
	start_daemon
	api_file POST /v1/unseal "$T/foreign"
	[[ $CODE == 422 ]]
	expect 422 wrong_tpm
	nothing_left
}

@test "each is one line of audit, one request in the metrics, and one TPM command" {
	on tpm
	make_plain $((5 * MIB))
	seal_plain
	local before
	before=$(commands_sent)
	seal_plain
	[[ $(($(commands_sent) - before)) == 1 ]]
	unseal_blob
	before=$(commands_sent)
	unseal_blob
	[[ $(($(commands_sent) - before)) == 1 ]]
	flip "$T/blob" 4000000 1
	api_file POST /v1/unseal "$T/blob"
	expect 422
	[[ $(grep -c '"operation":"seal".*"result":"ok"' "$T/log") == 2 ]]
	[[ $(grep -c '"operation":"unseal".*"result":"ok"' "$T/log") == 2 ]]
	[[ $(grep -c '"operation":"unseal".*"result":"damaged"' "$T/log") == 1 ]]
	[[ $(grep -c 'audit {' "$T/log") == 5 ]]
	api GET /metrics
	grep -qx 'holdfast_requests_total{operation="seal"} 2' "$T/body"
	grep -qx 'holdfast_requests_total{operation="unseal"} 3' "$T/body"
	grep -qx 'holdfast_errors_total{code="damaged"} 1' "$T/body"
}

@test "what is small does without a spool" {
	on legacy
	make_plain $MIB
	seal_plain
	make_plain 131072
	seal_plain "${CHUNKED[@]}"
	unseal_blob
	[[ ! -e $T/state/spool ]]
	make_plain 131073
	seal_plain "${CHUNKED[@]}"
	[[ -d $T/state/spool ]]
}

@test "a chip that fails is told before the body is sent; one that hangs holds nobody" {
	on tpm
	make_plain $((32 * MIB))
	seal_plain
	kill -STOP "$SWTPM_PID"
	slow 100M /v1/seal "$T/plain"
	counted() {
		api GET /metrics
		grep -qx 'holdfast_requests_total{operation="seal"} 2' "$T/body"
	}
	wait_until counted
	kill -9 "$SLOW"
	wait "$SLOW" || true
	wait_until grep -q '"operation":"seal".*"result":"timeout"' "$T/log"
	kill -CONT "$SWTPM_PID"
	unseal_blob
	wait_until no_spool
	stop_swtpm
	CODE=$(curl -s -m 60 --unix-socket "$SOCK" -H 'Content-Type: application/octet-stream' \
		-H 'Expect: 100-continue' --expect100-timeout 30 --data-binary "@$T/plain" \
		-D "$T/head" -o "$T/body" -w '%{http_code} %{size_upload}' http://h/v1/seal)
	[[ $CODE == "503 0" ]]
	CODE=503
	expect 503 tpm_failed
	no_spool
}

is_asan() {
	ldd "$HOLDFASTD" | grep -q libasan
}

peak_kib() {
	awk '/VmHWM/ { print $2 }' "/proc/$DAEMON_PID/status"
}

# patient NUMBER: seals and unseals 64 MiB, repeating what is refused for want of room.
patient() {
	local path from=$T/plain to
	for path in seal unseal; do
		to=$T/$path.$1
		while :; do
			curl -s -m 300 --unix-socket "$SOCK" -D "$T/head.$1" -o "$to" \
				-H 'Content-Type: application/octet-stream' \
				--data-binary "@$from" "http://h/v1/$path"
			grep -q '^HTTP/1.1 200' "$T/head.$1" && break
			grep -q '^HTTP/1.1 429' "$T/head.$1" || return 1
			grep -qi '^retry-after: 1' "$T/head.$1" || return 1
			: >"$T/refused"
			sleep 0.2
		done
		from=$to
	done
	cmp "$to" "$T/plain"
	rm -f "$T/seal.$1" "$to"
}

many() {
	local i pids=() before
	on "$1"
	seal_text x "$T/blob"
	make_plain $MOST
	before=$(peak_kib)
	for i in {1..8}; do
		patient $i 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	echo "peak: $before KiB before, $(peak_kib) KiB after" >&2
	[[ -e $T/refused ]]
	is_asan || (($(peak_kib) - before < 24 * 1024))
	wait_until no_spool
}

@test "eight clients with 64 MiB each take less than 24 MiB of memory (tpm)" { many tpm; }
@test "eight clients with 64 MiB each take less than 24 MiB of memory (legacy)" { many legacy; }

# slow RATE PATH FILE: a client in the background; its status goes to $T/slow, its answer to
# $T/slow.body.
slow() {
	rm -f "$T/slow"
	curl -s -m 60 --unix-socket "$SOCK" --limit-rate "$1" -o "$T/slow.body" -w '%{http_code}' \
		-H 'Content-Type: application/octet-stream' --data-binary "@$3" "http://h$2" \
		>"$T/slow" 3>&- &
	SLOW=$!
}

# deaf PATH FILE: a client that sends all and takes nothing of the answer, until stop_helpers().
deaf() {
	rm -f "$T/deaf"
	mkfifo "$T/deaf"
	helper bash -c 'exec sleep 60 <"$1"' bash "$T/deaf"
	helper curl -s -m 60 --unix-socket "$SOCK" -o "$T/deaf" \
		-H 'Content-Type: application/octet-stream' --data-binary "@$2" "http://h$1"
	wait_until audited "$1"
}

audited() {
	grep -q "\"operation\":\"${1#/v1/}\".*\"result\":\"ok\"" "$T/log"
}

@test "clients that leave in the middle leave nothing behind" {
	local i
	on legacy
	make_plain $((32 * MIB))
	for i in {1..6}; do
		slow 8M /v1/seal "$T/plain"
		wait_until a_spool
		kill -9 "$SLOW"
		wait "$SLOW" || true
		wait_until no_spool
	done
	[[ $(grep -c '"operation":"seal".*"result":"timeout"' "$T/log") == 6 ]]
	seal_plain
	for i in {1..3}; do
		slow 8M /v1/unseal "$T/blob"
		wait_until a_spool
		kill -9 "$SLOW"
		wait "$SLOW" || true
		wait_until no_spool
	done
	deaf /v1/unseal "$T/blob"
	a_spool
	stop_helpers
	nothing_left
}

@test "a full disk is disk_full, and what is small still works" {
	mkdir -m 0700 "$T/state"
	mount -t tmpfs -o size=8m,mode=0700 tmpfs "$T/state" || skip "no right to mount"
	on legacy
	make_plain $((16 * MIB))
	api_file POST /v1/seal "$T/plain"
	expect 507 disk_full
	api_file POST /v1/seal "$T/plain" "${CHUNKED[@]}"
	expect 507 disk_full
	wait_until no_spool
	seal_text small "$T/small"
	api_file POST /v1/unseal "$T/small"
	expect 200
	make_plain $((6 * MIB))
	seal_plain
	unseal_blob
	# Not even room for the folder.
	stop_daemon
	rmdir "$T/state/spool"
	start_daemon
	dd if=/dev/zero of="$T/state/filler" bs=4k status=none 2>/dev/null || true
	api_file POST /v1/seal "$T/plain"
	expect 507 disk_full
	rm "$T/state/filler"
	seal_plain
	unseal_blob
}

@test "SIGTERM lets what is under way end, up and down" {
	on legacy
	make_plain $((16 * MIB))
	slow 8M /v1/seal "$T/plain"
	wait_until a_spool
	stop_daemon TERM
	[[ $DAEMON_STATUS == 0 ]]
	wait "$SLOW"
	[[ $(cat "$T/slow") == 200 ]]
	start_daemon
	cp "$T/slow.body" "$T/blob"
	unseal_blob
}

@test "SIGTERM ends without a client that takes its time" {
	local begun
	on legacy
	make_plain $((32 * MIB))
	seal_plain
	slow 1M /v1/seal "$T/plain"
	wait_until a_spool
	deaf /v1/unseal "$T/blob"
	begun=$SECONDS
	stop_daemon TERM
	[[ $DAEMON_STATUS == 0 ]]
	((SECONDS - begun < 15))
	stop_helpers
	kill -9 "$SLOW" 2>/dev/null || true
	wait "$SLOW" || true
}

@test "a kill in the middle leaves no file" {
	on legacy
	make_plain $((32 * MIB))
	slow 8M /v1/seal "$T/plain"
	wait_until a_spool
	stop_daemon KILL
	wait "$SLOW" || true
	: >"$T/state/spool/.tmp-spool-1-1"
	start_daemon
	[[ -d $T/state/spool && $(stat -c %a "$T/state/spool") == 700 ]]
	[[ -z $(find "$T/state/spool" -mindepth 1) ]]
	nothing_left
}

@test "nothing of the plaintext comes onto the disk" {
	on legacy
	yes 'a plaintext that must not be found' | head -c $((32 * MIB)) >"$T/plain"
	seal_plain
	deaf /v1/unseal "$T/blob"
	local file
	for file in $(find "/proc/$DAEMON_PID/fd" -lname "$T/state/spool/*"); do
		cmp -n $((32 * MIB)) "$file" "$T/blob"
		refute grep -aq 'must not be found' "$file"
	done
	[[ -n ${file:-} ]]
	stop_helpers
}
