#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What `holdfast tpm2` renders, as those take it for whom it is: FAPI's tools, tpm2-abrmd, D-Bus, shells,
# p11-kit, udev and systemd, each the real one.

bats_require_minimum_version 1.5.0
load helpers
load broker
load tpm2

# overlaid COMMAND..: with the rendered /etc in the place of the machine's; accounts as they are here.
overlaid() {
	cp /etc/passwd /etc/group /etc/ld.so.cache "$T/tree/etc/"
	getent group holdfast >/dev/null || echo 'holdfast:x:4343:' >>"$T/tree/etc/group"
	getent group holdfast-tpm >/dev/null || echo 'holdfast-tpm:x:4344:' >>"$T/tree/etc/group"
	getent group tss >/dev/null || echo 'tss:x:4344:' >>"$T/tree/etc/group"
	getent passwd tss >/dev/null || echo 'tss:x:4344:4344::/:/bin/false' >>"$T/tree/etc/passwd"
	bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /run --bind "$T" "$T" \
		--ro-bind "$T/tree/etc" /etc "$@"
}

# --- FAPI ---

# fapi_conf PROFILE [LINE..]: with stores and log of this test, and the chip of start_swtpm().
fapi_conf() {
	local profile=$1
	shift
	mkdir -p "$T/store"/{system,user,log}
	render "fapi { profileName = \"$profile\"  tcti = \"$TCTI\"  systemPcrs = {\"0\", \"23\"}" \
		"systemDir = \"$T/store/system\"  userDir = \"$T/store/user\"" \
		"logDir = \"$T/store/log\" $* }"
}

fapi_tool() {
	local -x TSS2_FAPICONF=$T/tree$FAPI_CONFIG TSS2_LOG=all+NONE
	"$@"
}

fapi_works() {
	need_program tss2_provision tss2_createseal tss2_unseal
	start_swtpm
	fapi_conf "$1" 'ekCertLess = true'
	fapi_tool tss2_provision
	printf 'geheim' >"$T/plain"
	fapi_tool tss2_createseal -p /HS/SRK/sealed -t noda -a '' -i "$T/plain"
	fapi_tool tss2_unseal -p /HS/SRK/sealed -o "$T/opened"
	cmp "$T/plain" "$T/opened"
	# It went where the configuration says, by the profile that it names.
	[[ -n $(find "$T/store/system" -type f -path "*$1*") ]]
	fapi_tool tss2_list -p /HS/SRK | grep -q /HS/SRK/sealed
}

@test "FAPI provisions and seals by the rendered configuration (P_ECCP256SHA256)" {
	fapi_works P_ECCP256SHA256
}

@test "FAPI provisions and seals by the rendered configuration (P_RSA2048SHA256)" {
	fapi_works P_RSA2048SHA256
}

@test "FAPI wants a certificate of the EK where ekCertLess is false or is not set" {
	local line
	need_program tss2_provision
	start_swtpm
	for line in 'ekCertLess = false' ''; do
		fapi_conf P_ECCP256SHA256 "$line"
		refute fapi_tool tss2_provision
		rm -rf "$T/store"
	done
	fapi_conf P_ECCP256SHA256 'ekCertLess = true'
	fapi_tool tss2_provision
}

@test "FAPI takes a chip without a certificate by its rendered fingerprint, and no other chip" {
	local print
	need_program tss2_provision tpm2_createek
	start_swtpm
	tools tpm2_createek -Q -G ecc -c "$T/ek.ctx"
	tools tpm2_readpublic -Q -c "$T/ek.ctx" -f der -o "$T/ek.der"
	tools tpm2_flushcontext -t
	print=$(sha256sum <"$T/ek.der" | cut -d ' ' -f 1)
	fapi_conf P_ECCP256SHA256 "ekFingerprint = \"${print//[0-9]/a}\""
	refute fapi_tool tss2_provision
	rm -rf "$T/store"
	fapi_conf P_ECCP256SHA256 "ekFingerprint = \"$print\""
	fapi_tool tss2_provision
}

