#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# holdfast-fapi by itself, on a TPM of its own, beside the stock tools that share its store.

load helpers

FAPI=$(program holdfast-fapi)
STORE=$BUILD/tests/fapi/fapi_store
SRK_ATTRIBUTES='fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt'

# open_store [PROFILE]: a TPM, and a FAPI folder as the service makes it, whose TCTI is that TPM.
open_store() {
	start_swtpm
	"$STORE" make "$T/fapi" "$T" "${1:-P_ECCP256SHA256}"
	use_store
}

use_store() {
	local edited
	edited=$(jq --arg tcti "$TCTI" '.tcti = $tcti' "$T/fapi/fapi-config.json")
	printf '%s\n' "$edited" >"$T/fapi/fapi-config.json"
	export TSS2_FAPICONF=$T/fapi/fapi-config.json TPM2TOOLS_TCTI=$TCTI TSS2_LOG=all+NONE
}

# fapi VERB [PATH]: the answer goes to $T/answer, the status to $STATUS; data comes from stdin.
fapi() {
	STATUS=0
	"$FAPI" "$@" >"$T/answer" || STATUS=$?
	jq -e . "$T/answer" >/dev/null
}

# says FILTER: what the last answer must be.
says() {
	jq -e "$1" "$T/answer" >/dev/null || {
		echo "not so: $1"
		cat "$T/answer"
		return 1
	}
}

done_and() {
	[[ $STATUS == 0 ]] || cat "$T/answer"
	[[ $STATUS == 0 ]]
	says ".ok == true and ($1)"
}

