#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `holdfast tpm2 check` on machines that differ from their configuration in one thing each. A machine is
# a private root: /etc, /run and /var/lib of the test, the programs of this one. What stands for the
# service's socket is a chip itself, where the service is not asked for more.

bats_require_minimum_version 1.5.0
load helpers
load broker
load tpm2

bare_machine() {
	mkdir -p "$T/root/etc/tpm2-tss" "$T/root/run" "$T/root/var/lib/dpkg"
	cp -r /etc/tpm2-tss/fapi-profiles "$T/root/etc/tpm2-tss/"
	{
		printf 'Package: profiles\nStatus: install ok installed\nConffiles:\n'
		(cd "$T/root" && md5sum etc/tpm2-tss/fapi-profiles/*) | sed -E 's|(.*)  (.*)| /\2 \1|'
	} >"$T/root/var/lib/dpkg/status"
	cp /etc/ld.so.cache /etc/nsswitch.conf "$T/root/etc/"
	printf '%s\n' root:x:0:0::/root:/bin/sh tss:x:4242:4243::/:/bin/false \
		nobody:x:65534:65534::/:/bin/false >"$T/root/etc/passwd"
	printf '%s\n' root:x:0: tss:x:4243: holdfast:x:4244: holdfast-tpm:x:4245: nogroup:x:65534: >"$T/root/etc/group"
}

# machine [LINE..]: as configured and applied, in $T/root, with a chip at the service's socket.
machine() {
	[[ $(id -u) == 0 ]] || skip "needs root"
	need_program bwrap tpm2_getrandom p11-kit systemd-tmpfiles
	[[ -d $T/root ]] || bare_machine
	SCENE=()
	[[ -n $SWTPM_PID ]] || start_swtpm run/tpm
	configure "$@"
	tpm2 0 apply --root "$T/root"
	systemd-tmpfiles --root="$T/root" --create "$T/root$TMPFILES"
}
GOOD=('pkcs11 { enable = true }' 'tctiEnvironment { enable = true  interface = "holdfast" }'
	'fapi { ekCertLess = true }')

# configure LINE..: the file alone.
configure() {
	conf "$@"
	printf 'paths { run = "%s" }\n' "$T/run" >>"$T/conf"
}

# on_machine COMMAND..: there, with what $SCENE says besides.
on_machine() {
	bwrap --ro-bind / / --dev /dev --proc /proc --bind "$T/root/run" /run --tmpfs /tmp \
		--ro-bind "$BUILD" "$BUILD" \
		--bind "$T/root/etc" /etc --bind "$T/root/var/lib" /var/lib --bind "$T" "$T" --unshare-pid \
		--tmpfs /usr/share/p11-kit/modules --setenv TSS2_LOG all+NONE "${SCENE[@]}" "$@"
}

# check STATUS: both as JSON, $T/out, and as text, $T/text, which say the same.
check() {
	local expected=$1 status=0
	on_machine "$HOLDFAST" tpm2 check --config "$T/conf" --json >"$T/out" 2>"$T/err" || status=$?
	[[ $status == "$expected" && ! -s $T/err ]] || {
		echo "exit $status instead of $expected"
		cat "$T/out" "$T/err"
		return 1
	}
	jq -e --argjson status "$status" '(.good == ($status == 0)) and
		.good == all(.checks[]; .state != "fail") and
		all(.checks[]; (.id | test("^[a-z0-9-]+$")) and (.found | length > 0) and
			(.state | IN("ok", "info", "warn", "fail")) and
			(.state | IN("ok", "info")) or (.remedy | length > 0))' "$T/out" >/dev/null
	jq -r '.checks[] | .id + " " + .state' "$T/out" >>"$BATS_FILE_TMPDIR/seen"
}

# check_text STATUS: the text after check().
check_text() {
	local status=0
	on_machine "$HOLDFAST" tpm2 check --config "$T/conf" >"$T/text" 2>"$T/err" || status=$?
	[[ $status == "$1" && ! -s $T/err ]]
	diff <(jq -r '.checks[] | .state + " " + .id + " " + .found' "$T/out") \
		<(sed -nE 's/^(ok|info|warn|fail) +([a-z0-9-]+) +(.*)/\1 \2 \3/p' "$T/text")
	diff <(jq -r '.checks[].remedy // empty' "$T/out") <(sed -n 's/^      try: //p' "$T/text")
}

# is ID STATE [TEXT]: as the last check() told.
is() {
	jq -e --arg id "$1" --arg state "$2" --arg text "${3:-}" \
		'[.checks[] | select(.id == $id)] | length == 1 and .[0].state == $state and
			(.[0].found | contains($text))' "$T/out" >/dev/null || {
		echo "not $2: $1 ${3:-}"
		jq -c --arg id "$1" '.checks[] | select(.id == $id)' "$T/out"
		return 1
	}
}

# nothing_of ID: it has no finding.
nothing_of() {
	jq -e --arg id "$1" 'all(.checks[]; .id != $id)' "$T/out" >/dev/null
}

# with_node NAME OWNER GROUP MODE: a device of that name; it is /dev/null behind it.
with_node() {
	rm -f "$T/$1"
	mknod "$T/$1" c 1 3
	chown "$2:$3" "$T/$1"
	chmod "$4" "$T/$1"
	SCENE+=(--dev-bind "$T/$1" "/dev/$1")
}

# in_place_of TOOL TEXT: a script of that name. Where many tools are one program with many links to it,
# the others fail.
in_place_of() {
	local path only=
	path=$(readlink -f "$(command -v "$1")")
	[[ ${path##*/} == "$1" ]] || only="[ \"\${0##*/}\" = $1 ] || exit 1"
	printf '#!/bin/sh\n%s\n%s\n' "$only" "$2" >"$T/tool.$1"
	chmod 755 "$T/tool.$1"
	SCENE+=(--ro-bind "$T/tool.$1" "$path")
}

