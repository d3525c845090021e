#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `holdfast tpm2 render`: which files each option brings, what is in them, and what is refused.

bats_require_minimum_version 1.5.0
load helpers
load tpm2

# --- which files ---

@test "nothing is rendered while tpm2.enable is false" {
	local text
	for text in '' 'tpm2 { }' 'tpm2 { enable = false }' \
		'tpm2 { abrmd { enable = true }  pkcs11 { enable = true }  tctiEnvironment { enable = true } }'; do
		conf_text "$text"
		rm -rf "$T/tree"
		tpm2 0 render --root "$T/tree"
		holds "$T/tree"
		[[ ! -s $T/out ]]
	done
}

@test "each option brings its files, and takes none of others" {
	render
	holds "$T/tree" "${BASE[@]}"
	render 'abrmd { enable = true }'
	holds "$T/tree" "${BASE[@]}" "${ABRMD[@]}" "${FAPI_PROFILES[@]}"
	render 'pkcs11 { enable = true }'
	holds "$T/tree" "${BASE[@]}" "$PKCS11_MODULE"
	render 'tctiEnvironment { enable = true }'
	holds "$T/tree" "${BASE[@]}" "${TCTIS[@]}"
	render 'tctiEnvironment { enable = true  interface = "holdfast" }'
	holds "$T/tree" "${BASE[@]}" "${TCTIS[@]}" "${FAPI_PROFILES[@]}"
	render 'tctiEnvironment { enable = false  interface = "holdfast" }'
	holds "$T/tree" "${BASE[@]}"
	render 'abrmd { enable = true }' 'fapi { profileDir = "/srv/profiles/" }'
	holds "$T/tree" "${BASE[@]}" "${ABRMD[@]}"
	render 'applyUdevRules = false'
	holds "$T/tree" "$SYSUSERS" "$TMPFILES" "$FAPI_CONFIG"
	render "${EVERYTHING[@]}"
	holds "$T/tree" "${ALL[@]}" "${FAPI_PROFILES[@]}"
	render "${EVERYTHING[@]}" 'applyUdevRules = false'
	holds "$T/tree" "$SYSUSERS" "$TMPFILES" "$FAPI_CONFIG" "${ABRMD[@]}" "$PKCS11_MODULE" "${TCTIS[@]}" \
		"${FAPI_PROFILES[@]}"
}

