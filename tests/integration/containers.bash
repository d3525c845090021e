# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Containers for the suites that need them. Their root file system is the static client, busybox and
# nothing else; of the host they have the folder of one tenant, read-only at /run/holdfast, and a
# folder for files at /work. helpers.bash is loaded before.

CLIENT=$(program holdfast-client)

# What a suite's containers share; in setup_file() and teardown_file(). Below it another user's
# mapped root looks for the root file system.
containers_begin() {
	export CONTAINERS
	CONTAINERS=$(mktemp -d /tmp/hd-c-XXXXXX)
	chmod 755 "$CONTAINERS"
	: >"$CONTAINERS/ran"
}

# What ran for real is counted, since a runtime may be missing or forbidden.
containers_end() {
	local runtime
	for runtime in bwrap runc podman; do
		echo "# tests with containers of $runtime: $(grep -cx "$runtime" "$CONTAINERS/ran")" >&3
	done
	# podman makes a folder for the groups of its containers; others may use it at this moment.
	rmdir /sys/fs/cgroup/{,*/}libpod_parent/{conmon,} 2>/dev/null || true
	rm -rf "$CONTAINERS"
}

# Skips the test, and says why, when the runtime is not installed or the kernel forbids what it
# does.
need() { # runtime
	need_static
	command -v "$1" >/dev/null || skip "$1 is not installed"
	if [[ ! -e $CONTAINERS/$1.works ]]; then
		mkdir -p "$T/run/tenants/none"
		container "$1" none true >"$T/need" 2>&1 ||
			skip "$1 cannot start a container here: $(tail -n 1 "$T/need")"
		rm -rf "$T/run"
		touch "$CONTAINERS/$1.works"
	fi
	echo "$1" >>"$CONTAINERS/ran"
}

is_static() {
	! LC_ALL=C readelf -l "$1" | grep -q INTERP
}

need_static() {
	is_static "$CLIENT" || skip "there is no static holdfast-client: libjansson.a is missing"
}

# make_root: $CONTAINERS/root, once.
make_root() {
	local name root=$CONTAINERS/root
	[[ ! -d $root ]] || return 0
	mkdir -p "$root"/{bin,dev,proc,sys,tmp,work,etc,run/holdfast}
	cp "$CLIENT" "$root/bin/holdfast"
	cp "$(command -v busybox)" "$root/bin/busybox"
	for name in $("$root/bin/busybox" --list); do
		[[ -e $root/bin/$name ]] || ln -s busybox "$root/bin/$name"
	done
	for name in genaik pubgetaik sign; do
		ln -s holdfast "$root/bin/eve_tools_tpm2_$name"
	done
}

# container RUNTIME TENANT WORD..: runs it as root of a container that is the tenant's.
container() {
	local runtime=$1 tenant=$2
	shift 2
	make_root
	# A mapped root comes this way.
	chmod 755 "$T"
	mkdir -p "$T/work-$tenant"
	chmod 777 "$T/work-$tenant"
	"container_$runtime" "$tenant" "$@"
}

container_bwrap() { # tenant, word..
	local tenant=$1
	shift
	bwrap --unshare-all --die-with-parent --uid "${CONTAINER_UID:-0}" --gid 0 --clearenv \
		--setenv PATH /bin --ro-bind "$CONTAINERS/root" / --proc /proc --dev /dev --tmpfs /tmp \
		--bind "$T/work-$tenant" /work --chdir /work \
		--ro-bind "$T/run/tenants/$tenant" /run/holdfast "$@"
}

# With CONTAINER_MAP its root is that user of the host, in a user namespace of its own. With
# CONTAINER_LIMITS it has 64 MiB of memory, 50 processes and half a processor.
container_runc() { # tenant, word..
	local tenant=$1 bundle status=0
	shift
	bundle=$(mktemp -d "$T/bundle-XXXXXX")
	(cd "$bundle" && runc spec)
	CONTAINER_ID=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
	jq --arg root "$CONTAINERS/root" --arg work "$T/work-$tenant" --arg sock "$T/run/tenants/$tenant" \
		--argjson map "${CONTAINER_MAP:-0}" --arg limits "${CONTAINER_LIMITS:-}" '
		.process.terminal = false | .process.args = $ARGS.positional |
		.process.env = ["PATH=/bin"] | .process.cwd = "/work" | del(.process.rlimits) |
		.root = {path: $root, readonly: true} |
		.mounts += [
			{destination: "/work", type: "bind", source: $work, options: ["bind", "rw"]},
			{destination: "/run/holdfast", type: "bind", source: $sock, options: ["bind", "ro"]}
		] |
		if $map > 0 then
			.linux.namespaces += [{type: "user"}] |
			.linux.uidMappings = [{containerID: 0, hostID: $map, size: 65536}] |
			.linux.gidMappings = .linux.uidMappings
		else . end |
		if $limits != "" then
			.linux.resources += {memory: {limit: 67108864}, pids: {limit: 50},
				cpu: {quota: 50000, period: 100000}}
		else . end' --args -- "$@" <"$bundle/config.json" >"$bundle/new"
	mv "$bundle/new" "$bundle/config.json"
	chmod 755 "$bundle"
	runc --root "$CONTAINERS/runc" run -b "$bundle" "$CONTAINER_ID" || status=$?
	return "$status"
}

# podman with folders of its own, and limits that any machine allows.
podman_own() {
	if [[ ! -f $CONTAINERS/podman/storage.conf ]]; then
		mkdir -p "$CONTAINERS/podman"
		printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' \
			"$CONTAINERS/podman/graph" "$CONTAINERS/podman/run" >"$CONTAINERS/podman/storage.conf"
		printf '%s\n' '[containers]' 'netns = "none"' \
			'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]' '[engine]' \
			'runtime = "runc"' 'cgroup_manager = "cgroupfs"' 'events_logger = "file"' \
			>"$CONTAINERS/podman/containers.conf"
	fi
	CONTAINERS_CONF=$CONTAINERS/podman/containers.conf CONTAINERS_STORAGE_CONF=$CONTAINERS/podman/storage.conf \
		podman --tmpdir "$CONTAINERS/podman/tmp" "$@"
}

container_podman() { # tenant, word..
	local tenant=$1 map=()
	shift
	podman_own image exists localhost/hf:1 ||
		tar -C "$CONTAINERS/root" -c . | podman_own import -q - localhost/hf:1 >/dev/null
	[[ -z ${CONTAINER_MAP:-} ]] ||
		map=(--uidmap "0:$CONTAINER_MAP:65536" --gidmap "0:$CONTAINER_MAP:65536")
	podman_own run --rm --network none --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 \
		"${map[@]}" --env PATH=/bin -w /work -v "$T/work-$tenant:/work" \
		-v "$T/run/tenants/$tenant:/run/holdfast:ro" localhost/hf:1 "$@"
}