@test "FAPI reaches the chip by the service's socket" {
	need_program tss2_provision
	raw_daemon 'tenant host { broker = "provision" }'
	TCTI=swtpm:path=$T/run/tpm.sock
	# The packages' profiles make another SRK than the service's, which is at the same handle.
	fapi_conf P_ECCP256SHA256 'ekCertLess = true'
	refute fapi_tool tss2_provision
	rm -rf "$T/store"
	mkdir -p "$T/store"/{system,user,log}
	render 'tctiEnvironment { enable = true  interface = "holdfast" }' \
		"fapi { tcti = \"$TCTI\"  systemDir = \"$T/store/system\"  userDir = \"$T/store/user\"" \
		"logDir = \"$T/store/log\"  ekCertLess = true }"
	fapi_tool overlaid tss2_provision
	printf x >"$T/plain"
	fapi_tool overlaid tss2_createseal -p /HS/SRK/sealed -t noda -a '' -i "$T/plain"
	fapi_tool overlaid tss2_unseal -p /HS/SRK/sealed -o "$T/opened"
	cmp "$T/plain" "$T/opened"
}

# --- tpm2-abrmd on a bus of its own ---

# bus: dbus-daemon with the rendered policy in the manner of the system's, which forbids everything.
bus() {
	cat >"$T/bus.conf" <<-EOF
		<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
		 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
		<busconfig>
		<type>system</type>
		<listen>unix:path=$T/bus</listen>
		<auth>EXTERNAL</auth>
		<policy context="default">
		<allow user="*"/>
		<deny own="*"/>
		<deny send_type="method_call"/>
		<allow send_type="signal"/>
		<allow send_requested_reply="true" send_type="method_return"/>
		<allow send_requested_reply="true" send_type="error"/>
		<allow receive_type="method_call"/>
		<allow receive_type="method_return"/>
		<allow receive_type="error"/>
		<allow receive_type="signal"/>
		<allow send_destination="org.freedesktop.DBus"/>
		</policy>
		${1:+<includedir>$1</includedir>}
		</busconfig>
	EOF
	dbus-daemon --config-file="$T/bus.conf" --nofork --nopidfile >"$T/bus.log" 2>&1 3>&- &
	HELPERS+=($!)
	wait_until listens "$T/bus"
	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/bus
}

abrmd_owned() {
	dbus-send --system --print-reply --dest=org.freedesktop.DBus / \
		org.freedesktop.DBus.NameHasOwner string:com.intel.tss2.Tabrmd 2>/dev/null | grep -q true
}

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

