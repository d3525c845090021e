#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The kill test: `kill -9` of the daemon at random points while four clients create, replace, seal
# and delete. After each restart everything that was acknowledged must be there and open with the
# right content, what was deleted and acknowledged must be gone, and what was under way may be in
# either state but whole.
#
#   tests/soak/kill.sh [ROUNDS]      default 10
#   SOAK_SEED=N                      repeats the choices of an earlier run (printed at the start)
#   SOAK_PROVIDER=tpm|legacy         default tpm, on a swtpm of its own
#   HOLDFAST_BUILD=FOLDER            where the programs are
set -u

ROUNDS=${1:-10}
SEED=${SOAK_SEED:-$((($(date +%s) ^ $$) & 32767))}
PROVIDER=${SOAK_PROVIDER:-tpm}
CLIENTS=4
NAMES=6 # of secrets, and as many of keys, per client

BATS_TEST_DIRNAME=$(cd "$(dirname "$0")/../integration" && pwd)
# shellcheck source=../integration/helpers.bash
. "$BATS_TEST_DIRNAME/helpers.bash"

RANDOM=$SEED
acknowledged=0
checked=0
undecided=0

fail() {
	echo "FAILED in round $round (seed $SEED): $*"
	tail -n 30 "$T/log"
	kill_clients
	stop_daemon KILL
	stop_swtpm
	trap - EXIT
	echo "left for inspection: $T"
	exit 1
}

# Each object is a folder $T/objects/CLIENT/KIND.NAME with
#   now        content that was acknowledged; absent when the object is not there
#   next       content that was sent and not acknowledged
#   deleting   a deletion was sent and not acknowledged
object() {
	echo "$T/objects/$1/$2.$3"
}

# --- a client; everything it knows is in files, since it is killed with the daemon ---

# request OUT CURL-OPTION..: prints the status.
request() {
	local out=$1
	shift
	curl -s -m 60 --unix-socket "$SOCK" -o "$out" -w '%{http_code}' "$@" || true
}

client_put() {
	local dir name=s$1-$2
	dir=$(object "$1" secret "$name")
	mkdir -p "$dir"
	# Some direct, some by envelope.
	head -c $((RANDOM % 4 == 0 ? 30000 : 1 + RANDOM % 128)) /dev/urandom >"$dir/next.tmp"
	mv "$dir/next.tmp" "$dir/next"
	case $(request /dev/null -X PUT -H 'Content-Type: application/octet-stream' \
		--data-binary "@$dir/next" "http://h/v1/secrets/$name") in
	200 | 201) mv "$dir/next" "$dir/now" ;;
	000) exit 0 ;;
	*) echo "PUT $name" >>"$T/complaints" ;;
	esac
}

client_key() {
	local dir name=k$1-$2
	dir=$(object "$1" key "$name")
	mkdir -p "$dir"
	if [[ -e $dir/now ]]; then
		return
	fi
	: >"$dir/next"
	case $(request "$dir/answer" -X POST -H 'Content-Type: application/json' \
		-d "{\"name\":\"$name\",\"type\":\"ecc-p256\"}" http://h/v1/keys) in
	201)
		jq -j .public "$dir/answer" >"$dir/next.tmp"
		mv "$dir/next.tmp" "$dir/now"
		rm -f "$dir/next"
		;;
	000) exit 0 ;;
	*) echo "POST $name" >>"$T/complaints" ;;
	esac
}

client_delete() {
	local dir name=$3$1-$2 path=secrets
	dir=$(object "$1" "$4" "$name")
	if [[ ! -e $dir/now ]]; then
		return
	fi
	if [[ $4 == key ]]; then
		path=keys
	fi
	: >"$dir/deleting"
	case $(request /dev/null -X DELETE "http://h/v1/$path/$name") in
	204) rm -f "$dir/now" "$dir/deleting" ;;
	000) exit 0 ;;
	*) echo "DELETE $name" >>"$T/complaints" ;;
	esac
}

client_seal() {
	local dir=$T/blobs/$1
	head -c $((RANDOM % 300)) /dev/urandom >"$dir/plain.tmp"
	if [[ $(request "$dir/blob.tmp" -H 'Content-Type: application/octet-stream' \
		--data-binary "@$dir/plain.tmp" http://h/v1/seal) == 200 ]]; then
		# A blob without its plaintext is not looked at.
		rm -f "$dir/$2.plain"
		mv "$dir/blob.tmp" "$dir/$2.blob"
		mv "$dir/plain.tmp" "$dir/$2.plain"
	fi
}

client() {
	local n
	RANDOM=$2
	mkdir -p "$T/blobs/$1"
	while :; do
		n=$((RANDOM % NAMES))
		case $((RANDOM % 8)) in
		0 | 1 | 2) client_put "$1" $n ;;
		3 | 4) client_key "$1" $n ;;
		5) client_delete "$1" $n s secret ;;
		6) client_delete "$1" $n k key ;;
		7) client_seal "$1" $n ;;
		esac
	done
}

kill_clients() {
	local pid
	for pid in "${clients[@]}"; do
		kill -9 "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	clients=()
}

