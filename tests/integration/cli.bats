#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line as a person or a script meets it: what it prints, where, and how it ends.

bats_require_minimum_version 1.5.0
load helpers

HOLDFAST=$(program holdfast)

# on_terminal WORD..: its output to a terminal of its own ends up in $T/screen.
on_terminal() {
	local line
	printf -v line '%q ' env "HOLDFAST_SOCKET=$SOCK" "$HOLDFAST" "$@"
	script -qec "$line" /dev/null </dev/null >"$T/screen"
}

@test "closed descriptors: results are never lost in silence, nor sent to the service" {
	local status=0
	on legacy
	printf 'geheim' | hf seal --name x
	hf unseal --name x >&- 2>"$T/err" || status=$?
	[[ $status == 1 ]]
	grep -q "cannot write the output" "$T/err"
	refute grep -q geheim "$T/log"
	status=0
	hf unseal --name x >&- 2>&- <&- || status=$?
	[[ $status == 1 ]]
	status=0
	hf seal --name y <&- 2>"$T/err" || status=$?
	[[ $status == 1 ]]
	grep -q "cannot read the input" "$T/err"
	[[ $(hf secret list) == x ]]
	[[ $(hf unseal --name x 2>&-) == geheim ]]
}

terminal() {
	on "$1"
	printf 'gr\xc3\xbc\xc3\x9fe,\tdu\n' >"$T/text"
	printf 'a\033[2Jb' >"$T/escape"
	hf seal --name text --in "$T/text"
	hf seal --name escape --in "$T/escape"
	hf seal --in "$T/escape" --out "$T/blob"
	on_terminal unseal --name text
	tr -d '\r' <"$T/screen" | cmp - "$T/text"
	refute on_terminal unseal --name escape
	grep -q "no text for a terminal" "$T/screen"
	refute grep -q $'\033' "$T/screen"
	refute on_terminal unseal --in "$T/blob"
	refute on_terminal seal --in "$T/text"
	hf unseal --name escape | cmp - "$T/escape"
	on_terminal unseal --name escape --json
	[[ $(jq -r .data "$T/screen" | base64 -d | wc -c) == 6 ]]
}

@test "a terminal gets text and no other bytes (tpm)" { terminal tpm; }
@test "a terminal gets text and no other bytes (legacy)" { terminal legacy; }

json_objects() {
	on "$1"
	printf 'v' >"$T/value"
	ends 0 --json seal --name s --in "$T/value"
	jq -e --arg p "$PROTECTION" \
		'.name == "s" and .size == 1 and .created > 0 and .protection == $p' "$T/out"
	ends 0 --json key create k --export
	ends 0 --json sign --key k --in "$T/value"
	jq -e --arg p "$PROTECTION" '.hash == "sha256" and .scheme == "ecdsa" and
		.format == "der" and .protection == $p and (.signature | length > 0)' "$T/out"
	jq -r .signature "$T/out" | base64 -d >"$T/sig"
	ends 0 --json verify --key k --signature "$T/sig" --in "$T/value"
	jq -e .good "$T/out"
	ends 0 --json key public k --out "$T/pem"
	jq -e '.name == "k" and .export == true' "$T/out"
	[[ $(jq -r .public "$T/out") == $(cat "$T/pem") ]]
	ends 0 --json key export k --passphrase-out "$T/pass"
	[[ $(head -c 40 "$T/out") == '{"pem":"-----BEGIN '* ]]
	[[ $(wc -l <"$T/out") == 1 ]]
	grep -q -- '-----\\n' "$T/out"
	ends 0 --json key delete k
	jq -e '. == {"name": "k", "deleted": true}' "$T/out"
	ends 0 --json secret delete s
	jq -e '. == {"name": "s", "deleted": true}' "$T/out"
	ends 1 --json secret delete s
	jq -e '.code == "not_found" and .status == 404 and (.remedy | length > 0)' "$T/out"
	ends 0 key create k
	ends 0 key delete k
	[[ ! -s $T/out ]]
}

@test "--json gives the service's objects (tpm)" { json_objects tpm; }
@test "--json gives the service's objects (legacy)" { json_objects legacy; }