@test "it prints each path that it wrote, and as JSON too" {
	render "${EVERYTHING[@]}"
	[[ $(wc -l <"$T/out") == $((${#ALL[@]} + 2)) ]]
	local path
	for path in "${ALL[@]}" "${FAPI_PROFILES[@]}"; do
		grep -qE "(^|[ ])($T/tree)?$path\$" "$T/out"
	done
	rm -rf "$T/tree"
	tpm2 0 render --root "$T/tree" --json
	jq -e . "$T/out" >/dev/null
	for path in "${ALL[@]}"; do
		grep -qF "$path\"" "$T/out"
	done
}

@test "the same configuration gives the same bytes, whatever the machine is like" {
	render "${EVERYTHING[@]}"
	cp -a "$T/tree" "$T/first"
	rm -rf "$T/tree"
	(
		cd /
		umask 077
		env -i TPM2TOOLS_TCTI=none HOME=/nowhere LC_ALL=C TZ=Asia/Tokyo \
			"$HOLDFAST" tpm2 render --config "$T/conf" --root "$T/tree" >/dev/null
	)
	diff -r --no-dereference "$T/first" "$T/tree"
	diff <(cd "$T/first" && find . -printf '%p %y %m %l\n' | sort) \
		<(cd "$T/tree" && find . -printf '%p %y %m %l\n' | sort)
	# The order of the file does not count.
	conf 'tctiEnvironment { enable = true }' 'pkcs11 { enable = true }' 'abrmd { enable = true }'
	rm -rf "$T/tree"
	tpm2 0 render --root "$T/tree"
	diff -r --no-dereference "$T/first" "$T/tree"
}

@test "files are 0644, folders 0755, and links lead to what is rendered" {
	local link
	render "${EVERYTHING[@]}"
	[[ -z $(find "$T/tree" -type f ! -perm 0644) ]]
	[[ -z $(find "$T/tree" -mindepth 1 -type d ! -perm 0755) ]]
	[[ $(find "$T/tree" -type l | wc -l) == 2 ]]
	for link in "$UDEV_WANTED" "$ABRMD_WANTED"; do
		[[ -L $T/tree$link ]]
		# As it is on the machine: absolute, or relative to its folder.
		[[ $(readlink "$T/tree$link") == "${link/multi-user.target.wants\//}" ||
			$(readlink "$T/tree$link") == "../${link##*/}" ]]
	done
	[[ -z $(find "$T/tree" -type f -empty) ]]
}

@test "no other user gets to a half-written tree: a root that is not ours is left alone" {
	conf
	mkdir "$T/tree"
	tpm2 0 render --root "$T/tree"
	# A second time over the first one, also with other options.
	conf 'pkcs11 { enable = true }'
	tpm2 0 render --root "$T/tree"
	holds "$T/tree" "${BASE[@]}" "$PKCS11_MODULE"
	conf
	tpm2 0 render --root "$T/tree"
	holds "$T/tree" "${BASE[@]}"
	# Somebody else's.
	mkdir -p "$T/other/etc"
	echo mine >"$T/other/etc/passwd"
	run -1 --separate-stderr "$HOLDFAST" tpm2 render --config "$T/conf" --root "$T/other"
	holds "$T/other" /etc/passwd
	echo mine >"$T/file"
	run ! "$HOLDFAST" tpm2 render --config "$T/conf" --root "$T/file"
	[[ $(cat "$T/file") == mine ]]
	# A link on the way out of it.
	mkdir "$T/linked" "$T/outside"
	ln -s "$T/outside" "$T/linked/etc"
	run ! "$HOLDFAST" tpm2 render --config "$T/conf" --root "$T/linked"
	holds "$T/outside"
}

@test "usage: --root is needed, a file that is absent is an error, words too many are refused" {
	conf
	run -2 "$HOLDFAST" tpm2 render --config "$T/conf"
	run -2 "$HOLDFAST" tpm2 render --config "$T/conf" --root "$T/tree" more
	run -2 "$HOLDFAST" tpm2 render --config "$T/conf" --root
	run -2 "$HOLDFAST" tpm2 render --config "$T/conf" --root "$T/tree" --force
	run ! "$HOLDFAST" tpm2 render --config "$T/none" --root "$T/tree"
	[[ $status == [12] && $output == *none* ]]
	[[ ! -e $T/tree ]]
	run -0 "$HOLDFAST" tpm2 render --help
}

# --- what is in them ---

@test "FAPI: keys with a default are always written, others only when set" {
	local print
	print=$(printf 'a1%.0s' {1..32})
	render
	[[ $(jq -cS . "$T/tree$FAPI_CONFIG") == "$(jq -cS . <<-'EOF'
		{"profile_name": "P_ECCP256SHA256", "profile_dir": "/etc/tpm2-tss/fapi-profiles/",
		 "user_dir": "~/.local/share/tpm2-tss/user/keystore",
		 "system_dir": "/var/lib/tpm2-tss/system/keystore", "tcti": "", "system_pcrs": [],
		 "log_dir": "/run/tpm2-tss/eventlog/",
		 "firmware_log_file": "/sys/kernel/security/tpm0/binary_bios_measurements",
		 "ima_log_file": "/sys/kernel/security/ima/binary_runtime_measurements"}
	EOF
	)" ]]
	render 'fapi { profileName = "P_RSA2048SHA256"  profileDir = "/p/"  userDir = "/u"  systemDir = "/s"' \
		'tcti = "device:/dev/tpm1"  systemPcrs = {"0", "7", "23"}  logDir = "/l"  ekCertLess = true' \
		"ekFingerprint = \"$print\"  firmwareLogFile = \"/f\"  imaLogFile = \"/i\" }"
	# Registers and digest as FAPI reads them: TPML_PCR_SELECTION and TPMT_HA of its JSON.
	[[ $(jq -cS . "$T/tree$FAPI_CONFIG") == "$(jq -cS . <<-EOF
		{"profile_name": "P_RSA2048SHA256", "profile_dir": "/p/", "user_dir": "/u", "system_dir": "/s",
		 "tcti": "device:/dev/tpm1",
		 "system_pcrs": [{"hash": "TPM2_ALG_SHA256", "pcrSelect": [0, 7, 23]}],
		 "log_dir": "/l", "ek_cert_less": "yes",
		 "ek_fingerprint": {"hashAlg": "TPM2_ALG_SHA256", "digest": "$print"},
		 "firmware_log_file": "/f", "ima_log_file": "/i"}
	EOF
	)" ]]
	render 'fapi { ekCertLess = false }'
	[[ $(fapi ek_cert_less) == '"no"' ]]
}

# The values of the three variables, as sh has them.
profile_value() {
	env -i sh -c '. "$1" && printf "%s\n" "$TPM2TOOLS_TCTI" "$TPM2_PKCS11_TCTI" "$TPM2OPENSSL_TCTI"' \
		sh "$T/tree$PROFILE" | sort -u
}

@test "tctiEnvironment: one TCTI for all three, by its interface" {
	local run=/run/holdfast
	render 'tctiEnvironment { enable = true }'
	[[ $(profile_value) == device:/dev/tpmrm0 ]]
	render 'tctiEnvironment { enable = true  interface = "device"  deviceConf = "/dev/tpm7" }'
	[[ $(profile_value) == device:/dev/tpm7 ]]
	render 'tctiEnvironment { enable = true  interface = "tabrmd" }'
	[[ $(profile_value) == tabrmd:bus_name=com.intel.tss2.Tabrmd ]]
	render 'tctiEnvironment { enable = true  interface = "tabrmd"  tabrmdConf = "bus_type=session" }'
	[[ $(profile_value) == tabrmd:bus_type=session ]]
	render 'tctiEnvironment { enable = true  interface = "holdfast" }'
	[[ $(profile_value) == swtpm:path=$run/tpm.sock ]]
	# The service's own folder is what paths.run says.
	conf_text 'paths { run = "/srv/run" } tpm2 { enable = true abrmd { enable = true }
		tctiEnvironment { enable = true interface = "holdfast" } }'
	rm -rf "$T/tree"
	tpm2 0 render --root "$T/tree"
	[[ $(profile_value) == swtpm:path=/srv/run/tpm.sock ]]
	grep -qE '^ExecStart=.*--tcti=swtpm:path=/srv/run/tpm\.sock"?$' "$T/tree$ABRMD_UNIT"
	refute grep -q "$run/" "$T/tree$ABRMD_UNIT" "$T/tree$PROFILE" "$T/tree$ENVIRONMENT"
}

@test "udev: who may open the nodes, and nothing for names that are empty" {
	local rules=$T/tree$UDEV_RULES
	render
	grep -E '^[^#].*KERNEL=="tpm\[0-9\]\*"' "$rules" >"$T/tpm"
	grep -E '^[^#].*KERNEL=="tpmrm\[0-9\]\*"' "$rules" >"$T/tpmrm"
	grep -q 'GROUP="holdfast-tpm"' "$T/tpm" && grep -q 'OWNER="root"' "$T/tpm" && grep -q 'MODE="0660"' "$T/tpm"
	grep -q 'GROUP="tss"' "$T/tpmrm" && grep -q 'MODE="0660"' "$T/tpmrm"
	render 'abrmd { enable = true }'
	grep -q 'KERNEL=="tpm\[0-9\]\*".*OWNER="tss"' "$rules"
	render 'tssUser = "alice"' 'tssGroup = "bob"'
	grep -q 'KERNEL=="tpm\[0-9\]\*".*OWNER="alice"' "$rules"
	grep -q 'KERNEL=="tpmrm\[0-9\]\*".*GROUP="bob"' "$rules"
	render 'tssUser = ""'
	refute grep -q OWNER "$rules"
	grep -q 'KERNEL=="tpmrm\[0-9\]\*".*GROUP="tss"' "$rules"
	render 'tssGroup = ""'
	refute grep -qE '^[^#]*(GROUP="tss"|GROUP="")' "$rules"
	render 'tssUser = ""' 'tssGroup = ""'
	refute grep -qE '(OWNER|GROUP)=("tss"|"")' "$rules"
}

@test "udev trigger: another hash for other rules, the same for the same" {
	local first second
	render
	first=$(grep -oE '/var/lib/holdfast-tpm2/udev-[0-9a-f]{64}' "$T/tree$UDEV_TRIGGER" | sort -u)
	[[ $first == /var/lib/holdfast-tpm2/udev-$(sha256sum <"$T/tree$UDEV_RULES" | cut -d ' ' -f 1) ]]
	grep -qx "ConditionPathExists=!$first" "$T/tree$UDEV_TRIGGER"
	render 'fapi { profileName = "P_RSA2048SHA256" }'
	grep -q "$first" "$T/tree$UDEV_TRIGGER"
	render 'tssGroup = "other"'
	second=$(grep -oE '/var/lib/holdfast-tpm2/udev-[0-9a-f]{64}' "$T/tree$UDEV_TRIGGER" | sort -u)
	[[ -n $second && $second != "$first" ]]
}

@test "abrmd: the unit, its command line and its bus policy" {
	local unit=$T/tree$ABRMD_UNIT line
	render 'abrmd { enable = true  package = "/opt/abrmd/bin/tpm2-abrmd" }'
	for line in Type=dbus BusName=com.intel.tss2.Tabrmd Restart=always RestartSec=30 User=tss Group=tss \
		SupplementaryGroups=holdfast; do
		grep -qx "$line" "$unit"
	done
	[[ $(grep -c ^ExecStart= "$unit") == 1 ]]
	grep -qE '^ExecStart="?/opt/abrmd/bin/tpm2-abrmd"? "?--tcti=swtpm:path=/run/holdfast/tpm\.sock"?$' "$unit"
	grep -E '^Wants=' "$unit" | grep -q holdfastd.service
	grep -E '^After=' "$unit" | grep -q holdfastd.service
	# There is no node that it could wait for.
	refute grep -q dev-tpm0 "$unit"
	grep -q 'own="com.intel.tss2.Tabrmd"' "$T/tree$ABRMD_BUS"
	python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' "$T/tree$ABRMD_BUS"
}

@test "pkcs11: the module, and the folder of its store" {
	render 'pkcs11 { enable = true }'
	grep -qxE 'module: *libtpm2_pkcs11\.so' "$T/tree$PKCS11_MODULE"
	grep -qE '^d"? +"?/etc/tpm2_pkcs11/?"? +2770 +root +tss' "$T/tree$TMPFILES"
	render
	refute grep -q pkcs11 "$T/tree$TMPFILES"
}

@test "sysusers has the default names alone, and nothing has an empty one" {
	render 'abrmd { enable = true }'
	grep -qE '^u +tss ' "$T/tree$SYSUSERS" || grep -qE '^g +tss ' "$T/tree$SYSUSERS"
	render 'abrmd { enable = true }' 'tssUser = "alice"' 'tssGroup = "bob"'
	refute grep -qsE '^[^#]*(alice|bob|root)' "$T/tree$SYSUSERS"
	grep -qE 'alice +bob' "$T/tree$TMPFILES"
	render 'tssUser = ""' 'tssGroup = ""' 'pkcs11 { enable = true }'
	refute grep -qsE '^[ug] +tss' "$T/tree$SYSUSERS"
	refute grep -qsE '^[^#]*[ "]tss([ "]|$)' "$T/tree$TMPFILES"
}

# --- what is refused ---

# Line 3 of these is wrong; "LINE|what the message names".
@test "a wrong option, type or value is told with its file and line, and nothing is written" {
	local row text named long
	long=$(printf 'x%.0s' {1..2000})
	while IFS='|' read -r text named; do
		conf '' "${text//LONG/$long}"
		sed -i '3{/^[[:blank:]]*$/d}' "$T/conf"
		rm -rf "$T/tree" "$T/root"
		refused 3 render --root "$T/tree"
		[[ ! -e $T/tree ]]
		grep -qF "$named" "$T/err" || {
			cat "$T/conf" "$T/err"
			return 1
		}
		mkdir "$T/root"
		refused 3 apply --root "$T/root"
		holds "$T/root"
		[[ -z $(ls -A "$T/root") ]]
	done <<-'EOF'
		unknown = true|unknown
		Enable = true|Enable
		tss_user = "tss"|tss_user
		abrmd = true|abrmd
		abrmd { enabled = true }|enabled
		abrmd { enable = maybe }|enable
		abrmd { enable = {"true"} }|
		abrmd { enable = "" }|enable
		abrmd { package = "tpm2-abrmd" }|package
		abrmd { package = "" }|package
		abrmd { package = {"/a", "/b"} }|
		abrmd { package = "/a/../b" }|package
		abrmd { package = "/LONG" }|
		abrmd { fapi { } }|fapi
		enable = 2|enable
		enable = "yes please"|enable
		applyUdevRules = 7|applyUdevRules
		tssUser = "a b"|tssUser
		tssUser = "root\"|
		tssUser = "-x"|tssUser
		tssUser = "0"|tssUser
		tssUser = "$(id)"|tssUser
		tssUser = "a,b"|tssUser
		tssGroup = "a:b"|tssGroup
		tssGroup = "%g"|tssGroup
		tssGroup = "LONG"|
		pkcs11 { enable = 1.5 }|enable
		pkcs11 { module = "x" }|module
		tctiEnvironment { interface = "abrmd" }|interface
		tctiEnvironment { interface = "" }|interface
		tctiEnvironment { interface = "device", "tabrmd" }|
		tctiEnvironment { deviceconf = "/dev/tpm0" }|deviceconf
		tctiEnvironment { tcti = "x" }|tcti
		fapi { profileName = "../P" }|profileName
		fapi { profileName = "" }|profileName
		fapi { profileName = "a/b" }|profileName
		fapi { profileDir = "p" }|profileDir
		fapi { userDir = "keys" }|userDir
		fapi { userDir = "~other/keys" }|userDir
		fapi { userDir = "~/../keys" }|userDir
		fapi { systemDir = "~/s" }|systemDir
		fapi { systemDir = "" }|systemDir
		fapi { systemPcrs = {"24"} }|systemPcrs
		fapi { systemPcrs = {"-1"} }|systemPcrs
		fapi { systemPcrs = {"seven"} }|systemPcrs
		fapi { systemPcrs = {"07"} }|systemPcrs
		fapi { logDir = "" }|logDir
		fapi { ekCertLess = "yes" }|ekCertLess
		fapi { ekCertLess = null }|ekCertLess
		fapi { ekFingerprint = "abc" }|ekFingerprint
		fapi { ekFingerprint = "" }|ekFingerprint
		fapi { firmwareLogFile = "log" }|firmwareLogFile
		fapi { imaLogFile = "" }|imaLogFile
		fapi { tcti = "${HOME}" }|
		fapi { profile_name = "P_ECCP256SHA256" }|profile_name
	EOF
}

@test "what is no text of a configuration is refused with its line" {
	printf 'tpm2 {\n\tenable = true\n\ttssUser = "a\001b"\n}\n' >"$T/conf"
	refused 3 render --root "$T/tree"
	printf 'tpm2 {\n\tenable = true\n\tfapi { tcti = "a\nb" }\n}\n' >"$T/conf"
	tpm2 2 render --root "$T/tree"
	printf 'tpm2 {\n\tenable = true\n\tfapi { tcti = "a\0b" }\n}\n' >"$T/conf"
	refused 3 render --root "$T/tree"
	printf 'tpm2 {\n\tenable = true\n\tfapi { tcti = "a' >"$T/conf"
	tpm2 2 render --root "$T/tree"
	printf 'tpm2 {\n\tenable = true\n' >"$T/conf"
	tpm2 2 render --root "$T/tree"
	grep -qE 'conf:[0-9]+: ' "$T/err"
	[[ ! -e $T/tree ]]
}

# --- values that mean something to a consumer ---

# Each is a value of one option in the configuration's own words; what reads the file must get just
# that, or it is refused. BAD is made if something runs it.
HOSTILE=(
	"a b" "a'b" 'a"b' "a\\b" "a\$(touch BAD)b" "a\`touch BAD\`b" "a;touch BAD;b" "a%hb%%c" "a\$HOME" "a#b" "a&b|c>BAD"
	"a*b?[c]" " a" "a " "a\\" "'; touch BAD; '" '"; touch BAD; "' "a	b" "<!-- a -->" "a!b" "a~b" "--tcti=none" "@a" "-a"
	$'\xc3\xa4'
)

# hostile OPTION-BEFORE OPTION-BEHIND PREFIX CHECK..: the check is called with the whole value.
hostile() {
	local before=$1 behind=$2 prefix=$3 value taken=0
	shift 3
	for value in "${HOSTILE[@]}"; do
		value=$prefix${value//BAD/$T/BAD}
		conf "$before$(quoted "$value")$behind"
		rm -rf "$T/tree"
		if "$HOLDFAST" tpm2 render --config "$T/conf" --root "$T/tree" >/dev/null 2>"$T/err"; then
			"$@" "$value" || {
				echo "other than the value: $value"
				return 1
			}
			taken=$((taken + 1))
		else
			refused 3 render --root "$T/tree"
			[[ ! -e $T/tree ]]
		fi
		[[ ! -e $T/BAD ]]
	done
	[[ $taken -ge 1 ]]
}

tcti_is() { # TCTI
	[[ $(profile_value) == "device:$1" ]] || return 1
	[[ -x $GENERATOR ]] || return 0
	mkdir -p "$T/home/.config/environment.d"
	cp "$T/tree$ENVIRONMENT" "$T/home/.config/environment.d/"
	# What systemd's own reader gives to every service of a user, as it is in the environment.
	env -i HOME="$T/home" XDG_CONFIG_HOME="$T/home/.config" SYSTEMD_LOG_LEVEL=err "$GENERATOR" \
		>"$T/generated" 2>"$T/said"
	[[ ! -s $T/said ]]
	python3 - "$T/generated" "device:$1" <<-'EOF'
		import shlex, sys
		lines = [l for l in open(sys.argv[1]).read().splitlines() if "_TCTI=" in l]
		assert len(lines) == 3, lines
		for line in lines:
		    value = line.split("=", 1)[1]
		    if value.startswith("$'"):
		        value = value[2:-1].encode("latin-1", "backslashreplace").decode("unicode_escape")
		        value = value.encode("latin-1").decode() if not sys.argv[2].isascii() else value
		    elif value[:1] in "\"'":
		        value = shlex.split(value)[0]
		    assert value == sys.argv[2], (value, sys.argv[2])
	EOF
}
GENERATOR=/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator

@test "hostile values: the shell and systemd get a TCTI as it is written" {
	hostile 'tctiEnvironment { enable = true interface = "device" deviceConf = ' ' }' /dev/ tcti_is
	hostile 'tctiEnvironment { enable = true interface = "device" deviceConf = ' ' }' '' tcti_is
}

fapi_is() { # MEMBER VALUE
	[[ $(jq -r ".$1" "$T/tree$FAPI_CONFIG") == "$2" ]]
}

@test "hostile values: FAPI's JSON has each as it is written" {
	local pair
	for pair in profileDir=profile_dir systemDir=system_dir logDir=log_dir \
		firmwareLogFile=firmware_log_file imaLogFile=ima_log_file; do
		hostile "fapi { ${pair%=*} = " ' }' /x/ fapi_is "${pair#*=}"
	done
	hostile 'fapi { userDir = ' ' }' '~/' fapi_is user_dir
	hostile 'fapi { tcti = ' ' }' '' fapi_is tcti
}

# The folder that systemd-tmpfiles makes of it, and no other.
tmpfiles_make() { # PATH
	rm -rf "$T/made"
	mkdir -p "$T/made/etc"
	cp /etc/passwd /etc/group "$T/made/etc/"
	echo 'tss:x:4242:' >>"$T/made/etc/group"
	systemd-tmpfiles --root="$T/made" --create --prefix=/srv "$T/tree$TMPFILES" >"$T/said" 2>&1 || true
	[[ ! -s $T/said && -d $T/made$1 && $(stat -c %a "$T/made$1") == 2770 ]] || {
		cat "$T/said" "$T/tree$TMPFILES"
		return 1
	}
	[[ $(find "$T/made/srv" -mindepth 1 -type d | wc -l) == 1 ]]
}

@test "hostile values: tmpfiles.d names the folder as it is written" {
	need_program systemd-tmpfiles
	[[ $(id -u) == 0 ]] || skip "needs root"
	hostile 'fapi { systemDir = ' ' }' /srv/ tmpfiles_make
}

# systemd looks for the program that it would run, and says when there is none of that name.
unit_runs() { # PATH
	local file=${1#"$T"/bin/}
	[[ $file != */* ]] || mkdir -p "$T/bin/${file%/*}"
	cp /bin/true "$1"
	systemd-analyze verify --man=no "$T/tree$ABRMD_UNIT" >"$T/said" 2>&1 || true
	rm "$1"
	refute grep -F tpm2-abrmd.service "$T/said"
}

@test "hostile values: systemd runs the program that is written, with just its one word" {
	need_program systemd-analyze
	mkdir "$T/bin"
	hostile 'abrmd { enable = true package = ' ' }' "$T/bin/" unit_runs
}

@test "hostile values: a folder of the service with blanks stays one word" {
	local value
	for value in '/srv/a b' "/srv/a'b" '/srv/a%nb' "/srv/\$(touch $T/BAD)"; do
		conf_text "paths { run = $(quoted "$value") }
			tpm2 { enable = true abrmd { enable = true }
			tctiEnvironment { enable = true interface = \"holdfast\" } }"
		rm -rf "$T/tree"
		if "$HOLDFAST" tpm2 render --config "$T/conf" --root "$T/tree" >/dev/null 2>"$T/err"; then
			[[ $(profile_value) == "swtpm:path=$value/tpm.sock" ]]
			[[ $(python3 "$ROOT/tests/integration/exec_words.py" "$T/tree$ABRMD_UNIT" | tail -n +2) == \
				"--tcti=swtpm:path=$value/tpm.sock" ]]
		else
			tpm2 2 render --root "$T/tree"
			grep -q "conf:.*paths" "$T/err"
		fi
		[[ ! -e $T/BAD ]]
	done
}