# Starts what the unit says, as whom it says: group holdfast is whose the service's socket is here.
abrmd() {
	local words user group
	mapfile -t words < <("$ROOT/tests/integration/exec_words.py" "$T/tree$ABRMD_UNIT")
	user=$(sed -n 's/^User=//p' "$T/tree$ABRMD_UNIT")
	group=$(sed -n 's/^Group=//p' "$T/tree$ABRMD_UNIT")
	[[ ${#words[@]} == 2 && $user == tss && $group == tss ]]
	chown "0:$SOCKET_GROUP" "$T/run/"tpm.sock{,.ctrl}
	chmod 660 "$T/run/"tpm.sock{,.ctrl}
	chmod 755 "$T" "$T/run"
	setpriv --reuid "$user" --regid "$group" --groups "$SOCKET_GROUP" "${words[@]}" \
		>"$T/abrmd.log" 2>&1 3>&- &
	HELPERS+=($!)
	wait_until abrmd_owned || {
		cat "$T/abrmd.log"
		return 1
	}
}
SOCKET_GROUP=47110

abrmd_conf() {
	conf_text "paths { run = \"$T/run\" }
		tpm2 { enable = true  abrmd { enable = true }
		tctiEnvironment { enable = true  interface = \"$1\" } }"
	rm -rf "$T/tree"
	tpm2 0 render --root "$T/tree"
}

# by SHELL-WORDS..: with the environment that a login shell has from the rendered file.
by_sh() {
	sh -c '. "$1" && shift && exec "$@"' sh "$T/tree$PROFILE" "$@"
}

@test "tpm2-abrmd runs by the rendered unit and policy on the service's socket, and tools reach it" {
	need_program tpm2-abrmd dbus-daemon tpm2_getrandom setpriv
	[[ $(id -u) == 0 ]] || skip "needs root"
	getent passwd tss >/dev/null || skip "there is no user tss"
	raw_daemon 'tenant host { broker = "provision" }'
	abrmd_conf tabrmd
	# Without the policy the name is nobody's.
	chmod 755 "$T"
	bus
	run timeout 20 setpriv --reuid tss --regid tss --groups "$SOCKET_GROUP" \
		tpm2-abrmd "--tcti=swtpm:path=$T/run/tpm.sock"
	refute abrmd_owned
	stop_helpers
	rm -f "$T/bus"
	bus "$T/tree${ABRMD_BUS%/*}"
	abrmd
	[[ $(TSS2_LOG=all+NONE by_sh tpm2_getrandom --hex 20 | wc -c) == 40 ]]
	by_sh tpm2_createprimary -Q -C o -c "$T/primary.ctx"
	by_sh tpm2_getcap properties-fixed | grep -q TPM2_PT
	# Members of group tss as well, others not; and nobody else may take its name.
	[[ $(setpriv --reuid 65534 --regid tss --clear-groups sh -c \
		'. "$1" && tpm2_getrandom --hex 8' sh "$T/tree$PROFILE" | wc -c) == 16 ]]
	refute as_nobody sh -c '. "$1" && TSS2_LOG=all+NONE tpm2_getrandom --hex 8' sh "$T/tree$PROFILE"
	refute as_nobody dbus-send --system --print-reply --dest=org.freedesktop.DBus / \
		org.freedesktop.DBus.RequestName string:com.intel.tss2.Tabrmd uint32:4
	# The service has the chip all the while.
	ends 0 random --hex 4
	grep -q '^[0-9a-f]*$' "$T/out"
}

@test "tools, OpenSSL and p11-kit reach the service's socket by the rendered variables" {
	need_program tpm2_getrandom openssl p11-kit
	raw_daemon 'tenant host { broker = "provision" }'
	conf_text "paths { run = \"$T/run\" } tpm2 { enable = true  pkcs11 { enable = true }
		tctiEnvironment { enable = true  interface = \"holdfast\" } }"
	tpm2 0 render --root "$T/tree"
	[[ $(by_sh tpm2_getrandom --hex 20 | wc -c) == 40 ]]
	# Each reads a variable of its own.
	[[ $(env -i PATH="$PATH" sh -c '. "$1" && unset TPM2TOOLS_TCTI TPM2_PKCS11_TCTI &&
		openssl rand -provider tpm2 -propquery "provider=tpm2" -hex 10' sh "$T/tree$PROFILE" |
		tr -d '\n' | wc -c) == 20 ]]
	# Of modules just the rendered one is there, and its library answers.
	mkdir "$T/store"
	# shellcheck disable=SC1090
	(
		. "$T/tree$PROFILE"
		unset TPM2TOOLS_TCTI TPM2OPENSSL_TCTI
		export TPM2_PKCS11_STORE=$T/store HOME=$T TSS2_LOG=all+NONE
		overlaid --tmpfs /usr/share/p11-kit/modules p11-kit list-modules >"$T/modules" 2>"$T/said"
		rm "$T/tree$PKCS11_MODULE"
		overlaid --tmpfs /usr/share/p11-kit/modules p11-kit list-modules >"$T/without" 2>&1
	)
	# p11-kit 0.24: "NAME: FILE"; later: "module: NAME", and below it "path: FOLDER/FILE".
	grep -Eq '^tpm2_pkcs11: libtpm2_pkcs11.so|^module: tpm2_pkcs11$' "$T/modules"
	grep -q 'libtpm2_pkcs11\.so' "$T/modules"
	sed -En '/^tpm2_pkcs11:|^module: tpm2_pkcs11$/,/^[^ ]/p' "$T/modules" | grep -q 'library-manufacturer: tpm2-software'
	refute grep tpm2_pkcs11 "$T/without"
}

@test "a login shell has the rendered variables" {
	local shell
	render 'tctiEnvironment { enable = true  interface = "device"  deviceConf = "/dev/tpm7" }'
	# What Debian's /etc/profile does with the folder.
	echo 'for i in /etc/profile.d/*.sh; do [ ! -r "$i" ] || . "$i"; done' >"$T/tree/etc/profile"
	for shell in "bash -l -c" "sh -l -c" "dash -l -c" "bash -e -u -l -c"; do
		# shellcheck disable=SC2086
		[[ $(overlaid --clearenv --setenv PATH /usr/bin $shell \
			'echo "$TPM2TOOLS_TCTI|$TPM2_PKCS11_TCTI|$TPM2OPENSSL_TCTI"') == \
			"device:/dev/tpm7|device:/dev/tpm7|device:/dev/tpm7" ]]
	done
}

# --- udev ---

# A /sys with both nodes of a chip, as the kernel has them.
fake_sys() {
	local node class name number folder
	for node in tpm/tpm0/10:224 tpmrm/tpmrm0/253:65536; do
		IFS=/ read -r class name number <<<"$node"
		folder=$T/sys/devices/virtual/$class/$name
		mkdir -p "$folder" "$T/sys/class/$class" "$T/sys/dev/char" "$T/sys/bus" "$T/sys/module"
		printf 'MAJOR=%s\nMINOR=%s\nDEVNAME=%s\n' "${number%:*}" "${number#*:}" "$name" >"$folder/uevent"
		echo "$number" >"$folder/dev"
		ln -s "../../../../class/$class" "$folder/subsystem"
		ln -s "../../devices/virtual/$class/$name" "$T/sys/class/$class/$name"
		ln -s "../../devices/virtual/$class/$name" "$T/sys/dev/char/$number"
	done
}

# udev_gives CLASS/NAME: owner, group and mode that all rules of this machine and ours come to.
udev_gives() {
	overlaid --ro-bind "$T/sys" /sys --setenv SYSTEMD_DEVICE_VERIFY_SYSFS 0 \
		udevadm test -a add "/sys/devices/virtual/$1" >"$T/udev" 2>&1 || true
	# Whatever systemd's reader has to say about a line of ours.
	grep -E '70-holdfast-tpm2.rules' "$T/udev" |
		grep -vE '^Reading rules file|70-holdfast-tpm2.rules:[0-9]+ (OWNER|GROUP|MODE) ' && return 1
	sed -nE 's/^[^ ]+: .*rules:[0-9]+ (OWNER|GROUP|MODE) ([0-9]+)$/\1 \2/p' "$T/udev" |
		awk '{ last[$1] = $2 } END { print last["OWNER"] + 0, last["GROUP"] + 0, last["MODE"] }'
}

udev_works() {
	need_program udevadm
	[[ $(id -u) == 0 ]] || skip "needs root"
	fake_sys
}

account() { # passwd|group NAME
	awk -F : -v name="$2" '$1 == name { print $3 }' "$T/tree/etc/$1"
}

@test "udev gives the nodes to whom the rules name, behind those of the packages" {
	udev_works
	render 'abrmd { enable = true }'
	overlaid true
	[[ $(udev_gives tpm/tpm0) == "$(account passwd tss) $(account group holdfast-tpm) 0660" ]]
	[[ $(udev_gives tpmrm/tpmrm0) == *" $(account group tss) 0660" ]]
	render 'tssUser = "nobody"' 'tssGroup = "mail"'
	overlaid true
	[[ $(udev_gives tpm/tpm0) == "65534 $(account group holdfast-tpm) 0660" ]]
	[[ $(udev_gives tpmrm/tpmrm0) == *" $(account group mail) 0660" ]]
	# Without abrmd the node is root's, whatever a package's rule said before.
	render
	overlaid true
	[[ $(udev_gives tpm/tpm0) == "0 $(account group holdfast-tpm) 0660" ]]
	# What this test tells by is there.
	echo 'KERNEL=="tpm0", NONSENSE="1"' >>"$T/tree$UDEV_RULES"
	refute udev_gives tpm/tpm0
}

# --- systemd ---

@test "systemd finds nothing wrong with the units" {
	need_program systemd-analyze
	render "${EVERYTHING[@]}"
	cp /bin/true "$T/abrmd"
	sed -i "s|/usr/sbin/tpm2-abrmd|$T/abrmd|" "$T/tree$ABRMD_UNIT"
	run -0 systemd-analyze verify --man=no "$T/tree$ABRMD_UNIT" "$T/tree$UDEV_TRIGGER"
	[[ -z $output ]]
	echo 'Nonsense=1' >>"$T/tree$UDEV_TRIGGER"
	run systemd-analyze verify --man=no "$T/tree$UDEV_TRIGGER"
	[[ -n $output ]]
}

@test "the trigger tells udev once for each set of rules" {
	local hash line
	render
	hash=$(sha256sum <"$T/tree$UDEV_RULES" | cut -d ' ' -f 1)
	mkdir -p "$T/lib" "$T/bin"
	touch "$T/lib/udev-$(printf 'a%.0s' {1..64})" "$T/lib/applied"
	printf '#!/bin/sh\necho "$@" >>"%s/triggered"\n' "$T" >"$T/bin/udevadm"
	chmod +x "$T/bin/udevadm"
	# Its commands in their order; each is a program with words, and no shell is between.
	sed -n 's/^ExecStart=//p' "$T/tree$UDEV_TRIGGER" >"$T/commands"
	[[ -s $T/commands ]]
	refute grep -E '[|;<>&`$%]' "$T/commands"
	while IFS= read -r line; do
		bwrap --ro-bind / / --bind "$T" "$T" --tmpfs /var/lib --bind "$T/lib" /var/lib/holdfast-tpm2 \
			--setenv PATH "$T/bin:$PATH" xargs -a <(echo "$line") env </dev/null
	done <"$T/commands"
	[[ $(cat "$T/triggered") == 'trigger --subsystem-match=tpm --subsystem-match=tpmrm' ]]
	[[ $(ls "$T/lib") == "$(printf 'applied\nudev-%s' "$hash")" ]]
}

@test "systemd-sysusers makes the accounts, and leaves those that are there" {
	need_program systemd-sysusers
	[[ $(id -u) == 0 ]] || skip "needs root"
	mkdir -p "$T/made/etc" "$T/there/etc"
	render 'abrmd { enable = true }'
	systemd-sysusers --root="$T/made" "$T/tree$SYSUSERS" 2>"$T/said"
	grep -qE '^tss:' "$T/made/etc/passwd"
	grep -qE '^tss:' "$T/made/etc/group"
	[[ $(awk -F : '$1 == "tss" { print $4 }' "$T/made/etc/passwd") == \
		"$(awk -F : '$1 == "tss" { print $3 }' "$T/made/etc/group")" ]]
	refute grep -qE '^tss:.*:/bin/(ba)?sh$' "$T/made/etc/passwd"
	echo 'tss:x:4242:4343:old:/:/bin/false' >"$T/there/etc/passwd"
	echo 'tss:x:4343:' >"$T/there/etc/group"
	cp -r "$T/there" "$T/before"
	systemd-sysusers --root="$T/there" "$T/tree$SYSUSERS" 2>"$T/said"
	[[ ! -s $T/said ]]
	diff <(grep tss "$T/before/etc/passwd" "$T/before/etc/group" -h) \
		<(grep tss "$T/there/etc/passwd" "$T/there/etc/group" -h)
	# Only a group where the user is another's.
	render
	rm -r "$T/made" && mkdir -p "$T/made/etc"
	systemd-sysusers --root="$T/made" "$T/tree$SYSUSERS" 2>"$T/said"
	grep -qE '^tss:' "$T/made/etc/group"
}

# made: what systemd-tmpfiles makes of the rendered file: "PATH MODE USER GROUP".
made() {
	rm -rf "$T/made"
	mkdir -p "$T/made/etc"
	printf 'root:x:0:0::/:/bin/sh\ntss:x:4242:4243::/:/bin/false\n' >"$T/made/etc/passwd"
	printf 'root:x:0:\ntss:x:4243:\n' >"$T/made/etc/group"
	systemd-tmpfiles --root="$T/made" --create "$T/tree$TMPFILES" >"$T/said" 2>&1
	[[ ! -s $T/said ]]
	find "$T/made" -mindepth 1 -type d -perm /2000 -printf '/%P %m %U %G\n' | sort
}

@test "systemd-tmpfiles makes the folders with their owners and modes" {
	need_program systemd-tmpfiles
	[[ $(id -u) == 0 ]] || skip "needs root"
	render "${EVERYTHING[@]}"
	diff - <(made) <<-'EOF'
		/etc/tpm2_pkcs11 2770 0 4243
		/run/tpm2-tss/eventlog 2750 4242 4243
		/var/lib/tpm2-tss/system/keystore 2770 0 4243
	EOF
	render 'fapi { systemDir = "/srv/a-b"  logDir = "/srv/log" }'
	diff - <(made) <<-'EOF'
		/srv/a-b 2770 0 4243
		/srv/log 2750 0 4243
	EOF
	# Names that are empty leave the folders to root.
	render 'tssUser = ""' 'tssGroup = ""' 'pkcs11 { enable = true }'
	made >"$T/list"
	refute grep -E '424[23]' "$T/list"
}