people() {
	on "$1"
	hf status >"$T/out"
	grep -Eq '^provider +'"$1"'$' "$T/out"
	grep -Eq '^uptime +([0-9]+ min )?[0-9]+ s$' "$T/out"
	if [[ $1 == tpm ]]; then
		grep -Eq '^  TPM maker +[^ ]' "$T/out"
		grep -Eq '^  resource manager +none$' "$T/out"
		grep -Eq '^  TPM commands +[0-9]+$' "$T/out"
		grep -Eq '^  lockout +no, 0 of [0-9]+ failed attempts$' "$T/out"
	else
		refute grep -q TPM "$T/out"
	fi
	head -c 1048576 /dev/zero >"$T/most"
	ends 0 seal --in "$T/most" --out "$T/blob"
	hf unseal --in "$T/blob" | cmp - "$T/most"
	printf 'x' >>"$T/most"
	ends 1 seal --name s --in "$T/most"
	grep -q "1 MiB of plaintext" "$T/err"
}

@test "status for people, and the limit of sealing (tpm)" { people tpm; }
@test "status for people, and the limit of sealing (legacy)" { people legacy; }

@test "a key that needs a passphrase says where to give it" {
	on legacy
	hf key create k --export
	hf key export k --out "$T/key" --passphrase-out "$T/pass"
	ends 1 key import other --in "$T/key"
	grep -q "^holdfast: auth_failed: " "$T/err"
	grep -q "^  try: .*--passphrase-file FILE" "$T/err"
	ends 0 key import other --in "$T/key" --passphrase-file "$T/pass"
}

@test "a service that is not there, a path that is no socket, a socket of others" {
	ends 1 status
	grep -qxF "holdfast: internal: no service answers at $SOCK" "$T/err"
	grep -qxF "  try: Start holdfastd, or name its socket with --socket or HOLDFAST_SOCKET." \
		"$T/err"
	ends 1 --socket "$T" status
	grep -qxF "holdfast: internal: $T is no socket" "$T/err"
	if [[ $(id -u) == 0 ]]; then
		on legacy
		chmod 711 "$T" "$T/run"
		chgrp daemon "$SOCK"
		chmod 660 "$SOCK"
		# A copy, since another user may not reach the tree.
		cp "$HOLDFAST" "$(ldd "$(readlink -f "$HOLDFAST")" | awk '/libholdfast/ { print $3 }')" "$T"
		chmod 755 "$T/holdfast" "$T"/libholdfast.so*
		LD_LIBRARY_PATH=$T refute setpriv --reuid 65534 --regid 65534 --clear-groups \
			"$T/holdfast" --socket "$SOCK" status 2>"$T/err"
		grep -qF "forbidden: no permission to open $SOCK: it is for members of group daemon" \
			"$T/err"
	fi
}

@test "groups of verbs, --version, help" {
	for group in key secret; do
		for words in "$group" "$group --help" "$group -h" "help $group"; do
			# shellcheck disable=SC2086 # words
			ends 0 $words
			grep -q "^  $group list " "$T/out"
			[[ $(grep -c '^  [a-z]' "$T/out") == $(grep -c "^  $group " "$T/out") ]]
		done
		ends 2 "$group" nonsense
	done
	ends 0 version
	cp "$T/out" "$T/version"
	ends 0 --version
	cmp "$T/out" "$T/version"
	ends 0 --json --version
	jq -e '.version | length > 0' "$T/out"
	ends 2 --version status
	ends 2
	ends 0 verify --help
	grep -qF "(--key NAME | --public FILE)" "$T/out"
	ends 0 random --help
	grep -qF "service's provider" "$T/out"
	ends 0 key import --help
	tr -s ' \n' ' ' <"$T/out" | grep -qF "or with provider tpm a TSS2 PRIVATE KEY"
}

@test "a bad name, and not exactly one of --key and --public, are wrong usage" {
	local long name
	long=$(printf 'x%.0s' {1..129})
	for name in .x a/b 'a b' '' "$long" $'a\n'; do
		ends 2 key create "$name"
		ends 2 key delete "$name"
		ends 2 secret delete "$name"
		ends 2 sign --key "$name"
		ends 2 unseal --name "$name"
		ends 2 seal --name "$name"
		ends 2 verify --signature "$T/sig" --key "$name"
	done
	ends 2 verify --signature "$T/sig"
	ends 2 verify --signature "$T/sig" --key k --public "$T/pem"
	ends 1 secret delete "${long:1}"
	grep -q "no service answers" "$T/err"
}
