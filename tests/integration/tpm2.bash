# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For the suites of `holdfast tpm2`: configurations, and what must come of them. helpers.bash is
# loaded before.

HOLDFAST=$(program holdfast)

UDEV_RULES=/etc/udev/rules.d/70-holdfast-tpm2.rules
UDEV_TRIGGER=/etc/systemd/system/holdfast-tpm2-udev.service
UDEV_WANTED=/etc/systemd/system/multi-user.target.wants/holdfast-tpm2-udev.service
SYSUSERS=/etc/sysusers.d/holdfast-tpm2.conf
TMPFILES=/etc/tmpfiles.d/holdfast-tpm2.conf
ABRMD_UNIT=/etc/systemd/system/tpm2-abrmd.service
ABRMD_WANTED=/etc/systemd/system/multi-user.target.wants/tpm2-abrmd.service
ABRMD_BUS=/etc/dbus-1/system.d/holdfast-tpm2-abrmd.conf
PKCS11_MODULE=/etc/pkcs11/modules/tpm2_pkcs11.module
PROFILE=/etc/profile.d/holdfast-tpm2.sh
ENVIRONMENT=/etc/environment.d/90-holdfast-tpm2.conf
FAPI_CONFIG=/etc/tpm2-tss/fapi-config.json
FAPI_ECC=/etc/tpm2-tss/fapi-profiles/P_ECCP256SHA256.json
FAPI_RSA=/etc/tpm2-tss/fapi-profiles/P_RSA2048SHA256.json
LEDGER=/var/lib/holdfast-tpm2/applied

UDEV=("$UDEV_RULES" "$UDEV_TRIGGER" "$UDEV_WANTED")
ABRMD=("$ABRMD_UNIT" "$ABRMD_WANTED" "$ABRMD_BUS")
FAPI_PROFILES=("$FAPI_ECC" "$FAPI_RSA") # where tools go by the service, in FAPI's own folder of them
TCTIS=("$PROFILE" "$ENVIRONMENT")
BASE=("${UDEV[@]}" "$SYSUSERS" "$TMPFILES" "$FAPI_CONFIG")
ALL=("${BASE[@]}" "${ABRMD[@]}" "$PKCS11_MODULE" "${TCTIS[@]}")

EVERYTHING=('abrmd { enable = true }' 'pkcs11 { enable = true }' 'tctiEnvironment { enable = true }')

# conf LINE..: section tpm2, enabled, with these lines, each on one of its own. With $OWN_PROFILES the
# profiles of FAPI are looked for there, and none are rendered.
conf() {
	{
		printf 'tpm2 {\n\tenable = true\n'
		printf '\t%s\n' "$@"
		[[ -z ${OWN_PROFILES:-} || $* == *fapi\ {* ]] || printf '\tfapi { }\n'
		printf '}\n'
	} >"$T/conf"
	[[ -z ${OWN_PROFILES:-} ]] || sed -i "s|fapi {|fapi { profileDir = \"$OWN_PROFILES\" |" "$T/conf"
}

# conf_text TEXT: the whole file.
conf_text() {
	printf '%s\n' "$1" >"$T/conf"
}

# quoted VALUE: as a string of the configuration.
quoted() {
	local value=${1//\\/\\\\}
	printf '"%s"' "${value//\"/\\\"}"
}

# tpm2 STATUS VERB WORD..: with that configuration; $T/out and $T/err.
tpm2() {
	local expected=$1 verb=$2 status=0
	shift 2
	"$HOLDFAST" tpm2 "$verb" --config "$T/conf" "$@" >"$T/out" 2>"$T/err" </dev/null || status=$?
	[[ $status == "$expected" ]] || {
		echo "exit $status instead of $expected: tpm2 $verb $*"
		cat "$T/conf" "$T/out" "$T/err"
		return 1
	}
}

# render [LINE..]: a new tree, $T/tree.
render() {
	conf "$@"
	rm -rf "$T/tree"
	tpm2 0 render --root "$T/tree"
}

# files_of ROOT: all files and links in it, one a line, as paths below it.
files_of() {
	find "$1" ! -type d -printf '/%P\n' 2>/dev/null | sort
}

# holds ROOT [PATH..]: just these.
holds() {
	local root=$1
	shift
	diff <([[ $# == 0 ]] || printf '%s\n' "$@" | sort) <(files_of "$root")
}

# fapi KEY: of the rendered configuration, as JSON.
fapi() {
	jq -c ".$1" "$T/tree$FAPI_CONFIG"
}

# refused WORD..: exit 2, one line with the file and LINE, and nothing is written below $T/tree.
refused() { # line of the file, verb words..
	local line=$1
	shift
	tpm2 2 "$@"
	[[ ! -s $T/out ]]
	grep -qE "(^|[ /])conf:$line: ." "$T/err" || {
		cat "$T/conf" "$T/err"
		return 1
	}
	# A sentence of what, and what is allowed; then at most one of what to try.
	[[ $(grep -vc '^  try: ' "$T/err") == 1 ]]
}
