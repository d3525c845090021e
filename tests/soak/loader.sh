#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The loader's kill test: `kill -9` of holdfast-loader at random moments while one resource is
# downloaded, checked and given out. After each kill there is under the final name what was published
# or nothing; what has come is not asked for again; at the end all of it comes out as it went in. Its
# memory is looked at before each kill.
#
#   tests/soak/loader.sh [KILLS [MIB [v1|v2]]]   default 5 kills, 64 MiB, v1
#   SOAK_SEED=N                          repeats the choices of an earlier run (printed at the start)
#   HOLDFAST_BUILD=FOLDER                where the programs are
set -u

KILLS=${1:-5}
MIB=${2:-64}
FORM=${3:-v1}
SEED=${SOAK_SEED:-$((($(date +%s) ^ $$) & 32767))}
PEAK_MAX=32768 # kB
LOST_MAX=8     # MiB on their way at a kill: a piece, and the buffers of two sockets

BATS_TEST_DIRNAME=$(cd "$(dirname "$0")/../integration" && pwd)
# shellcheck source=../integration/helpers.bash
. "$BATS_TEST_DIRNAME/helpers.bash"
# shellcheck source=../integration/loader.bash
. "$BATS_TEST_DIRNAME/loader.bash"
# shellcheck source=../integration/artifact.bash
. "$BATS_TEST_DIRNAME/artifact.bash"

RANDOM=$SEED
peak=0
whole=0
resumed=0
loads=0

fail() {
	trap - EXIT
	echo "FAILED at kill $kills (seed $SEED): $*"
	tail -n 20 "$T"/*.log
	for file in "$T"/pids/*; do
		stop "${file##*/}" KILL
	done
	echo "left for inspection: $T"
	exit 1
}

# Milliseconds, so that some kills meet each part of a load.
pause() {
	sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

look_at_memory() {
	local now
	now=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$(pid_of loader)/status" 2>/dev/null)
	if ((${now:-0} > peak)); then
		peak=$now
	fi
	((peak < PEAK_MAX)) || fail "$peak kB of memory"
}

# A kill in the middle must leave no other file there; once it was seen whole it is compared once.
look_at_file() {
	local file stamp
	file=$CACHED
	if [[ ! -e $file ]]; then
		whole=0
		return
	fi
	stamp=$(stat -c '%i %s %.9Y' "$file")
	if [[ $stamp != "$whole" ]]; then
		cmp "$file" "$LARGE" || fail "a wrong file under the final name"
		whole=$stamp
	fi
}

# The content as a stream: by F2, or of version 2.
content() {
	if [[ $FORM == v2 ]]; then
		curl -s -f -m 600 "$FRONT/v2/artifacts/net?folder=models"
	else
		curl -s -f -m 600 -X POST -H 'Content-Type: application/json' \
			--data-binary "$(wish net)" "$FRONT/load/net"
	fi
}

# In the background; only the digest is kept.
ask() {
	rm -f "$T/digest"
	(
		set -o pipefail
		if content |
			sha256sum >"$T/digest.new" 2>/dev/null; then
			mv "$T/digest.new" "$T/digest"
		fi
	) 3>&- &
	ASKER=$!
}

look_at_digest() {
	[[ -e $T/digest ]] || return 0
	[[ $(<"$T/digest") == "$WANTED" ]] || fail "other bytes came out"
	loads=$((loads + 1))
	# From the beginning again, so that kills meet downloads and not only the cache.
	stop loader KILL
	rm -rf "$T/loader.cache/models"
	whole=0
}

kills=0
scene_begin
trap scene_end EXIT
trap 'exit 1' INT TERM
echo "loader's kill test: $KILLS kills, $MIB MiB, $FORM, seed $SEED"
truncate -s "${MIB}M" "$T/plain"
printf 'not all zeros' | dd of="$T/plain" bs=1 seek=$((MIB * 600000)) conv=notrunc status=none
WANTED=$(sha256sum <"$T/plain")
# What of it is large: at the origin and in the cache.
if [[ $FORM == v2 ]]; then
	signing
	device_start one || fail "no device"
	known one >"$T/publish.log"
	publish_v2 net "$T/plain" >>"$T/publish.log" || fail "publish"
	LARGE=$(payload_of net)
	LINES=("$(at_device one)" "manifest_anchors = \"$T/ca.pem\"")
else
	publish net "$T/plain" >"$T/publish.log" || fail "publish"
	LARGE=$T/origin/models/net.big
	LINES=()
fi
CACHED=$T/loader.cache/models/${LARGE##*/}
rm "$T/plain"
start_counterpart || fail "no origin"
# A load takes as long as three kills or more, be the resource small or large.
longest=$((MIB < 1024 ? 500 : 2500))
loader_config loader "${LINES[@]}" "rate_limit = $(((MIB << 20) * 500 / longest))"
start=$SECONDS

for ((kills = 1; kills <= KILLS; kills++)); do
	run_loader loader || fail "the loader does not start"
	login
	[[ $CODE == 200 ]] || fail "login: $CODE"
	ask
	pause $((RANDOM % longest))
	look_at_memory
	stop loader KILL
	wait "$ASKER"
	look_at_file
	look_at_digest
done
run_loader loader || fail "the loader does not start"
login
ask
wait "$ASKER"
[[ -e $T/digest ]] || fail "the last load did not end well"
look_at_memory
look_at_file
look_at_digest

resumed=$(seen origin '(.path | endswith("'"${LARGE##*/}"'")) and .status == 206')
asked=$(($(sent origin "${LARGE##*/}") >> 20))
((asked <= (loads + 1) * (MIB + 1) + KILLS * LOST_MAX)) ||
	fail "$asked MiB asked for, for $loads loads of $MIB"
# Few kills may all have missed the download.
((resumed > 0 || KILLS < 20)) || fail "no download went on where it was"
stop origin
took=$((SECONDS - start))
scene_end
trap - EXIT
echo "loader's kill test: $KILLS kills in $took s; $loads loads right, $resumed downloads gone on with," \
	"$asked MiB asked for; at most $peak kB of memory; never a wrong file"
