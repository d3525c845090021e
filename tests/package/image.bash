# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Images and containers in folders of their own: I is the file's, with all that buildah and podman
# keep, T a test's. No network is used but by apt in the base, which has the machine's sources, and no
# registry. machine.bash is loaded before.
#
# HOLDFAST_MACHINE is a folder with base.tar, a Debian as images begin with (tools/do-suite-package.sh).

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
DEPLOY=$ROOT/deploy
USER_ID=10001 # of the service in its image

images_begin() {
	I=$(mktemp -d /tmp/hi-XXXXXX)
	mkdir "$I"/{graph,run,tmp,home}
	printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' \
		"$I/graph" "$I/run" >"$I/storage.conf"
	printf '%s\n' '[containers]' 'netns = "none"' \
		'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]' '[engine]' \
		'runtime = "runc"' 'cgroup_manager = "cgroupfs"' 'events_logger = "file"' \
		>"$I/containers.conf"
	export I CONTAINERS_CONF=$I/containers.conf CONTAINERS_STORAGE_CONF=$I/storage.conf
	export HOME=$I/home TMPDIR=$I/tmp BUILDAH_ISOLATION=chroot
}

images_end() {
	podman_own rm -fa -t 0 >/dev/null 2>&1 || true
	podman_own pod rm -fa -t 0 >/dev/null 2>&1 || true
	rmdir /sys/fs/cgroup/{,*/}libpod_parent/{conmon,} 2>/dev/null || true
	umount "$I/graph/overlay" 2>/dev/null || true
	rm -rf "$I"
}

podman_own() {
	podman --tmpdir "$I/podman" "$@"
}

base_make() {
	local base
	base=$(buildah from scratch)
	buildah add -q "$base" "$HOLDFAST_MACHINE/base.tar" / >/dev/null
	buildah commit -q "$base" localhost/base:1 >/dev/null
	buildah rm "$base" >/dev/null
}

# image_build TARGET NAME: as anybody would, but for the base.
image_build() {
	buildah bud --format docker --layers --pull-never --build-arg BASE=localhost/base:1 \
		--target "$1" -f "$DEPLOY/Dockerfile" -t "localhost/$2:1" "$ROOT"
}

images_build() {
	local began=$SECONDS target size
	base_make
	for target in holdfastd:holdfast loader:holdfast-loader client:holdfast-client \
		swtpm:holdfast-swtpm; do
		image_build "${target%:*}" "${target#*:}" || return
		size=$(podman_own image inspect --format '{{.Size}}' "localhost/${target#*:}:1")
		echo "# image ${target#*:}: $((size / 1000000)) MB" >&3
	done
	size=$(podman_own image inspect --format '{{.Size}}' localhost/base:1)
	echo "# $((size / 1000000)) MB of them are Debian; built in $((SECONDS - began)) s" >&3
}

# --- a node ---

# What a host has for the service in a container, below T, and an emulator's socket for the device.
node_make() {
	T=$(mktemp -d /tmp/hn-XXXXXX)
	chmod 755 "$T"
	mkdir -p "$T"/{chip,tpm,etc}
	systemd-tmpfiles --root="$T" --create "$DEPLOY/container-tmpfiles.conf"
	swtpm socket --tpm2 --tpmstate "dir=$T/tpm" --server "type=unixio,path=$T/chip/tpm.sock" \
		--ctrl "type=unixio,path=$T/chip/tpm.sock.ctrl" --flags not-need-init,startup-clear \
		>"$T/swtpm.log" 2>&1 3>&- &
	SWTPM_PID=$!
	wait_until 20 test -S "$T/chip/tpm.sock.ctrl"
	wait_until 20 test -S "$T/chip/tpm.sock"
	chown "$USER_ID" "$T"/chip "$T"/chip/*
	{
		printf 'tpm { tcti = "swtpm:path=/run/swtpm/tpm.sock" }\n'
		cat "$DEPLOY/compose/tpm/holdfast.conf"
	} >"$T/etc/holdfast.conf"
}

node_end() {
	kill -9 "$SWTPM_PID" 2>/dev/null || true
	wait "$SWTPM_PID" 2>/dev/null || true
	rm -rf "$T"
}

CONFINED=(--network none --read-only --cap-drop all --security-opt no-new-privileges)

# service_run [OPTION..]: the service as docs/DEPLOY.md runs it, with a socket for the device.
service_run() {
	podman_own run -d --name service "${CONFINED[@]}" -e SECURITY_PROVIDER=tpm \
		-v "$T/chip:/run/swtpm" -v "$T/etc:/etc/holdfast:ro" \
		-v "$T/run/holdfast:/run/holdfast" -v "$T/var/lib/holdfast:/var/lib/holdfast" "$@" \
		localhost/holdfast:1 >/dev/null
}

# hf WORD..: the command line within it, as the host.
hf() {
	podman_own exec -i service holdfast "$@"
}

# tenant NAME WORD..: the command line in a container that has this tenant's folder.
tenant() {
	local name=$1
	shift
	podman_own run --rm -i "${CONFINED[@]}" -v "$T/run/holdfast/tenants/$name:/run/holdfast:ro" \
		localhost/holdfast-client:1 "$@"
}

serves() { # command that shows the status as JSON, such as: hf
	"$@" --json status </dev/null 2>/dev/null | jq -e '.provider == "tpm"' >/dev/null
}