@test "a machine that is as configured, and one that has nothing configured" {
	local id
	machine "${GOOD[@]}"
	SCENE=(--setenv TPM2TOOLS_TCTI "swtpm:path=$T/run/tpm.sock"
		--setenv TPM2_PKCS11_TCTI "swtpm:path=$T/run/tpm.sock"
		--setenv TPM2OPENSSL_TCTI "swtpm:path=$T/run/tpm.sock")
	check 0
	check_text 0
	for id in tpm2 file-udev-rules file-udev-trigger file-udev-wanted file-sysusers file-tmpfiles \
		file-pkcs11-module file-profile file-environment file-fapi-config tss-user tss-group \
		holdfast-group member resource-manager tcti-tools tcti-pkcs11 tcti-openssl tcti fapi-profile \
		fapi-system-dir ek-certificate lockout pkcs11-module pkcs11-store; do
		is "$id" ok
	done
	nothing_of file-abrmd-unit
	nothing_of abrmd
	conf_text 'tpm2 { enable = false }'
	tpm2 0 apply --root "$T/root"
	SCENE=()
	# Nothing of it is missing, but tools find no way themselves: that is what fails, if anything.
	on_machine "$HOLDFAST" tpm2 check --config "$T/conf" --json >"$T/out" || true
	jq -r '.checks[] | .id + " " + .state' "$T/out" >>"$BATS_FILE_TMPDIR/seen"
	is tpm2 info
	[[ $(jq -r '.checks[] | select(.state == "fail") | .id' "$T/out") =~ ^(tcti)?$ ]]
}

@test "wrong configurations, wrong usage" {
	machine
	conf 'nonsense = 1'
	tpm2 2 check
	grep -q 'conf:3: ' "$T/err"
	tpm2 2 check --json
	conf
	tpm2 2 check more
	tpm2 2 check --force
	run -2 "$HOLDFAST" tpm2 check --config "$T/none"
}

