#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Real containers, each with nothing of the host but its tenant's folder. Every one of them is root
# inside; most are root outside too, so that the socket alone tells them apart.

bats_require_minimum_version 1.5.0
load helpers
load containers

FILE_CONFIG=('tenant a { }' 'tenant b { }')

HOLDFAST=$(program holdfast)

setup_file() {
	containers_begin
}

teardown_file() {
	containers_end
}

# with RUNTIME: a daemon on a chip, and the files that containers are going to use.
with() {
	RUNTIME=$1
	need "$1"
	on tpm
	for tenant in a b; do
		mkdir -p "$T/work-$tenant"
		printf 'message of %s\n' "$tenant" >"$T/work-$tenant/message.txt"
	done
}

# in_a COMMANDS: of the shell, in a container of tenant a; they end at the first that fails.
in_a() {
	container "$RUNTIME" a sh -euc "$1"
}
in_b() {
	container "$RUNTIME" b sh -euc "$1"
}

# What seed 002 shows, word for word; only the names of files differ for the second key.
transcript() {
	with "$1"
	in_a 'eve_tools_tpm2_genaik -g 0x1
		eve_tools_tpm2_pubgetaik -k 0x81010000 -f ak.pem
		eve_tools_tpm2_sign -k 0x81010000 -m message.txt -g 0x00B -s sign.bin
		eve_tools_tpm2_genaik -g 0x23
		eve_tools_tpm2_pubgetaik -k 0x81010001 -f ecc.pem
		eve_tools_tpm2_sign -k 0x81010001 -m message.txt -g 0x00B -s ecc.bin' >"$T/out"
	cat "$T/out"
	[[ $(sed -n 1p "$T/out") == 'AIK Pair generated at persistent handle 0x81010000' ]]
	[[ $(grep -c 'AIK Pair generated at persistent handle 0x81010001' "$T/out") == 1 ]]
	cd "$T/work-a"
	openssl pkey -pubin -in ak.pem -noout -text | grep -q 'Public-Key: (2048 bit)'
	openssl dgst -sha256 -verify ak.pem -signature sign.bin message.txt
	openssl dgst -sha256 -verify ecc.pem -signature ecc.bin message.txt
	refute openssl dgst -sha256 -verify ak.pem -signature sign.bin ../work-b/message.txt
	cd "$T"
	# Another tenant begins at the first handle too.
	[[ $(in_b 'eve_tools_tpm2_genaik -g 0x23') == *0x81010000 ]]
	refute in_b 'eve_tools_tpm2_pubgetaik -k 0x81010001 -f ecc.pem'
}

@test "bwrap: the transcript of the EVE tools, RSA and ECC" {
	transcript bwrap
}

@test "runc: the transcript of the EVE tools, RSA and ECC" {
	transcript runc
}

@test "podman: the transcript of the EVE tools, RSA and ECC" {
	transcript podman
}

# Sealing, signing and quoting inside; checked outside with stock tools.
work() {
	with "$1"
	in_a 'head -c 300000 /dev/urandom >plain
		holdfast seal --in plain --out blob
		holdfast unseal --in blob --out opened
		cmp plain opened
		printf geheim | holdfast seal --name s
		[ "$(holdfast unseal --name s)" = geheim ]
		holdfast key create k
		holdfast key public k --out k.pem
		holdfast sign --key k --in message.txt --out k.sig
		holdfast aik create quoting
		holdfast aik public quoting --out quoting.pem
		holdfast aik quote quoting --nonce 00112233445566778899aabbccddeeff \
			--attest attest --signature signature --values values
		[ "$(holdfast random 65536 | wc -c)" = 65536 ]
		holdfast status --json >status'
	cd "$T/work-a"
	refute grep -q "$(head -c 64 plain | base64 -w 0)" <(base64 -w 0 blob)
	openssl dgst -sha256 -verify k.pem -signature k.sig message.txt
	tpm2_checkquote -u quoting.pem -m attest -s signature -g sha256 \
		-q 00112233445566778899aabbccddeeff
	refute tpm2_checkquote -u quoting.pem -m attest -s signature -g sha256 \
		-q 00112233445566778899aabbccddeefe
	[[ $(jq -r '.tenant + .protection' status) == atpm ]]
}

