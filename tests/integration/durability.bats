#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# No 2xx leaves before what it promises survives a power cut: the file is synced, gets its name,
# and the folder is synced, in this order, and only then the answer is sent.

load helpers

on_traced() {
	WRAP=(strace -D -f -y -qq -s 40 -o "$T/trace"
		-e "trace=fsync,fdatasync,rename,renameat,renameat2,linkat,unlink,unlinkat,send,sendto,sendmsg,write,writev,sendfile")
	on "$1"
}

# done_calls FROM-LINE: what finished, one call a line, with the calls that strace cut in two put
# together again. A call counts from when it returned, an answer from when it began.
done_calls() {
	tail -n "+$1" "$T/trace" | awk '
		{ pid = $1; sub(/^[0-9]+ +/, "") }
		/<unfinished \.\.\.>$/ {
			sub(/ <unfinished \.\.\.>$/, "")
			if ($0 ~ /HTTP\/1\.1 /) print
			else begun[pid] = $0
			next
		}
		/^<\.\.\. [a-z0-9]+ resumed>/ {
			sub(/^<\.\.\. [a-z0-9]+ resumed>/, "")
			if (pid in begun) print begun[pid] $0
			delete begun[pid]
			next
		}
		{ print }'
}

# expect_order FOLDER NAME CHANGE STATUS FROM-LINE: CHANGE is "write" or "delete". To wait for: an
# answer is there a moment before strace has written of it.
expect_order() {
	done_calls "$5" | awk -v folder="$1" -v name="$2" -v change="$3" -v status="$4" '
		/= -1/ { next }
		change == "write" && /^fsync\(/ && index($0, folder "/.tmp-") { synced = NR }
		change == "write" && /^(rename|renameat|renameat2|linkat)\(/ &&
			index($0, folder) && index($0, "\"" name "\"") { if (synced) named = NR }
		change == "delete" && /^unlinkat\(/ &&
			index($0, folder) && index($0, "\"" name "\"") { named = NR }
		/^fsync\(/ && index($0, folder ">)") { if (named) folder_synced = NR }
		/HTTP\/1\.1 / && index($0, "HTTP/1.1 " status) { if (!sent) sent = NR }
		END {
			printf "fsync %d, name %d, fsync of the folder %d, answer %d\n",
				synced, named, folder_synced, sent
			if (change == "delete") synced = named - 1
			exit !(named && synced < named && named < folder_synced && folder_synced < sent)
		}' || {
		done_calls "$5"
		return 1
	}
}

# Where the trace is now; strace writes a line when the call returned.
mark() {
	MARK=$(($(wc -l <"$T/trace") + 1))
}

synced() { # folder: before the answer that it is not there
	done_calls "$MARK" | awk -v folder="$1" '
		/^fsync\(/ && index($0, folder ">) = 0") { synced = NR }
		/HTTP\/1\.1 404/ { exit !synced }
		END { exit !synced }'
}

durable() {
	local home=$T/state/tenants/host
	on_traced "$1"
	mark
	put a first
	expect 201
	wait_until expect_order "$home/secrets" a write 201 "$MARK"
	mark
	put a second
	expect 200
	wait_until expect_order "$home/secrets" a write 200 "$MARK"
	mark
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 201
	wait_until expect_order "$home/keys" k write 201 "$MARK"
	mark
	api DELETE /v1/secrets/a
	expect 204
	wait_until expect_order "$home/secrets" a delete 204 "$MARK"
	# Once more: it may have been that one that failed at the end, and then asks again.
	mark
	api DELETE /v1/secrets/a
	expect 404
	wait_until synced "$home/secrets"
	mark
	api DELETE /v1/keys/k
	expect 204
	wait_until expect_order "$home/keys" k delete 204 "$MARK"
}

@test "fsync, rename and fsync of the folder come before every 2xx (tpm)" { durable tpm; }
@test "fsync, rename and fsync of the folder come before every 2xx (legacy)" { durable legacy; }

@test "the precious files are durable before the first answer" {
	on_traced tpm
	local file line
	for file in auth.key host.key tpm.state tpm.used; do
		for line in "$file" "$file.copy"; do
			done_calls 1 | grep -E '^(rename|renameat|renameat2|linkat)\(' |
				grep -q "\"$line\""
		done
	done
	done_calls 1 | awk -v folder="$T/state>)" '
		/^(rename|renameat|renameat2|linkat)\(/ && /"tpm.state.copy"/ { named = NR }
		/^fsync\(/ && index($0, folder) { if (named) synced = NR }
		/HTTP\/1\.1 201/ { sent = NR }
		END { exit !(named && synced > named && !sent) }'
}

@test "the folders of records are synced at every start, not only when they are made" {
	local folder
	on legacy
	stop_daemon KILL
	on_traced legacy
	for folder in "$T/state" "$T/state/tenants" "$T/state/tenants/host"; do
		done_calls 1 | awk -v folder="$folder>)" '
			/^fsync\(/ && index($0, folder) { synced = 1 }
			END { exit !synced }'
	done
}

@test "tpm.used is durable before anything is made with the TPM, and after tpm.state" {
	on_traced tpm
	done_calls 1 | awk -v folder="$T/state>)" '
		/^(rename|renameat|renameat2|linkat)\(/ && /"tpm.state.copy"/ { state = NR }
		/^(rename|renameat|renameat2|linkat)\(/ && /"tpm.used.copy"/ { used = NR }
		/^fsync\(/ && index($0, folder) { if (used) synced = NR }
		END { exit !(state && used > state && synced > used) }'
}