@test "each file: absent, edited, somebody else's, of an earlier configuration, left over" {
	local path id ids=(udev-rules udev-trigger udev-wanted sysusers tmpfiles abrmd-unit abrmd-wanted
		abrmd-bus pkcs11-module profile environment fapi-config fapi-ecc fapi-rsa)
	local paths=("${UDEV[@]}" "$SYSUSERS" "$TMPFILES" "${ABRMD[@]}" "$PKCS11_MODULE" "${TCTIS[@]}"
		"$FAPI_CONFIG" "${FAPI_PROFILES[@]}")
	machine "${EVERYTHING[@]}"
	cp -a "$T/root" "$T/applied"
	for path in "${paths[@]}"; do
		rm "$T/root$path"
	done
	check 1
	check_text 1
	for id in "${ids[@]}"; do
		is "file-$id" fail
	done
	rm -rf "$T/root" && cp -a "$T/applied" "$T/root"
	for path in "${paths[@]}"; do
		if [[ -L $T/root$path ]]; then
			ln -sfn /dev/null "$T/root$path"
		else
			echo '# mine' >>"$T/root$path"
		fi
	done
	check 1
	for id in "${ids[@]}"; do
		is "file-$id" warn edited
	done
	echo '# mine' >>"$T/root$LEDGER"
	check 1
	is ledger fail
	rm "$T/root$LEDGER"
	check 1
	for id in "${ids[@]}"; do
		is "file-$id" warn "else's"
	done
	rm -rf "$T/root" && cp -a "$T/applied" "$T/root"
	configure "${EVERYTHING[@]}" 'tssUser = "nobody"'
	check 1
	is file-udev-rules fail
	is file-udev-trigger fail
	is file-tmpfiles fail
	is file-profile ok
	configure
	check 1
	is file-profile warn
	is file-pkcs11-module warn
	is file-abrmd-unit warn
	is file-udev-wanted ok
}

@test "accounts and nodes" {
	machine "${GOOD[@]}" 'tssUser = "tss"'
	with_node tpm0 4242 4245 660
	with_node tpmrm0 0 4243 660
	check 0
	is device-tpm0 ok
	is device-tpmrm0 ok
	is tpm-owner info
	nothing_of device
	SCENE=()
	with_node tpm0 0 0 666
	with_node tpmrm0 0 0 600
	check 1
	is device-tpm0 fail
	is device-tpmrm0 fail
	SCENE=(--ro-bind "$T/conf" /dev/tpm0)
	check 1
	is device-tpm0 fail 'no device'
	SCENE=()
	sed -i '/^tss/d' "$T/root/etc/passwd"
	sed -i '/^tss\|^holdfast/d' "$T/root/etc/group"
	check 1
	is tss-user fail
	is tss-group fail
	is holdfast-group fail
	is device info
	# One who is in no group.
	rm -r "$T/root"
	machine "${GOOD[@]}"
	chmod 755 "$T" "$T/root"
	SCENE=(--unshare-user --uid 65534 --gid 65534)
	check 1 || check 0
	is member warn
	# Tools that are sent to a device, of which there is none.
	machine 'tctiEnvironment { enable = true }'
	check 1
	is device fail
	is tcti fail
	is resource-manager info
}