refused() { # code, step
	[[ $STATUS == 1 ]]
	says ".ok == false and .code == \"$1\" and .step == \"$2\" and (.text | length > 0) and
	      (.rc | test(\"^0x[0-9a-f]{8}\$\")) and (.remedy | length > 0)"
}

# What Holdfast's engine makes where no SRK is: the same template, so the same key.
make_srk() { # algorithm, attributes
	tpm2_createprimary -Q -C o -G "$1" -g sha256 -a "${2:-$SRK_ATTRIBUTES}" -c "$T/srk.ctx"
	tpm2_evictcontrol -Q -C o -c "$T/srk.ctx" 0x81000001
	tpm2_flushcontext -t
}

# Leaks cannot be looked for in a process that is traced.
traced() {
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -f "$@"
}

# Each command is a connection of its own; what a tool sends before its work, tss2_list sends too.
connections() {
	traced -o "$T/trace" -e trace=connect "$@" >/dev/null
	grep -c "\"$T/tpm.sock\"" "$T/trace"
}

commands_of_unseal() {
	local idle all
	idle=$(connections tss2_list)
	all=$(connections tss2_unseal -p "$1" -o "$T/opened" -f)
	echo $((all - idle))
}

# The interpreter that Debian's python3-tpm2-pytss belongs to.
with_pytss() {
	/usr/bin/python3 - "$@"
}

@test "the probe tells whether FAPI works, and changes nothing" {
	open_store
	fapi probe
	done_and '.connects and .provisioned == false and .profile == "P_ECCP256SHA256" and
		(.milliseconds | type) == "number"'
	[[ -z $(find "$T/fapi/system" "$T/fapi/user" -type f) ]]
	fapi provision
	done_and true
	fapi probe
	done_and '.provisioned'
}

@test "the probe is quick" {
	local i took best=60000 before after said
	open_store
	for i in 1 2 3 4 5; do
		before=$(date +%s%N)
		fapi probe
		after=$(date +%s%N)
		done_and '.milliseconds | type == "number"'
		took=$(((after - before) / 1000000))
		((took < best)) || continue
		best=$took
		said=$(jq .milliseconds "$T/answer")
	done
	echo "best of five: $best ms, $said of them at work"
	((best < 1000 && said <= best))
}

@test "on an empty TPM provisioning makes the SRK, and an unseal costs six commands" {
	for profile in P_ECCP256SHA256 P_RSA2048SHA256; do
		open_store "$profile"
		fapi provision
		done_and '.srk == "made" and .already == false and .profile == "'"$profile"'"'
		tpm2_readpublic -Q -c 0x81000001
		fapi provision
		done_and '.srk == "made" and .already == true'
		fapi seal /HS/SRK/six <<<hello
		done_and '.path == "/HS/SRK/six"'
		[[ $(commands_of_unseal /HS/SRK/six) == 6 ]]
		[[ $(cat "$T/opened") == hello ]]
		stop_swtpm
		rm -rf "$T/fapi" "$T/tpm"
	done
}

@test "an SRK that was there before is adopted, and an unseal costs six commands" {
	for profile in P_ECCP256SHA256:ecc256:aes128cfb P_RSA2048SHA256:rsa2048:aes128cfb; do
		open_store "${profile%%:*}"
		make_srk "${profile#*:}"
		fapi provision
		done_and '.srk == "adopted" and .already == false'
		fapi provision
		done_and '.srk == "adopted" and .already == true'
		fapi seal /HS/SRK/six <<<hello
		done_and true
		[[ $(commands_of_unseal /HS/SRK/six) == 6 ]]
		[[ $(cat "$T/opened") == hello ]]
		stop_swtpm
		rm -rf "$T/fapi" "$T/tpm"
	done
}

@test "what the helper sealed, tss2_unseal and pytss open" {
	need_pytss_fapi
	open_store
	fapi provision
	head -c 128 /dev/urandom >"$T/data"
	fapi seal /HS/SRK/big <"$T/data"
	done_and true
	tss2_unseal -p /HS/SRK/big -o "$T/opened"
	cmp "$T/data" "$T/opened"
	with_pytss "$T/data" <<-'PY'
		import sys
		from tpm2_pytss import FAPI
		with FAPI() as fapi:
		    assert fapi.unseal("/HS/SRK/big") == open(sys.argv[1], "rb").read()
	PY
	fapi list
	done_and '.objects == ["/HS/SRK/big"]'
}

@test "pytss seals and unseals in the shared store (AC-2)" {
	need_pytss_fapi
	open_store
	fapi provision
	with_pytss <<-'PY'
		from tpm2_pytss import FAPI
		with FAPI() as fapi:
		    fapi.create_seal("/HS/SRK/key", data=b"workload key", type_="noda")
		with FAPI() as fapi:
		    assert fapi.unseal("/HS/SRK/key") == b"workload key"
	PY
	fapi list
	done_and '.objects == ["/HS/SRK/key"]'
}

# show PATH: as src/fapi/object.c reads it.
show() {
	"$STORE" show "$T/fapi" "$1" >"$T/shown"
}

hex() {
	od -An -v -tx1 "$1" | tr -d ' \n'
}

# same_as_fapi PATH: the two halves are those that FAPI itself gives out.
same_as_fapi() {
	with_pytss "$1" "$T" <<-'PY'
		import sys
		from tpm2_pytss import FAPI
		with FAPI() as fapi:
		    public, private, _ = fapi.get_tpm_blobs(sys.argv[1])
		open(sys.argv[2] + "/public", "wb").write(public.marshal())
		open(sys.argv[2] + "/private", "wb").write(private.marshal())
	PY
	show "$1"
	[[ $(jq -r .public "$T/shown") == "$(hex "$T/public")" ]]
	[[ $(jq -r .private "$T/shown") == "$(hex "$T/private")" ]]
}

@test "our reader gets the bytes out of FAPI's objects that FAPI gets" {
	need_pytss_fapi
	for profile in P_ECCP256SHA256 P_RSA2048SHA256; do
		open_store "$profile"
		fapi provision
		printf secret >"$T/data"
		tss2_createseal -p /HS/SRK/plain -t noda -a '' -i "$T/data"
		tss2_createkey -p /HS/SRK/signer -t noda,sign -a ''
		tss2_createkey -p /HS/SRK/locked -t noda,decrypt -a password
		for path in /HS/SRK/plain /HS/SRK/signer /HS/SRK/locked; do
			same_as_fapi "$path"
		done
		jq -e '.sealed == 0 and .auth == 1 and .policy == 0' "$T/shown"
		show /HS/SRK/plain
		jq -e '.sealed == 1 and .auth == 0 and .policy == 0 and
			.parent_handle == 2164260865' "$T/shown"
		tpm2_readpublic -Q -c 0x81000001 -n "$T/name"
		[[ $(jq -r .parent_name "$T/shown") == "$(hex "$T/name")" ]]
		stop_swtpm
		rm -rf "$T/fapi" "$T/tpm"
	done
}

@test "the TPM itself opens what our reader got" {
	open_store
	make_srk ecc256:aes128cfb
	fapi provision
	done_and '.srk == "adopted"'
	printf secret >"$T/data"
	tss2_createseal -p /HS/SRK/plain -t noda -a '' -i "$T/data"
	show /HS/SRK/plain
	with_pytss "$T" <<-'PY'
		import json, sys
		shown = json.load(open(sys.argv[1] + "/shown"))
		for half in "public", "private":
		    open(sys.argv[1] + "/" + half, "wb").write(bytes.fromhex(shown[half]))
	PY
	tpm2_load -Q -C 0x81000001 -u "$T/public" -r "$T/private" -c "$T/object.ctx"
	tpm2_flushcontext -t
	[[ $(tpm2_unseal -c "$T/object.ctx") == secret ]]
}

@test "a policy is seen" {
	need_pytss_fapi
	open_store
	fapi provision
	with_pytss <<-'PY'
		import json
		from tpm2_pytss import FAPI
		policy = {"description": "", "policy": [{"type": "POLICYPCR", "currentPCRs": [16]}]}
		with FAPI() as fapi:
		    fapi.import_object("/policy/pcr", json.dumps(policy))
		    fapi.create_seal("/HS/SRK/bound", data=b"x", type_="noda", policy_path="/policy/pcr")
	PY
	same_as_fapi /HS/SRK/bound
	jq -e '.sealed == 1 and .policy == 1' "$T/shown"
}

@test "names are refused, taken and deleted" {
	open_store
	fapi list
	refused not_found Fapi_List
	fapi provision
	for path in /HS/SRK /HS/SRK/ /HE/EK /HS /LOCKOUT /HS/SRK/a/b /HS/SRK/.. /policy/x; do
		fapi delete "$path"
		refused invalid arguments
		fapi seal "$path" <<<x
		refused invalid arguments
	done
	fapi delete /HS/SRK/none
	refused not_found Fapi_Delete
	fapi seal /HS/SRK/one <<<hello
	done_and true
	fapi seal /HS/SRK/one <<<other
	refused conflict Fapi_CreateSeal
	[[ $(tss2_unseal -p /HS/SRK/one -o -) == hello ]]
	fapi delete /HS/SRK/one
	done_and true
	fapi list
	done_and '.objects == []'
	tpm2_readpublic -Q -c 0x81000001
}

# FAPI itself syncs nothing, and what is said to be gone must not come back after a power cut.
@test "a deletion is durable when it is told" {
	open_store
	fapi provision
	fapi seal /HS/SRK/one <<<hello
	traced -y -o "$T/trace" -e trace=unlink,rmdir,unlinkat,fsync "$FAPI" delete /HS/SRK/one
	grep -n 'SRK/one' "$T/trace" | tail -n 1 | cut -d: -f1 >"$T/gone"
	grep -n 'fsync(.*user/P_ECCP256SHA256/HS/SRK>) *= 0' "$T/trace" | tail -n 1 |
		cut -d: -f1 >"$T/synced"
	(($(cat "$T/synced") > $(cat "$T/gone")))
}

@test "data has its limits, and arguments their form" {
	open_store
	fapi provision
	fapi seal /HS/SRK/none </dev/null
	refused invalid data
	head -c 129 /dev/zero >"$T/data"
	fapi seal /HS/SRK/large <"$T/data"
	refused too_large data
	fapi seal
	refused invalid arguments
	fapi probe /HS/SRK/x
	refused invalid arguments
	fapi delete /HS/SRK/x /HS/SRK/y
	refused invalid arguments
	fapi unseal /HS/SRK/x
	refused invalid arguments
	fapi list
	done_and '.objects == []'
	"$FAPI" --help | grep -q usage
	"$FAPI" --version | grep -q '^holdfast-fapi [0-9]'
}

@test "another key at the SRK's handle is a conflict, and nothing is left behind" {
	open_store
	make_srk ecc256:aes128cfb 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt'
	fapi provision
	refused conflict Fapi_Provision
	stop_swtpm
	rm -rf "$T/fapi" "$T/tpm"
	open_store P_RSA2048SHA256
	make_srk ecc256:aes128cfb
	fapi provision
	refused conflict Fapi_Provision
	fapi probe
	done_and '.provisioned == false'
}

@test "a hierarchy's password is asked for by name, and provisioning works once it is gone" {
	for hierarchy in o:/HS e:/HE l:/LOCKOUT; do
		open_store
		tpm2_changeauth -Q -c "${hierarchy%%:*}" secret
		fapi provision
		refused owner_auth_required Fapi_Provision
		says ".text | contains(\"${hierarchy#*:} \")"
		fapi probe
		done_and '.provisioned == false'
		tpm2_changeauth -Q -c "${hierarchy%%:*}" -p secret
		tpm2_flushcontext -t
		fapi provision
		done_and '.already == false'
		stop_swtpm
		rm -rf "$T/fapi" "$T/tpm"
	done
}

@test "the store of another TPM is told apart" {
	open_store
	fapi provision
	fapi seal /HS/SRK/one <<<hello
	stop_swtpm
	start_swtpm other
	use_store
	fapi provision
	refused tpm_changed Esys_TR_FromTPMPublic
	fapi seal /HS/SRK/two <<<hello
	refused tpm_changed Fapi_CreateSeal
	# Accepting the TPM does not help this store.
	says '.remedy | contains("move its folder away")'
	make_srk ecc256:aes128cfb
	fapi provision
	refused tpm_changed Esys_TR_GetName
	says '.remedy | contains("move its folder away")'
}

# The connection at which it is killed stands for any moment: before, between and after the records.
@test "a provisioning that was killed at any command is completed by the next" {
	local i all
	open_store
	all=$(connections "$FAPI" provision)
	((all > 10))
	for ((i = 2; i <= all; i += 1)); do
		stop_swtpm
		rm -rf "$T/fapi" "$T/tpm"
		open_store
		traced -o /dev/null -e trace=connect -e "inject=connect:signal=KILL:when=$((i + 1))" \
			"$FAPI" provision >/dev/null 2>&1 || true
		tpm2_flushcontext -t
		tpm2_flushcontext -l
		fapi probe
		done_and true
		fapi provision
		done_and '.profile == "P_ECCP256SHA256"'
	done
	fapi seal /HS/SRK/six <<<hello
	done_and true
	[[ $(commands_of_unseal /HS/SRK/six) == 6 ]]
}

@test "damage in the store is told, and its hierarchy mended" {
	open_store
	fapi provision
	fapi seal /HS/SRK/one <<<hello
	fapi seal /HS/SRK/two <<<hello
	: >"$T/fapi/system/P_ECCP256SHA256/LOCKOUT/object.json"
	truncate -s 100 "$T/fapi/system/P_ECCP256SHA256/HS/SRK/object.json"
	fapi probe
	done_and '.provisioned == false'
	refute "$STORE" show "$T/fapi" /HS/SRK/one
	fapi provision
	done_and '.already == false'
	[[ $(tss2_unseal -p /HS/SRK/one -o -) == hello ]]
	truncate -s 200 "$T/fapi/user/P_ECCP256SHA256/HS/SRK/one/object.json"
	refute "$STORE" show "$T/fapi" /HS/SRK/one
	fapi delete /HS/SRK/one
	refused damaged Fapi_Delete
	[[ $(tss2_unseal -p /HS/SRK/two -o -) == hello ]]
}

# Temporary files of a helper that was killed must not keep its folder from being made anew.
@test "a provisioning is made anew over what a kill left behind" {
	open_store
	fapi provision
	fapi seal /HS/SRK/one <<<hello
	for record in HS/SRK HE/EK; do
		touch "$T/fapi/system/P_ECCP256SHA256/$record/.tmp-1-1"
	done
	: >"$T/fapi/system/P_ECCP256SHA256/HE/EK/object.json"
	fapi provision
	done_and '.already == false'
	[[ -z $(find "$T/fapi" -name '.tmp-*') ]]
	[[ $(tss2_unseal -p /HS/SRK/one -o -) == hello ]]
}

# FAPI takes every file for an object, so a kill must find none of ours beside its own.
@test "sealing makes no file but the record, and syncs it" {
	open_store
	fapi provision
	traced -y -o "$T/trace" -e trace=openat,fsync "$FAPI" seal /HS/SRK/one <<<hello
	grep -q 'fsync(.*/user/.*/HS/SRK/one/object.json>) *= 0' "$T/trace"
	grep -q 'fsync(.*/user/.*/HS/SRK/one>) *= 0' "$T/trace"
	grep -q 'fsync(.*/user/.*/HS/SRK>) *= 0' "$T/trace"
	refute grep -q '\.tmp-' "$T/trace"
}

@test "a lock of another program is a conflict, and no deadlock" {
	open_store
	fapi provision
	mkfifo "$T/locked" "$T/release"
	helper /usr/bin/python3 -c '
import fcntl, sys
record = open(sys.argv[1] + "/fapi/system/P_ECCP256SHA256/HS/SRK/object.json", "r+")
fcntl.lockf(record, fcntl.LOCK_EX)
open(sys.argv[1] + "/locked", "w").write("x")
open(sys.argv[1] + "/release").read()' "$T"
	cat "$T/locked" >/dev/null
	fapi seal /HS/SRK/one <<<hello
	refused conflict Fapi_CreateSeal
	echo >"$T/release"
	wait_until is_gone "${HELPERS[0]}"
	fapi seal /HS/SRK/one <<<hello
	done_and true
}

@test "without a TPM, a configuration or a profile the step is named" {
	open_store
	stop_swtpm
	fapi probe
	refused tpm_failed Fapi_Initialize
	start_swtpm
	TSS2_FAPICONF=fapi-config.json fapi probe
	refused invalid configuration
	TSS2_FAPICONF=$T/none/fapi-config.json fapi probe
	refused not_found configuration
	rm "$T"/fapi/profiles/*.json
	fapi probe
	[[ $STATUS == 1 ]]
	says '.step == "Fapi_Initialize"'
	echo '{' >"$T/fapi/fapi-config.json"
	fapi probe
	refused damaged configuration
}

landlock_works() {
	local answer
	answer=$("$FAPI" probe)
	[[ $(jq -r .confined <<<"$answer") == true ]]
}

@test "confined, it touches nothing outside of its folder" {
	open_store
	landlock_works || skip "this kernel has no Landlock"
	mkdir "$T/outside"
	jq --arg dir "$T/outside" '.user_dir = $dir' "$T/fapi/fapi-config.json" >"$T/edited"
	cp "$T/edited" "$T/fapi/fapi-config.json"
	fapi provision
	fapi seal /HS/SRK/one <<<hello
	[[ $STATUS == 1 ]]
	says '.ok == false'
	[[ -z $(find "$T/outside" -mindepth 1) ]]
}

@test "on a kernel without Landlock it works, and says so" {
	open_store
	for error in ENOSYS EOPNOTSUPP; do
		traced -o /dev/null -e trace=landlock_create_ruleset \
			-e "inject=landlock_create_ruleset:error=$error" \
			"$FAPI" probe >"$T/answer"
		says '.ok and .connects and .confined == false'
	done
}

@test "it cannot be looked into and leaves no core" {
	local pid
	open_store
	mkfifo "$T/data"
	"$FAPI" seal /HS/SRK/one <"$T/data" >"$T/answer" 3>&- &
	pid=$!
	HELPERS+=("$pid")
	exec 4>"$T/data"
	# Whoever is confined already sees the first at once.
	wait_until grep -q '^NoNewPrivs:.1' "/proc/$pid/status"
	wait_until grep -q '^Max core file size *0 *0' "/proc/$pid/limits"
	wait_until grep -q '^Max open files *64 *64' "/proc/$pid/limits"
	wait_until grep -q '^Umask:.0077' "/proc/$pid/status"
	exec 4>&-
	wait "$pid" || true
	says '.code == "invalid" and .step == "data"'
}
