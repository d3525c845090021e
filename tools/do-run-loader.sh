# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The tour of the loader, for each provider: an origin and a loader in the tour's folder, a model that
# is published and loaded, an archive of images that is given to an engine. Sourced by ./do behind
# do-run.sh, whose functions and variables it uses.

origin_pid= # of the tour's loader: the server of its resources ..
loader_pid= # .. itself ..
engine_pid= # .. and what it gives images to
engine=     # what that is, for people
loader=     # its folder
loader_socket=

loader_stop() {
	local pids=("$loader_pid" "$engine_pid" "$origin_pid")
	loader_pid='' engine_pid='' origin_pid=''
	stop_process "${pids[0]}" holdfast-loader && stop_process "${pids[1]}" "$engine" &&
		stop_process "${pids[2]}" holdfast-origin
}

# What the tour shows in case of a failure.
loader_logs() {
	cat "$tour"/{tpm,legacy}/loader/*.log 2>/dev/null | tail -n 40 >&2 || true
}

listens() { # log
	grep -q 'listening on ' "$1"
}

origin_start() {
	printf 'prefix = "tour"\nhw = "invented"\napi = "here"\nresource = "for this"\n' >"$loader/salts"
	printf 'tour@example.com:tour-password\n' >"$loader/users"
	printf 'tour-password\n' >"$loader/password"
	# A virtual machine may have no GPU and a disk without a number.
	printf 'CPU: tour. GPU: tour. Memory: 1. DriveSerial: tour\n' >"$loader/fingerprint"
	mkdir "$loader/site"
	"$build/holdfast-origin" --root "$loader/site" --listen 127.0.0.1:0 --users "$loader/users" \
		--salts "$loader/salts" </dev/null >"$loader/origin.log" 2>&1 &
	origin_pid=$!
	wait_for 10 listens "$loader/origin.log" || die "holdfast-origin did not come up"
}

loader_start() { # images..
	local url images
	url=http://$(sed -n 's/.*listening on //p' "$loader/origin.log")
	images=$(printf ', "%s"' "$@")
	cat >"$loader/loader.conf" <<CONF
listen = "unix:$loader_socket"
api_url = "$url"
cdn_url = "$url/cdn"
dev = true
cache_dir = "$loader/cache"
salts_file = "$loader/salts"
fingerprint_file = "$loader/fingerprint"
holdfast_socket = "$socket"
manifest_anchors = "$loader/signer.pem"
images_path = "$loader/images.enc"
images = {${images#, }}
docker_socket = "$loader/engine.sock"
CONF
	"$build/holdfast-loader" --config "$loader/loader.conf" </dev/null >"$loader/loader.log" 2>&1 &
	loader_pid=$!
	wait_for 10 loader_ready || die "holdfast-loader did not come up"
}

lf() {
	"$build/holdfast-loader" --config "$loader/loader.conf" "$@"
}

# It has heard from holdfastd which provider is in use.
loader_ready() {
	[ "$(lf status --json | jq -er .provider)" = "$(status_member .provider)" ] &&
		! lf status --json | jq -er .reason | grep -q 'not answered'
}

loader_asks() { # path, body
	curl -sf --unix-socket "$loader_socket" -H 'Content-Type: application/json' -d "$2" \
		"http://localhost$1"
}

load_same() { # name, original
	loader_asks "/load/$1" "{\"filename\": \"$1\", \"folder\": \"models\"}" >"$loader/loaded" &&
		cmp "$2" "$loader/loaded"
}

# --- the engine ---

engine_answers() {
	curl -s --max-time 5 --unix-socket "$loader/engine.sock" http://docker/v1.40/images/x/json
}

# In folders of its own: no mounts, no containers, no network.
podman_start() {
	command -v podman >/dev/null || return 1
	mkdir "$loader"/{home,podman,tmp}
	env -i PATH="$PATH" HOME="$loader/home" XDG_RUNTIME_DIR="$loader/podman" TMPDIR="$loader/tmp" \
		podman --root "$loader/podman/root" --runroot "$loader/podman" --storage-driver vfs \
		--cgroup-manager cgroupfs --events-backend none system service --time=0 \
		"unix://$loader/engine.sock" </dev/null >"$loader/engine.log" 2>&1 &
	engine_pid=$!
	engine="podman's service"
	wait_for 20 engine_answers && return
	stop_process "$engine_pid" podman
	engine_pid=''
	return 1
}

stand_in_start() {
	rm -f "$loader/engine.sock"
	python3 tests/docker/engine.py "$loader/engine.sock" </dev/null >"$loader/engine.log" 2>&1 &
	engine_pid=$!
	engine="a stand-in, since podman's service does not run here"
	wait_for 10 grep -qx ready "$loader/engine.log" || die "the stand-in engine did not come up"
}

engine_start() {
	podman_start || stand_in_start
}

# The engine has the tag, and behind it the image with this id.
engine_has() { # ref, id
	curl -sf --unix-socket "$loader/engine.sock" "http://docker/v1.40/images/${1//\//%2F}/json" |
		jq -e --arg id "${2#sha256:}" '.Id | ltrimstr("sha256:") == $id'
}

# --- the tour ---

seal_images() {
	"$build/holdfast" artifact archive --in "$loader/images.tar" --out "$loader/images.enc" \
		--fragment "$loader/site/key-fragment"
}

unlock_images() {
	lf unlock tour@example.com --password-file "$loader/password"
}

tour_loader() { # tpm|legacy, folder
	local ref=registry.example/tour:1 id
	loader=$2/loader loader_socket=$2/loader.sock
	mkdir "$loader"
	if ! command -v python3 >/dev/null; then
		say "  The loader is shown where there is python3, which makes an archive of images."
		return
	fi
	id=$(python3 tests/docker/archive.py "$loader/images.tar" tour "$ref")
	head -c 20971520 /dev/urandom >"$loader/model"
	origin_start
	engine_start
	signer_make
	loader_start "$ref=$id"
	step "published a model of 20 MiB" "$build/holdfast" artifact publish --format v1 \
		--name net.bin --in "$loader/model" --origin "$loader/site" --salts "$loader/salts"
	step "logged the loader in" lf login tour@example.com --password-file "$loader/password"
	step "loaded the model by POST /load/net.bin: the same bytes" \
		load_same net.bin "$loader/model"
	step "loaded it again, from the cache" load_same net.bin "$loader/model"
	step "sealed an archive of images" seal_images
	step "unlocked it into an engine" unlock_images
	step "the engine has the image, by its id" engine_has "$ref" "$id"
	say "  engine: $engine"
	tour_artifact "$1" "$2"
	loader_stop
}