@test "who has the chip, and tpm2-abrmd" {
	machine "${GOOD[@]}" 'tssUser = "tss"'
	with_node tpm0 4242 4245 660
	mkdir "$T/bin"
	# held NAME: by a program of that name.
	held() {
		cp /bin/sleep "$T/bin/$1"
		on_machine sh -c '"$1" 60 3<>/dev/tpm0 & shift; "$@"; s=$?; kill $!; exit $s' sh "$T/bin/$1" \
			"$HOLDFAST" tpm2 check --config "$T/conf" --json >"$T/out" || true
		jq -r '.checks[] | .id + " " + .state' "$T/out" >>"$BATS_FILE_TMPDIR/seen"
	}
	held thief
	is tpm-owner fail thief
	held tpm2-abrmd
	is tpm-owner fail
	is abrmd info
	held holdfastd
	is tpm-owner ok
	machine 'abrmd { enable = true  package = "/opt/none" }' \
		'tctiEnvironment { enable = true  interface = "tabrmd" }'
	check 1
	is abrmd fail
	is resource-manager ok
	machine 'abrmd { enable = true }' 'tctiEnvironment { enable = true  interface = "tabrmd" }'
	check 1
	is abrmd warn # there is no bus to ask
	is resource-manager ok
	configure 'abrmd { enable = true }' \
		'tctiEnvironment { enable = true  interface = "tabrmd"  tabrmdConf = "bus_name=com.example.T" }'
	check 1
	is resource-manager fail com.example.T
	configure 'tctiEnvironment { enable = true  interface = "tabrmd" }'
	check 1
	is resource-manager warn
	configure 'tctiEnvironment { enable = true  interface = "device" deviceConf = "/dev/tpm0" }'
	check 1
	is resource-manager fail
}

@test "where the tools are sent, and whether a TPM answers there" {
	local id
	machine "${GOOD[@]}"
	check 0
	for id in tcti-tools tcti-pkcs11 tcti-openssl; do
		is "$id" warn
	done
	SCENE=(--setenv TPM2TOOLS_TCTI "swtpm:path=$T/run/tpm.sock" --setenv TPM2_PKCS11_TCTI device:/dev/tpm9
		--setenv TPM2OPENSSL_TCTI "$(printf 'x\033[2J%.0s' {1..500})")
	check 0
	check_text 0
	is tcti-tools ok
	is tcti-pkcs11 warn tpm9
	is tcti-openssl warn
	refute grep -q $'\033' "$T/text"
	SCENE=()
	stop_swtpm
	check 1
	is tcti fail
	is ek-certificate info
	is srk info
	is lockout info
}

@test "a tool that hangs, or is not there, holds nothing up, and nothing of it stays" {
	local start
	machine "${GOOD[@]}"
	in_place_of tpm2_getrandom 'trap "" TERM HUP; sleep 987654 & sleep 987654'
	start=$SECONDS
	check 1
	is tcti fail
	((SECONDS - start < 40))
	refute pgrep -f 'sleep 98765[4]'
	SCENE=()
	in_place_of tpm2_getrandom ''
	chmod 644 "$T/tool.tpm2_getrandom"
	in_place_of p11-kit 'mkdir -p "$TPM2_PKCS11_STORE/a/b"; exit 1'
	on_machine sh -c '"$@"; s=$?; ! ls -d /tmp/holdfast-check-* 2>/dev/null || exit 99; exit $s' sh \
		"$HOLDFAST" tpm2 check --config "$T/conf" --json >"$T/out"
	is tcti info
	is pkcs11-module warn
}

@test "what ends the check ends its tool, and removes its folder" {
	local status=0
	machine "${GOOD[@]}"
	in_place_of tpm2_getrandom ''
	chmod 644 "$T/tool.tpm2_getrandom"
	in_place_of p11-kit 'mkdir -p "$TPM2_PKCS11_STORE/a/b"; kill -TERM $PPID; exec sleep 987653'
	on_machine sh -c '"$@"; s=$?; ! ls -d /tmp/holdfast-check-* 2>/dev/null || exit 99
		! pgrep -f "sleep 98765[3]" >/dev/null || exit 98; exit $s' sh \
		"$HOLDFAST" tpm2 check --config "$T/conf" >"$T/out" || status=$?
	[[ $status == 143 ]]
}

@test "FAPI: profile, folders and store" {
	machine "${GOOD[@]}"
	check 0
	is fapi-keystore info
	chmod 700 "$T/root/var/lib/tpm2-tss/system/keystore" "$T/root/run/tpm2-tss/eventlog"
	check 0
	is fapi-system-dir warn
	is fapi-log-dir warn
	rm -r "$T/root/var/lib/tpm2-tss" "$T/root/run/tpm2-tss"
	check 1 || check 0
	refute is fapi-system-dir ok
	refute is fapi-log-dir ok
	rm "$T/root$FAPI_ECC"
	check 1
	is fapi-profile fail
	is file-fapi-ecc fail
}

