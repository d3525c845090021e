#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `holdfast tpm2 apply` on the tree of a machine: what it writes, what it leaves, and what comes back.

bats_require_minimum_version 1.5.0
load helpers
load tpm2

# root: the tree of a machine with a profile of FAPI, $T/root.
root() {
	mkdir -p "$T/root$OWN_PROFILES" "$T/root/etc/tpm2-tss" "$T/root/var/lib"
	printf '{}\n' >"$T/root$PROFILES"
	chmod -R go-w "$T/root"
}
OWN_PROFILES=/etc/own/
PROFILES=/etc/own/P_ECCP256SHA256.json

apply() { # status [word..]
	local expected=$1
	shift
	tpm2 "$expected" apply --root "$T/root" "$@"
}

# is PATH DEED: as the last apply told.
is() {
	grep -qE "^$2 +$1(:|\$)" "$T/out" || {
		echo "no line of $2 for $1"
		cat "$T/out"
		return 1
	}
}

# Every file and folder with all that would tell that it was touched.
state() {
	find "$T/root" -printf '%P %y %i %m %U:%G %s %T@ %C@ %l\n' | sort
}

# hidden PATH: the same name behind a dot.
hidden() {
	echo "${1%/*}/.${1##*/}"
}

# ours PATH..: what is in the tree beside the ledger and the profile.
ours() {
	diff <([[ $# == 0 ]] || printf '%s\n' "$@" | sort) \
		<(files_of "$T/root" | grep -vE "^(/var/lib/holdfast-tpm2/.*|$PROFILES)\$")
}

@test "it writes what render does, and a second time changes nothing at all" {
	root
	render "${EVERYTHING[@]}"
	apply 0
	ours "${ALL[@]}"
	local path
	for path in "${ALL[@]}"; do
		is "$path" written
		if [[ -L $T/tree$path ]]; then
			[[ $(readlink "$T/tree$path") == "$(readlink "$T/root$path")" ]]
		else
			cmp "$T/tree$path" "$T/root$path"
			[[ $(stat -c '%a %u' "$T/root$path") == "644 $(id -u)" ]]
		fi
	done
	[[ $(stat -c %a "$T/root/var/lib/holdfast-tpm2") == 755 ]]
	state >"$T/before"
	apply 0
	for path in "${ALL[@]}"; do
		is "$path" same
	done
	state | diff "$T/before" -
	# Nor with what is asked for besides.
	apply 0 --force
	apply 0 --dry-run
	state | diff "$T/before" -
}

@test "each option that is turned off takes its files away, and all of them everything" {
	local path
	root
	conf "${EVERYTHING[@]}"
	apply 0
	conf "${EVERYTHING[@]:1}"
	apply 0
	for path in "${ABRMD[@]}"; do
		is "$path" removed
	done
	ours "${BASE[@]}" "$PKCS11_MODULE" "${TCTIS[@]}"
	conf "${EVERYTHING[@]:2}"
	apply 0
	is "$PKCS11_MODULE" removed
	is "$TMPFILES" written
	ours "${BASE[@]}" "${TCTIS[@]}"
	conf
	apply 0
	ours "${BASE[@]}"
	conf 'applyUdevRules = false'
	apply 0
	ours "$SYSUSERS" "$TMPFILES" "$FAPI_CONFIG"
	conf_text 'tpm2 { enable = false }'
	apply 0
	ours
	# The ledger, where there still is one, knows of nothing.
	[[ ! -s $T/root$LEDGER ]]
	state >"$T/before"
	apply 0
	[[ ! -s $T/out ]]
	state | diff "$T/before" -
}

@test "without the default file nothing is enabled; one that is named must be there and right" {
	local word
	root
	conf "${EVERYTHING[@]}"
	apply 0
	state >"$T/before"
	conf "${EVERYTHING[@]}" 'nonsense = 1'
	apply 2
	rm "$T/conf"
	run -2 "$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/root"
	state | diff "$T/before" -
	# A machine whose /etc has no holdfast.conf, any more or yet: that is no word to remove all.
	for word in --dry-run --no-reload; do
		run -1 bwrap --dev-bind / / --tmpfs /etc "$HOLDFAST" tpm2 apply --root "$T/root" "$word"
		[[ $output == *'there is no configuration'*'enable = false'* ]]
	done
	state | diff "$T/before" -
	conf_text 'tpm2 { enable = false }'
	apply 0
	ours
	state >"$T/before"
	for word in --dry-run --no-reload; do
		run -0 bwrap --dev-bind / / --tmpfs /etc "$HOLDFAST" tpm2 apply --root "$T/root" "$word"
	done
	state | diff "$T/before" -
	run ! bwrap --dev-bind / / --tmpfs /etc "$HOLDFAST" tpm2 render --root "$T/tree"
	[[ ! -e $T/tree && $output == */etc/holdfast/holdfast.conf* ]]
}

@test "another value writes the files that have it, and no others" {
	root
	conf "${EVERYTHING[@]}"
	apply 0
	(cd "$T/root" && find . -type f -printf '%P %i\n' | sort) >"$T/before"
	conf "${EVERYTHING[@]}" 'fapi { systemDir = "/srv/keys" }'
	apply 0
	is "$FAPI_CONFIG" written
	is "$TMPFILES" written
	is "$UDEV_RULES" same
	(cd "$T/root" && find . -type f -printf '%P %i\n' | sort) | diff "$T/before" - |
		sed -n 's/^> \([^ ]*\) .*/\1/p' | sort >"$T/changed"
	printf '%s\n' "${FAPI_CONFIG#/}" "${TMPFILES#/}" "${LEDGER#/}" | sort | diff - "$T/changed"
	grep -q /srv/keys "$T/root$FAPI_CONFIG"
}

@test "what was removed by hand comes again; what was edited stays, is told, and can be taken over" {
	local round
	root
	conf "${EVERYTHING[@]}"
	apply 0
	rm "$T/root$PROFILE" "$T/root$ABRMD_WANTED"
	apply 0
	is "$PROFILE" written
	is "$ABRMD_WANTED" written
	echo '# mine' >>"$T/root$UDEV_RULES"
	ln -sfn /dev/null "$T/root$ABRMD_WANTED"
	ln -sfn /dev/null "$T/root$SYSUSERS"
	state >"$T/before"
	for round in 1 2; do
		apply 1
		is "$UDEV_RULES" kept
		is "$ABRMD_WANTED" kept
		is "$SYSUSERS" kept
		is "$PROFILE" same
	done
	tail -n 1 "$T/root$UDEV_RULES" | grep -qx '# mine'
	[[ -L $T/root$SYSUSERS && $(readlink "$T/root$SYSUSERS") == /dev/null ]]
	# Also when what is rendered changes: the rest follows, this does not.
	conf "${EVERYTHING[@]}" 'tssGroup = "other"'
	apply 1
	is "$UDEV_RULES" kept
	is "$TMPFILES" written
	tail -n 1 "$T/root$UDEV_RULES" | grep -qx '# mine'
	apply 0 --force --dry-run
	is "$UDEV_RULES" forced
	tail -n 1 "$T/root$UDEV_RULES" | grep -qx '# mine'
}

@test "--force keeps a backup, and never one over another" {
	local round
	root
	conf
	apply 0
	for round in one two three; do
		echo "$round" >"$T/root$UDEV_RULES"
		apply 0 --force
		is "$UDEV_RULES" forced
		refute grep -q "$round" "$T/root$UDEV_RULES"
		apply 0
		is "$UDEV_RULES" same
	done
	[[ $(cat "$(hidden "$T/root$UDEV_RULES").holdfast-backup") == one ]]
	[[ $(cat "$(hidden "$T/root$UDEV_RULES").holdfast-backup.1") == two ]]
	[[ $(cat "$(hidden "$T/root$UDEV_RULES").holdfast-backup.2") == three ]]
	ours "${BASE[@]}" "$(hidden "$UDEV_RULES")".holdfast-backup{,.1,.2}
}

@test "files that were there first are kept, except those that are as rendered" {
	root
	render
	mkdir -p "$T/root${FAPI_CONFIG%/*}" "$T/root${UDEV_RULES%/*}"
	echo '{"mine": 1}' >"$T/root$FAPI_CONFIG"
	cp "$T/tree$UDEV_RULES" "$T/root$UDEV_RULES"
	apply 1
	is "$FAPI_CONFIG" kept
	is "$UDEV_RULES" same
	[[ $(cat "$T/root$FAPI_CONFIG") == '{"mine": 1}' ]]
	apply 0 --force
	is "$FAPI_CONFIG" forced
	cmp "$T/tree$FAPI_CONFIG" "$T/root$FAPI_CONFIG"
	[[ $(cat "$(hidden "$T/root$FAPI_CONFIG").holdfast-backup") == '{"mine": 1}' ]]
	# A folder or a pipe in the place is nobody's file.
	rm "$T/root$FAPI_CONFIG" && mkdir "$T/root$FAPI_CONFIG" && touch "$T/root$FAPI_CONFIG/x"
	run ! timeout 20 "$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/root"
	[[ $status == 1 && -e $T/root$FAPI_CONFIG/x ]]
	rm -r "$T/root$FAPI_CONFIG" && mkfifo "$T/root$FAPI_CONFIG"
	run ! timeout 20 "$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/root"
	[[ $status == 1 && -p $T/root$FAPI_CONFIG ]]
}

@test "what is edited and then turned off is its editor's from then on" {
	root
	conf "${EVERYTHING[@]}"
	apply 0
	echo 'module: mine.so' >"$T/root$PKCS11_MODULE"
	conf
	apply 1
	is "$PKCS11_MODULE" forgotten
	[[ $(cat "$T/root$PKCS11_MODULE") == 'module: mine.so' ]]
	apply 0
	[[ $(cat "$T/root$PKCS11_MODULE") == 'module: mine.so' ]]
	conf "${EVERYTHING[@]}"
	apply 1
	is "$PKCS11_MODULE" kept
	[[ $(cat "$T/root$PKCS11_MODULE") == 'module: mine.so' ]]
}

@test "a dry run tells the same and writes nothing, not even a folder" {
	root
	conf "${EVERYTHING[@]}"
	state >"$T/before"
	apply 0 --dry-run
	cp "$T/out" "$T/told"
	state | diff "$T/before" -
	apply 0
	diff "$T/told" "$T/out"
	echo mine >"$T/root$PROFILE"
	conf
	state >"$T/before"
	apply 1 --dry-run
	cp "$T/out" "$T/told"
	state | diff "$T/before" -
	apply 1
	diff "$T/told" "$T/out"
}

@test "JSON tells the same as the text" {
	root
	conf "${EVERYTHING[@]}"
	apply 0 --json
	jq -e '.changed == true and .kept == false' "$T/out"
	[[ $(jq -r '.parts[] | select(.deed == "written") | .path' "$T/out" | sort) == \
		"$(printf '%s\n' "${ALL[@]}" | sort)" ]]
	echo mine >"$T/root$PROFILE"
	apply 1 --json
	jq -e '.changed == false and .kept == true' "$T/out"
	[[ $(jq -r '.parts[] | select(.deed == "kept") | .path' "$T/out") == "$PROFILE" ]]
	apply 0 --json --force
	[[ $(jq -r '.parts[] | select(.deed == "forced") | .backup' "$T/out") == *.holdfast-backup ]]
}

# --- files of packages ---

# conffile [LINE..]: FAPI's configuration as a package has installed it, and dpkg's record of that.
conffile() {
	root
	mkdir -p "$T/root/var/lib/dpkg"
	printf '{"of": "the package"}\n' >"$T/root$FAPI_CONFIG"
	cat >"$T/root/var/lib/dpkg/status" <<-EOF
		Package: other
		Status: install ok installed
		Conffiles:
		 /etc/other d41d8cd98f00b204e9800998ecf8427e

		Package: libtss2-fapi1
		Status: install ok installed
		Version: 3.2.1-3
		Conffiles:
		 $FAPI_CONFIG $(md5sum <"$T/root$FAPI_CONFIG" | cut -d ' ' -f 1)${1:-}
		 $PROFILES d41d8cd98f00b204e9800998ecf8427e
		Description: a library
	EOF
}

@test "an unedited file of a package is replaced, and comes back when the option is off" {
	conffile
	conf
	apply 0
	is "$FAPI_CONFIG" replaced
	[[ $(cat "$(hidden "$T/root$FAPI_CONFIG").holdfast-orig") == '{"of": "the package"}' ]]
	jq -e .profile_name "$T/root$FAPI_CONFIG"
	apply 0
	is "$FAPI_CONFIG" same
	conf 'fapi { systemDir = "/srv/keys" }'
	apply 0
	[[ $(cat "$(hidden "$T/root$FAPI_CONFIG").holdfast-orig") == '{"of": "the package"}' ]]
	conf_text 'tpm2 { enable = false }'
	apply 0
	is "$FAPI_CONFIG" removed
	[[ $(cat "$T/root$FAPI_CONFIG") == '{"of": "the package"}' ]]
	[[ ! -e $(hidden "$T/root$FAPI_CONFIG").holdfast-orig ]]
	# And again.
	conf
	apply 0
	is "$FAPI_CONFIG" replaced
}

@test "the packages' profiles make room for those of the service's SRK, and come back" {
	root
	local path OWN_PROFILES=
	mkdir -p "$T/root/var/lib/dpkg" "$T/root${FAPI_ECC%/*}"
	printf 'Package: libtss2-fapi1\nStatus: install ok installed\nConffiles:\n' \
		>"$T/root/var/lib/dpkg/status"
	for path in "${FAPI_PROFILES[@]}"; do
		printf '{"of": "the package"}\n' >"$T/root$path"
		printf ' %s %s\n' "$path" "$(md5sum <"$T/root$path" | cut -d ' ' -f 1)" \
			>>"$T/root/var/lib/dpkg/status"
	done
	conf
	apply 0
	ours "${BASE[@]}" "${FAPI_PROFILES[@]}" /var/lib/dpkg/status
	conf "${EVERYTHING[@]}"
	apply 0
	for path in "${FAPI_PROFILES[@]}"; do
		is "$path" replaced
		jq -e .srk_template "$T/root$path"
	done
	conf
	apply 0
	for path in "${FAPI_PROFILES[@]}"; do
		is "$path" removed
		[[ $(cat "$T/root$path") == '{"of": "the package"}' ]]
	done
	# Where nothing is configured that needs them, they must be there already.
	rm "$T/root$FAPI_ECC"
	apply 2
	conf 'abrmd { enable = true }'
	apply 0
	is "$FAPI_ECC" written
}

@test "a file of a package that was edited is its editor's" {
	conffile
	printf '{"of": "mine"}\n' >"$T/root$FAPI_CONFIG"
	conf
	apply 1
	is "$FAPI_CONFIG" kept
	[[ $(cat "$T/root$FAPI_CONFIG") == '{"of": "mine"}' && ! -e $(hidden "$T/root$FAPI_CONFIG").holdfast-orig ]]
}

@test "an obsolete conffile, a damaged record and one without it do no harm" {
	conffile ' obsolete'
	conf
	"$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/root" >"$T/out" || [[ $? == 1 ]]
	grep -qE "^(kept|replaced) +$FAPI_CONFIG" "$T/out"
	[[ $(cat "$T/root$FAPI_CONFIG" "$(hidden "$T/root$FAPI_CONFIG").holdfast-orig" 2>/dev/null) == *'the package'* ]]
	rm -r "$T/root"
	conffile
	head -c 100000 /dev/urandom >"$T/root/var/lib/dpkg/status"
	apply 1
	[[ $(cat "$T/root$FAPI_CONFIG") == '{"of": "the package"}' ]]
	rm "$T/root/var/lib/dpkg/status"
	apply 1
	is "$FAPI_CONFIG" kept
	mkfifo "$T/root/var/lib/dpkg/status"
	run ! timeout 20 "$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/root"
	[[ $status == 1 && $(cat "$T/root$FAPI_CONFIG") == '{"of": "the package"}' ]]
}

# --- what must not be followed ---

@test "no link on the way leads out of the tree" {
	local way
	mkdir -p "$T/outside/own"
	echo '{}' >"$T/outside/own/P_ECCP256SHA256.json"
	for way in etc etc/udev etc/udev/rules.d etc/systemd etc/tpm2-tss var var/lib var/lib/holdfast-tpm2; do
		rm -rf "$T/root"
		root
		conf "${EVERYTHING[@]}"
		rm -rf "${T:?}/root/$way"
		mkdir -p "$T/root/$(dirname "$way")"
		ln -s "$T/outside" "$T/root/$way"
		find "$T/outside" -printf '%p %T@\n' | sort >"$T/before"
		refute "$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/root" --force
		find "$T/outside" -printf '%p %T@\n' | sort | diff "$T/before" -
	done
}

@test "a folder on the way that others may write to is refused" {
	[[ $(id -u) == 0 ]] || skip "needs root"
	root
	conf
	mkdir -p "$T/root/etc/udev/rules.d"
	chown 65534 "$T/root/etc/udev"
	state >"$T/before"
	apply 1
	ours
	[[ $(cat "$T/err") == *udev* ]]
}

@test "an empty --root is a mistake, and not this machine" {
	conf
	run -2 "$HOLDFAST" tpm2 apply --config "$T/conf" --root '' --dry-run
	[[ $output == *--root* ]]
}

# on_machine STATUS [word..]: this machine, with folders and a systemctl of the test's own.
on_machine() {
	local expected=$1 status=0
	shift
	bwrap --dev-bind / / --bind "$T/etc" /etc --bind "$T/lib" /var/lib --tmpfs /run --dir /run/systemd/system \
		--bind "$T" "$T" --ro-bind "$T/fake" /usr/bin/systemctl --ro-bind "$T/quiet" /usr/bin/systemd-sysusers \
		--ro-bind "$T/quiet" /usr/bin/systemd-tmpfiles \
		"$HOLDFAST" tpm2 apply --config "$T/conf" "$@" >"$T/out" 2>"$T/err" || status=$?
	[[ $status == "$expected" ]] || { cat "$T/out" "$T/err"; return 1; }
}

@test "what a command did not do is due until it did, whatever it says" {
	[[ $(id -u) == 0 ]] || skip "needs root"
	[[ -e /usr/bin/systemctl && -e /usr/bin/systemd-sysusers && -e /usr/bin/systemd-tmpfiles ]] ||
		skip "needs systemd"
	mkdir -p "$T/etc" "$T/lib"
	printf '#!/bin/sh\necho "$@" >>%s/asked\n[ ! -e %s/broken ] || case $1 in restart) printf "\\303\\050 bad\\n"; exit 1;; esac\n' \
		"$T" "$T" >"$T/fake"
	printf '#!/bin/sh\necho "${0##*/}" >>%s/asked\n' "$T" >"$T/quiet"
	chmod 755 "$T/fake" "$T/quiet" "$T"
	touch "$T/broken"
	OWN_PROFILES='' conf 'abrmd { enable = true }'
	on_machine 1 --json
	jq -e '.reload[] | select(.command | test("restart.*bad")) | .well == false' "$T/out"
	# Again, and it is tried again.
	on_machine 1
	grep -q '^failed .*restart tpm2-abrmd' "$T/out"
	rm "$T/broken"
	on_machine 0
	grep -q '^done .*restart tpm2-abrmd' "$T/out"
	[[ ! -e $T/lib/holdfast-tpm2/due ]]
	# Then only what makes users and folders, which may have gone.
	rm "$T/asked"
	on_machine 0
	[[ $(sort "$T/asked") == $'systemd-sysusers\nsystemd-tmpfiles' ]]
	# What nobody was to be told of is told by the next one.
	OWN_PROFILES='' conf 'tctiEnvironment { enable = true  interface = "holdfast" }'
	on_machine 0 --no-reload
	on_machine 0
	grep -q '^done .*stop tpm2-abrmd' "$T/out"
}

# p11-kit with the root's modules.
lists_modules() {
	bwrap --dev-bind / / --tmpfs /etc/pkcs11 --bind "$T/root${PKCS11_MODULE%/*}" /etc/pkcs11/modules \
		p11-kit list-modules >"$T/modules" 2>&1 && grep -Eq '^(module: )?p11-kit-trust' "$T/modules"
}

@test "p11-kit reads no backup of a module as a module" {
	local backup=$T/root/etc/pkcs11/.${PKCS11_MODULE##*/}.holdfast-backup
	need_program p11-kit
	root
	conf 'pkcs11 { enable = true }'
	mkdir -p "$T/root${PKCS11_MODULE%/*}"
	printf '%s\n' 'module: libfoo-admin.so' 'critical: yes' >"$T/root$PKCS11_MODULE"
	refute lists_modules
	apply 0 --force
	is "$PKCS11_MODULE" forced
	grep -q foo-admin "$backup"
	lists_modules
	# In the folder of the modules it would be one.
	cp "$backup" "$T/root${PKCS11_MODULE%/*}/${backup##*/}"
	refute lists_modules
	rm "$T/root${PKCS11_MODULE%/*}/${backup##*/}"
	# It comes back.
	conf ''
	apply 0
	grep -q foo-admin "$T/root$PKCS11_MODULE"
	[[ ! -e $backup ]]
}

@test "a ledger that was tampered with lets nothing of others be overwritten or removed" {
	local line
	root
	conf "${EVERYTHING[@]}"
	apply 0
	cp "$T/root$LEDGER" "$T/ledger"
	echo mine >"$T/root$PROFILE"
	echo precious >"$T/root/etc/passwd"
	for line in "../../etc/passwd $(sha256sum <"$T/root/etc/passwd" | cut -d ' ' -f 1)" \
		"/etc/passwd $(sha256sum <"$T/root/etc/passwd" | cut -d ' ' -f 1)" \
		"$(head -n 1 "$T/ledger") ../../passwd" "$(head -n 1 "$T/ledger") /etc/passwd" \
		"garbage" "$(head -c 5000 /dev/zero | tr '\0' x)"; do
		printf '%s\n' "$line" >"$T/root$LEDGER"
		conf_text 'tpm2 { enable = false }'
		"$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/root" >"$T/out" 2>&1 || [[ $? == 1 ]]
		conf "${EVERYTHING[@]}"
		"$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/root" >"$T/out" 2>&1 || [[ $? == 1 ]]
		[[ $(cat "$T/root$PROFILE") == mine && $(cat "$T/root/etc/passwd") == precious ]]
	done
	head -c 300000 /dev/urandom >"$T/root$LEDGER"
	apply 1
	[[ $(cat "$T/root$PROFILE") == mine && $(cat "$T/root/etc/passwd") == precious ]]
	rm "$T/root$LEDGER" && mkfifo "$T/root$LEDGER"
	run ! timeout 20 "$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/root"
	[[ $status == 1 ]]
}

# --- who may, and faults ---

@test "a machine is for root; a tree of one's own is for anyone" {
	[[ $(id -u) == 0 ]] || skip "needs root to become another user"
	local other=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	OWN_PROFILES='' conf
	chmod 755 "$T"
	chmod 644 "$T/conf"
	# Root's alone where it writes to the machine: with what is configured here it would.
	run -1 "${other[@]}" "$HOLDFAST" tpm2 apply --config "$T/conf" --no-reload
	[[ ${lines[*]} == *forbidden* || ${lines[*]} == *root* ]]
	root
	conf
	chown -R 65534:65534 "$T/root"
	run -0 "${other[@]}" "$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/root"
	ours "${BASE[@]}"
	[[ -z $(find "$T/root" ! -uid 65534) ]]
	# Rendering needs nobody.
	mkdir -m 777 "$T/open"
	run -0 "${other[@]}" "$HOLDFAST" tpm2 render --config "$T/conf" --root "$T/open/tree"
	# Somebody else's tree is none of his.
	chown -R 0:0 "$T/root"
	conf 'pkcs11 { enable = true }'
	run -1 "${other[@]}" "$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/root"
}

@test "a profile that is not there is a wrong configuration" {
	root
	conf 'fapi { profileName = "P_NOBODYS" }'
	state >"$T/before"
	apply 2
	grep -q P_NOBODYS "$T/err"
	state | diff "$T/before" -
	rm "$T/root$PROFILES"
	conf
	apply 2
	# Rendering is for machines that are elsewhere.
	rm -rf "$T/tree"
	tpm2 0 render --root "$T/tree"
}

@test "killed at any step, each file is the old or the new one, and the next run goes on" {
	local call at path
	root
	conf "${EVERYTHING[@]}"
	apply 0
	cp -a "$T/root" "$T/old"
	conf "${EVERYTHING[@]:0:2}" 'tssUser = "alice"' 'tssGroup = "bob"' 'fapi { systemDir = "/srv/keys" }' \
		'tctiEnvironment { enable = true  interface = "holdfast" }'
	apply 0
	cp -a "$T/root" "$T/new"
	for call in openat fsync renameat,renameat2,rename; do
		for at in 2 8 21; do
			rm -rf "$T/root"
			cp -a "$T/old" "$T/root"
			{ strace -qq -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$at" \
				"$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/root" || true; } >/dev/null 2>&1
			# Sysusers is one that goes, as names other than the default have no entry.
			for path in "${ALL[@]}"; do
				[[ -L $T/old$path ]] || cmp -s "$T/root$path" "$T/old$path" ||
					cmp -s "$T/root$path" "$T/new$path" ||
					[[ ! -e $T/root$path && ! -e $T/new$path ]]
			done
			apply 0
			diff -r --no-dereference "$T/new" "$T/root"
		done
	done
}

@test "a full disk, a file that cannot be read: nothing is half done" {
	[[ $(id -u) == 0 ]] || skip "needs root for a file system"
	root
	conf
	apply 0
	mkdir "$T/state"
	mount -t tmpfs -o size=64k,nr_inodes=200 none "$T/state"
	cp -a "$T/root/." "$T/state/"
	head -c 65536 /dev/zero >"$T/state/full" 2>/dev/null || true
	conf "${EVERYTHING[@]}" 'tssGroup = "bob"'
	run -1 "$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/state"
	[[ $output == *disk_full* || $output == *space* ]]
	[[ -z $(find "$T/state/etc" -type f -empty) ]]
	rm "$T/state/full"
	run -0 "$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/state"
	[[ -z $(find "$T/state" -name '*.tmp*' -o -name '.*[0-9a-f]' -type f) ]]
	render "${EVERYTHING[@]}" 'tssGroup = "bob"'
	local path
	for path in "${ALL[@]}"; do
		[[ -L $T/tree$path ]] || cmp "$T/tree$path" "$T/state$path"
	done
}

@test "of two at once one waits or is sent away, and the result is one of a single run" {
	local pids=() pid status round
	root
	conf "${EVERYTHING[@]}"
	for round in 1 2 3 4 5 6; do
		"$HOLDFAST" tpm2 apply --config "$T/conf" --root "$T/root" >"$T/out.$round" 2>&1 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		status=0
		wait "$pid" || status=$?
		[[ $status == 0 || $status == 1 ]]
	done
	for round in 1 2 3 4 5 6; do
		refute grep -E '^(kept|forced)' "$T/out.$round"
	done
	apply 0
	ours "${ALL[@]}"
}
