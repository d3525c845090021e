# SPDX-License-Identifier: Apache-2.0
# An engine for the loader: podman's service, or a stand-in that can be told to misbehave. What each
# keeps is in the test's own folder, $T, its socket is $ENGINE_SOCKET, and stop_helpers() ends it.

ENGINE_SOCKET=
ENGINE_PID=

engine_get() { # path below /v1.40
	curl -sf -m 10 --unix-socket "$ENGINE_SOCKET" "http://docker/v1.40$1"
}

engine_answers() {
	kill -0 "$ENGINE_PID" 2>/dev/null || return 1
	curl -s -m 10 -o "$T/engine.ping" --unix-socket "$ENGINE_SOCKET" http://docker/v1.40/images/x/json
}

# Where a service of podman cannot run, its tests are skipped: as root, or with rights of its own.
have_podman() {
	command -v podman >/dev/null
}

# Images in the test's folder, copied as files: no mounts, no containers, no network.
start_podman() {
	local folder=$T/podman
	ENGINE_SOCKET=$T/podman.sock
	mkdir -p "$folder/run" "$folder/home" "$folder/tmp"
	env -i PATH="$PATH" HOME="$folder/home" XDG_RUNTIME_DIR="$folder/run" TMPDIR="$folder/tmp" \
		podman --root "$folder/root" --runroot "$folder/run" --storage-driver vfs \
		--cgroup-manager cgroupfs --events-backend none \
		system service --time=0 "unix://$ENGINE_SOCKET" >"$T/engine.log" 2>&1 3>&- &
	ENGINE_PID=$!
	HELPERS+=("$ENGINE_PID")
	wait_until engine_answers
}

# At $ENGINE_SOCKET, when that is set.
start_engine() { # [ways to misbehave..]
	ENGINE_SOCKET=${ENGINE_SOCKET:-$T/docker.sock}
	misbehave "$@"
	rm -f "$ENGINE_SOCKET"
	"$ROOT/tests/docker/engine.py" "$ENGINE_SOCKET" "$T/engine.hows" >>"$T/engine.log" 2>&1 3>&- &
	ENGINE_PID=$!
	HELPERS+=("$ENGINE_PID")
	wait_until listens "$ENGINE_SOCKET"
}

# What the stand-in does from its next request on: the words are in engine.py. None: nothing wrong.
misbehave() {
	printf '%s\n' "$@" >"$T/engine.hows"
}

stop_engine() {
	[[ -n $ENGINE_PID ]] || return 0
	kill "$ENGINE_PID" 2>/dev/null || true
	wait "$ENGINE_PID" 2>/dev/null || true
	ENGINE_PID=
}

# make_images FILE SALT TAG..: prints the image's id; with --each, one id for each tag.
make_images() {
	python3 "$ROOT/tests/docker/archive.py" "$@"
}

# The id that a tag names in the engine, "none" when it names none.
engine_id() { # ref
	local answer
	answer=$(engine_get "/images/${1//\//%2F}/json") || answer='{"Id": "none"}'
	[[ $answer =~ \"Id\":\ ?\"([^\"]+)\" ]] && echo "${BASH_REMATCH[1]}"
}

# engine_forget TAG..: whoever they name.
engine_forget() {
	local ref
	for ref in "$@"; do
		curl -s -m 10 -o "$T/engine.forget" -X DELETE --unix-socket "$ENGINE_SOCKET" \
			"http://docker/v1.40/images/${ref//\//%2F}?noprune=true"
	done
}

# What somebody else has put into the engine before.
engine_load() { # file
	curl -sf -m 60 -o "$T/engine.load" --unix-socket "$ENGINE_SOCKET" -X POST \
		-H 'Content-Type: application/x-tar' --data-binary "@$1" http://docker/v1.40/images/load
}