@test "the chip: certificate of the EK, SRK, lockout" {
	machine "${GOOD[@]}"
	check 0
	is ek-certificate ok
	is srk info
	configure "${GOOD[@]:0:2}"
	check 1 || check 0
	is ek-certificate warn
	configure "${GOOD[@]}"
	tpm2 0 apply --root "$T/root"
	# Of the profile's algorithm, without and with noda, and of another one.
	srk() {
		tools tpm2_evictcontrol -Q -C o -c 0x81000001 2>/dev/null || true
		tools tpm2_createprimary -Q -C o -G "$1" -c "$T/srk.ctx" \
			-a "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt$2"
		tools tpm2_evictcontrol -Q -C o -c "$T/srk.ctx" 0x81000001
		tools tpm2_flushcontext -t
	}
	srk ecc256 '|noda'
	check 0
	is srk ok
	srk ecc256 ''
	check 0
	is srk info
	srk rsa2048 '|noda'
	check 0
	is srk warn
	tools tpm2_dictionarylockout -Q -s -n 2 -t 10000 -l 10000
	tools tpm2_createprimary -Q -C o -p secret -c "$T/locked.ctx"
	for _ in 1 2; do
		refute tools tpm2_create -Q -C "$T/locked.ctx" -P wrong -u "$T/u" -r "$T/r" 2>/dev/null
	done
	check 1
	is lockout fail
}

@test "PKCS#11: the module and the store" {
	machine "${GOOD[@]}"
	check 0
	is pkcs11-module ok
	chmod 755 "$T/root/etc/tpm2_pkcs11"
	check 0
	is pkcs11-store warn
	rm -r "$T/root/etc/tpm2_pkcs11" "$T/root$PKCS11_MODULE"
	check 1
	is pkcs11-store fail
	is pkcs11-module fail
	is file-pkcs11-module fail
}

@test "tools that reach another TPM than the service's" {
	# The service knows an EK that the chip keeps.
	start_swtpm
	tools tpm2_createek -Q -G rsa -c 0x81010001
	tools tpm2_flushcontext -t
	write_config 'provider = "tpm"' 'tenant host { broker = "standard" }'
	start_daemon
	start_bare
	machine 'tctiEnvironment { enable = true  interface = "holdfast" }' 'fapi { ekCertLess = true }'
	check 0
	is same-tpm ok
	# The configured way leads to another chip, and the service is asked by its own socket.
	mkdir "$T/other"
	ln "$T/bare.sock" "$T/other/tpm.sock"
	ln "$T/bare.sock.ctrl" "$T/other/tpm.sock.ctrl"
	conf 'tctiEnvironment { enable = true  interface = "holdfast" }' 'fapi { ekCertLess = true }'
	printf 'paths { run = "%s" }\n' "$T/other" >>"$T/conf"
	tpm2 0 apply --root "$T/root"
	SCENE=(--setenv HOLDFAST_SOCKET "$T/run/holdfast.sock")
	check 0
	is same-tpm warn
}

# Last: what all the tests above have seen.
@test "each id that the documentation has for check was provoked, and no other is told" {
	local documented
	[[ -s $BATS_FILE_TMPDIR/seen ]] || skip "the other tests were not run"
	documented=$(sed -nE 's/^\| `([a-z0-9-]+)` \|( doctor,)? check \|.*/\1/p' "$ROOT/docs/DOCTOR.md" | sort)
	[[ $(wc -l <<<"$documented") -gt 30 ]]
	diff <(echo "$documented") <(grep -v ' ok$' "$BATS_FILE_TMPDIR/seen" | cut -d ' ' -f 1 | sort -u)
	[[ -z $(comm -13 <(echo "$documented") <(cut -d ' ' -f 1 "$BATS_FILE_TMPDIR/seen" | sort -u)) ]]
}