@test "bwrap: seal, unseal, sign, quote" {
	work bwrap
}

@test "runc: seal, unseal, sign, quote" {
	work runc
}

@test "podman: seal, unseal, sign, quote" {
	work podman
}

# Both are uid 0 inside and outside, and use the same names.
apart() {
	local tenant
	with "$1"
	for tenant in a b; do
		container "$1" "$tenant" sh -euc '
			holdfast key create k
			holdfast key public k --out k.pem
			holdfast aik create k
			holdfast aik public k --out aik.pem
			holdfast seal --name k --in message.txt
			holdfast seal --in message.txt --out blob
			holdfast sign --key k --in message.txt --out sig
			holdfast key list >keys
			holdfast secret list >secrets
			holdfast aik list >aiks'
		[[ $(cat "$T/work-$tenant/keys") == k ]]
		[[ $(cat "$T/work-$tenant/secrets") == k ]]
		[[ $(wc -l <"$T/work-$tenant/aiks") == 1 ]]
	done
	refute cmp "$T/work-a/k.pem" "$T/work-b/k.pem"
	refute cmp "$T/work-a/aik.pem" "$T/work-b/aik.pem"
	openssl dgst -sha256 -verify "$T/work-a/k.pem" -signature "$T/work-a/sig" \
		"$T/work-a/message.txt"
	refute openssl dgst -sha256 -verify "$T/work-a/k.pem" -signature "$T/work-b/sig" \
		"$T/work-b/message.txt"
	[[ $(in_b 'holdfast unseal --name k') == 'message of b' ]]

	# A stolen blob is as good as none.
	cp "$T/work-a/blob" "$T/work-b/stolen"
	refute in_b 'holdfast unseal --in stolen' >"$T/out" 2>&1
	grep -q wrong_tenant "$T/out"

	# What one deletes is still the other's.
	in_b 'holdfast key delete k && holdfast aik delete k && holdfast secret delete k'
	refute in_b 'holdfast key public k' >/dev/null 2>&1
	in_a 'holdfast key public k >again.pem && cmp k.pem again.pem
		holdfast aik public k >again.pem && cmp aik.pem again.pem
		[ "$(holdfast unseal --name k)" = "message of a" ]'
	HOLDFAST_SOCKET=$SOCK "$HOLDFAST" key list >"$T/out"
	[[ ! -s $T/out ]]
}

@test "bwrap: two containers of root are two tenants, whose names never meet" {
	apart bwrap
}

@test "runc: two containers of root are two tenants, whose names never meet" {
	apart runc
}

@test "podman: two containers of root are two tenants, whose names never meet" {
	apart podman
}

# The host's own socket, the administrator's and other tenants' are not there, and what is there
# cannot be changed by root either.
@test "a container finds its own socket and no other, and cannot put one in its place" {
	with runc
	in_a '[ -S /run/holdfast/holdfast.sock ]
		! find / -xdev -name admin.sock 2>/dev/null | grep .
		! ls /run/holdfast | grep -vxE "holdfast.sock|tpm.sock|tpm.sock.ctrl"
		! rm /run/holdfast/holdfast.sock 2>/dev/null
		! mv /run/holdfast/holdfast.sock /run/holdfast/x 2>/dev/null
		! ln -s /work /run/holdfast/x 2>/dev/null
		! mount -o remount,rw /run/holdfast 2>/dev/null
		holdfast status >/dev/null'
	# Rights of the host and of the administrator are not a tenant's.
	SOCK=$T/run/tenants/a/holdfast.sock
	api GET /metrics
	expect 403 forbidden
	api GET /v1/admin/tenants
	expect 403 forbidden
	api GET '/v1/fapi/object?path=/HS/SRK/x'
	expect 403 forbidden
}