# --- looking afterwards ---

verify_secret() {
	local dir=$1 name=${1##*/secret.} code
	code=$(request "$T/found" -H 'Accept: application/octet-stream' "http://h/v1/secrets/$name")
	case $code in
	200)
		if [[ -e $dir/now ]] && cmp -s "$T/found" "$dir/now"; then
			:
		elif [[ -e $dir/next ]] && cmp -s "$T/found" "$dir/next"; then
			mv "$dir/next" "$dir/now"
		else
			fail "$name has another content"
		fi
		;;
	404)
		if [[ -e $dir/now && ! -e $dir/deleting ]]; then
			fail "$name was acknowledged and is lost"
		fi
		rm -f "$dir/now"
		;;
	*) fail "$name: status $code: $(head -c 300 "$T/found")" ;;
	esac
}

verify_key() {
	local dir=$1 name=${1##*/key.} code
	code=$(request "$T/found" "http://h/v1/keys/$name")
	case $code in
	200)
		jq -j .public "$T/found" >"$T/public"
		if [[ -e $dir/now ]]; then
			cmp -s "$T/public" "$dir/now" || fail "$name is another key"
		elif [[ -e $dir/next ]]; then
			cp "$T/public" "$dir/now"
		else
			fail "$name was deleted and is there"
		fi
		verify_signature "$name"
		;;
	404)
		if [[ -e $dir/now && ! -e $dir/deleting ]]; then
			fail "$name was acknowledged and is lost"
		fi
		rm -f "$dir/now"
		;;
	*) fail "$name: status $code: $(head -c 300 "$T/found")" ;;
	esac
}

verify_signature() {
	[[ $(request "$T/found" -X POST -H 'Content-Type: application/json' \
		-d '{"message":"aGVsbG8="}' "http://h/v1/keys/$1/sign") == 200 ]] ||
		fail "$1 does not sign: $(head -c 300 "$T/found")"
	jq -j .signature "$T/found" | base64 -d >"$T/signature"
	printf hello | openssl dgst -sha256 -verify "$T/public" -signature "$T/signature" \
		>/dev/null 2>&1 || fail "the signature of $1 is wrong"
}

verify_blob() {
	[[ $(request "$T/found" -H 'Content-Type: application/octet-stream' \
		--data-binary "@$1" http://h/v1/unseal) == 200 ]] ||
		fail "${1##*/} does not open: $(head -c 300 "$T/found")"
	cmp -s "$T/found" "${1%.blob}.plain" || fail "${1##*/} opens as something else"
}

verify() {
	local dir blob
	for dir in "$T"/objects/*/*; do
		[[ -d $dir ]] || continue
		if [[ -e $dir/next || -e $dir/deleting ]]; then
			undecided=$((undecided + 1))
		fi
		case ${dir##*/} in
		secret.*) verify_secret "$dir" ;;
		key.*) verify_key "$dir" ;;
		esac
		rm -f "$dir/next" "$dir/next.tmp" "$dir/deleting"
		checked=$((checked + 1))
		if [[ -e $dir/now ]]; then
			acknowledged=$((acknowledged + 1))
		fi
	done
	for blob in "$T"/blobs/*/*.blob; do
		if [[ -e $blob && -e ${blob%.blob}.plain ]]; then
			verify_blob "$blob"
			checked=$((checked + 1))
		fi
	done
	# A name that nobody made, or a torn file that nobody named.
	wait_until nothing_half "$T/state" >/dev/null || fail "left over: $HALF"
	[[ -z $(find "$T/state" -path '*/quarantine/*') ]] || fail "moved away: $(ls -R "$T/state")"
	[[ ! -s $T/complaints ]] || fail "an answer was neither done nor cut: $(cat "$T/complaints")"
}

# --- rounds ---

setup
clients=()
round=0
trap 'kill_clients; stop_daemon KILL; stop_swtpm; rm -rf "$T"' EXIT
trap 'exit 1' INT TERM
echo "kill test: $ROUNDS rounds, $CLIENTS clients, provider $PROVIDER, seed $SEED"
if [[ $PROVIDER == tpm ]]; then
	start_swtpm
fi
write_config "provider = \"$PROVIDER\""
start=$SECONDS

for ((round = 1; round <= ROUNDS; round++)); do
	start_daemon || fail "the daemon does not start"
	[[ $(jq -r .provider "$T/status") == "$PROVIDER" ]] || fail "provider: $(cat "$T/status")"
	verify
	for ((c = 0; c < CLIENTS; c++)); do
		client $c $RANDOM 3>&- &
		clients+=($!)
	done
	sleep "0.$((RANDOM % 6))$((RANDOM % 10))"
	stop_daemon KILL
	kill_clients
done
start_daemon || fail "the daemon does not start"
verify

trap - EXIT
stop_daemon TERM
[[ $DAEMON_STATUS == 0 ]] || fail "the last stop was not orderly"
stop_swtpm
rm -rf "$T"
echo "kill test: $ROUNDS kills in $((SECONDS - start)) s; $checked objects checked, $acknowledged" \
	"of them acknowledged, $undecided were under way; nothing lost, nothing torn"