# As root of a user namespace it arrives as a uid of the host that nobody is.
mapped() {
	with "$1"
	CONTAINER_MAP=200000 in_a 'holdfast key create k
		holdfast sign --key k --in message.txt >sig
		holdfast seal --in message.txt >blob
		cmp message.txt - <<-END
			$(holdfast unseal --in blob)
		END
		eve_tools_tpm2_genaik -g 0x23' >"$T/out"
	grep -q 0x81010000 "$T/out"
	grep -q '"tenant":"a","pid":[1-9][0-9]*,"uid":200000,.*"operation":"key.sign"' "$T/log"
	# Another namespace of the same tenant has the same keys, another tenant's has not.
	CONTAINER_MAP=300000 in_a '[ "$(holdfast key list)" = k ]'
	CONTAINER_MAP=200000 in_b '[ -z "$(holdfast key list)" ]'
}

@test "runc: user namespaces" {
	mapped runc
}

@test "podman: user namespaces" {
	mapped podman
}

@test "bwrap: another user of a container has its tenant's keys, and nothing more" {
	with bwrap
	CONTAINER_UID=1000 in_a 'holdfast key create k && holdfast sign --key k --in message.txt >sig'
	CONTAINER_UID=1000 in_b '[ -z "$(holdfast key list)" ]'
	in_a '[ "$(holdfast key list)" = k ]'
}

# It is the folder that is mounted: the socket of the next daemon is in it as well.
survives() {
	with "$1"
	mkdir -p "$T/work-a"
	in_a 'holdfast seal --in message.txt --out blob
		holdfast key create k
		touch ready
		until [ -e go ]; do sleep 0.05; done
		holdfast unseal --in blob --out opened
		cmp message.txt opened
		[ "$(holdfast key list)" = k ]
		touch good' >"$T/inside" 2>&1 3>&- &
	local inside=$!
	HELPERS+=("$inside")
	wait_until test -e "$T/work-a/ready"
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	refute in_a 'holdfast --timeout 1 status' >/dev/null 2>&1
	start_daemon
	touch "$T/work-a/go"
	wait "$inside" || {
		cat "$T/inside"
		return 1
	}
	[[ -e $T/work-a/good ]]
}

@test "bwrap: the daemon is restarted under the mount" {
	survives bwrap
}

@test "runc: the daemon is restarted under the mount" {
	survives runc
}

@test "podman: the daemon is restarted under the mount" {
	survives podman
}

# --- usage ---

# A group of its own with limits; the network has one interface, which is down.
@test "runc: usage tells the container's own numbers, and its id" {
	with runc
	CONTAINER_LIMITS=yes in_a 'holdfast usage --json >usage; holdfast usage >text; cat text'
	jq -e --arg id "$CONTAINER_ID" '
		.container == $id and (.cgroup.path | endswith($id)) and
		.memory.limit == 67108864 and .memory.current > 4096 and
		.memory.current < 67108864 and .cpu.limit_cores == 0.5 and .cpu.usage_us > 0 and
		.pids.limit == 50 and .pids.current >= 1 and
		[.network.interfaces[].name] == ["lo"] and .remarks == []' "$T/work-a/usage" || {
		cat "$T/work-a/usage"
		return 1
	}
	grep -q ' of 64.0 MiB' "$T/work-a/text"
}

@test "podman: usage names podman and the id of its container" {
	local id
	with podman
	# Without --rm, with which podman 5 removes the file, too.
	podman_own run --cidfile "$T/cid" --network none --ulimit nofile=4096:4096 \
		--ulimit nproc=4096:4096 --env PATH=/bin -v "$T/run/tenants/a:/run/holdfast:ro" \
		localhost/hf:1 holdfast usage --json >"$T/usage"
	id=$(cat "$T/cid")
	podman_own rm "$id" >/dev/null
	jq -e --arg id "$id" '.container == $id and .runtime == "podman"' "$T/usage"
}

@test "bwrap: usage of a container without a group tells its network alone" {
	with bwrap
	in_a 'holdfast usage --json >usage'
	jq -e '.container == null and [.network.interfaces[].name] == ["lo"]' "$T/work-a/usage"
}
