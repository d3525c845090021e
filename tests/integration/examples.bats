#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is in examples/ and deploy/ works as it is.

bats_require_minimum_version 1.5.0
load helpers
load containers

FILE_CONFIG=('tenant web { }' 'tenant meter { }')

setup_file() {
	containers_begin
}

teardown_file() {
	containers_end
}

# tour LAST COMMAND..: as a program of tenant `web`, twice, since the second run finds its key.
tour() {
	local last=$1 i
	shift
	for i in 1 2; do
		env -i PATH="$PATH" HOLDFAST_SOCKET="$T/run/tenants/web/holdfast.sock" "$@" \
			>"$T/out" 2>&1 || {
			cat "$T/out"
			return 1
		}
	done
	cat "$T/out"
	grep -q "^signed: [0-9]* bytes, protected by $PROTECTION" "$T/out"
	grep -q '^sealed and unsealed: the same' "$T/out"
	grep -q "^$last" "$T/out"
}

# Without a service it says so, and fails.
tour_in_vain() {
	stop_daemon
	refute env -i PATH="$PATH" HOLDFAST_SOCKET="$T/run/tenants/web/holdfast.sock" "$@" \
		>"$T/out" 2>&1
	[[ -s $T/out ]]
	refute grep -q Traceback "$T/out"
}

tour_on() { # provider, last line, command..
	on "$1"
	shift
	tour "$@"
	shift
	tour_in_vain "$@"
}

@test "the tour in C, with a TPM" {
	tour_on tpm 'quoted: ' "$BUILD/src/client/example-tour"
}

@test "the tour in C, in software" {
	tour_on legacy 'no quote: ' "$BUILD/src/client/example-tour"
}

# -I and -S: nothing but the standard library.
@test "the tour in Python, with a TPM" {
	tour_on tpm 'quoted: ' python3 -I -S "$ROOT/examples/python/tour.py"
}

@test "the tour in Python, in software" {
	tour_on legacy 'no quote: ' python3 -I -S "$ROOT/examples/python/tour.py"
}

@test "the tour in shell, with a TPM" {
	tour_on tpm 'quoted: ' "$ROOT/examples/shell/tour.sh"
}

@test "the tour in shell, in software" {
	tour_on legacy 'no quote: ' "$ROOT/examples/shell/tour.sh"
}

# --- compose ---

@test "compose: two services, each with the folder of its own tenant, read-only" {
	python3 - "$ROOT/examples/compose/docker-compose.yml" <<-'END'
		import sys, yaml
		services = yaml.safe_load(open(sys.argv[1]))["services"]
		assert sorted(services) == ["meter", "web"]
		for name, service in services.items():
		    (volume,) = service["volumes"]
		    assert volume["source"].endswith("/tenants}/" + name), volume
		    assert volume["target"] == "/run/holdfast" and volume["read_only"] is True
		    assert service["network_mode"] == "none" and service["read_only"] is True
		    assert service["cap_drop"] == ["ALL"] and "privileged" not in service
	END
	if command -v docker-compose >/dev/null; then
		docker-compose -f "$ROOT/examples/compose/docker-compose.yml" config -q
	fi
}

# Its image, and its services by their own options.
@test "compose: the image is built, and both services run" {
	local name
	need podman
	on legacy
	cp -r "$ROOT/examples/compose" "$T/compose"
	cp -L "$CLIENT" "$T/compose/holdfast-client"
	podman_own build -q --isolation chroot -t localhost/holdfast-tour:1 "$T/compose" >/dev/null
	for name in web meter; do
		podman_own run --rm --network none --read-only --cap-drop all \
			--security-opt no-new-privileges --ulimit nofile=4096:4096 \
			--ulimit nproc=4096:4096 -v "$T/run/tenants/$name:/run/holdfast:ro" \
			localhost/holdfast-tour:1 status --json >"$T/out"
		[[ $(jq -r .tenant "$T/out") == "$name" ]]
	done
}

# --- cloud-init ---

# The files of the user-data as cloud-init writes them, below $T/guest, and its commands.
write_guest() {
	mkdir -p "$T/guest"/{bin,dev,proc,tmp,etc,mnt/holdfast}
	cp "$(command -v busybox)" "$T/guest/bin/busybox"
	for name in $("$T/guest/bin/busybox" --list); do
		[[ -e $T/guest/bin/$name ]] || ln -s busybox "$T/guest/bin/$name"
	done
	cp -L "$CLIENT" "$T/guest/mnt/holdfast/holdfast-client"
	python3 - "$ROOT/deploy/cloud-init/user-data" "$T/guest" >"$T/commands" <<-'END'
		import pathlib, sys, yaml
		text = open(sys.argv[1]).read()
		assert text.startswith("#cloud-config\n")
		data = yaml.safe_load(text)
		assert sorted(data) == ["runcmd", "write_files"]
		written = set()
		for file in data["write_files"]:
		    assert sorted(file) == ["content", "owner", "path", "permissions"]
		    assert file["owner"] == "root:root" and file["path"].startswith("/")
		    path = pathlib.Path(sys.argv[2] + file["path"])
		    path.parent.mkdir(parents=True, exist_ok=True)
		    path.write_text(file["content"])
		    path.chmod(int(file["permissions"], 8))
		    written.add(file["path"])
		for command in data["runcmd"]:
		    assert isinstance(command, list) and command[0] in written
		    print(*command)
	END
}

guest() {
	bwrap --unshare-all --die-with-parent --uid 0 --gid 0 --clearenv --setenv PATH \
		/usr/local/bin:/bin --bind "$T/guest" / --proc /proc --dev /dev --tmpfs /tmp "$@"
}

run_commands() {
	local command
	while read -ra command; do
		guest "${command[@]}" </dev/null || return
	done <"$T/commands"
}

# Without SHA-256 given a path is taken, a URL is not.
set_conf() {
	printf 'SOURCE=%s\nSHA256=%s\n' "$1" "$2" >"$T/guest/etc/holdfast-tools.conf"
}

@test "cloud-init: the user-data installs the tools and the links" {
	local sum file=/mnt/holdfast/holdfast-client
	need bwrap
	if command -v cloud-init >/dev/null; then
		cloud-init schema --config-file "$ROOT/deploy/cloud-init/user-data"
	fi
	write_guest
	run_commands
	run_commands
	[[ $(guest holdfast version) == holdfast\ * ]]
	for tool in genaik pubgetaik sign; do
		refute guest "eve_tools_tpm2_$tool" 2>"$T/err"
		grep -q "eve_tools_tpm2_$tool" "$T/err"
	done
	sum=$(sha256sum <"$CLIENT" | cut -d ' ' -f 1)
	set_conf "$file" "$sum"
	run_commands

	# What is refused leaves the installed one alone, and nothing else behind.
	set_conf "$file" "${sum//[0-4]/5}"
	refute run_commands 2>"$T/err"
	grep -q 'another SHA-256' "$T/err"
	set_conf https://example.org/holdfast-client ''
	refute run_commands 2>"$T/err"
	grep -q 'needs SHA256' "$T/err"
	set_conf http://example.org/holdfast-client "$sum"
	refute run_commands 2>"$T/err"
	grep -q 'neither a path nor' "$T/err"
	printf 'no program' >"$T/guest$file"
	set_conf "$file" ''
	refute run_commands 2>"$T/err"
	grep -q 'does not run' "$T/err"
	[[ $(guest holdfast version) == holdfast\ * ]]
	[[ $(ls -A "$T/guest/usr/local/bin" | wc -l) == 4 ]]
}

# --- the loader ---

@test "loader: the service runs what is built, by a configuration that is one" {
	local config=/etc/holdfast/holdfast-loader.conf
	sed "s|@bindir@|$BUILD|" "$ROOT/deploy/systemd/holdfast-loader.service.in" \
		>"$T/holdfast-loader.service"
	grep -qx "ExecStart=$BUILD/holdfast-loader --config $config" "$T/holdfast-loader.service"
	if command -v systemd-analyze >/dev/null; then
		systemd-analyze verify --man=no --recursive-errors=no "$T/holdfast-loader.service" \
			>"$T/out" 2>&1 || {
			cat "$T/out"
			return 1
		}
		refute grep -q "holdfast-loader.service:" "$T/out"
	fi
	# The example's files made up below $T: the program reads all of them.
	(
		umask 077
		mkdir "$T/etc"
		printf 'prefix = "p"\nhw = "h"\napi = "a"\nresource = "r"\n' >"$T/etc/loader.salts"
		sed -e "s|/etc/holdfast|$T/etc|; s|^#cache_dir = .*|cache_dir = \"$T/cache\"|" \
			"$ROOT/docs/examples/holdfast-loader.conf" >"$T/etc/holdfast-loader.conf"
	)
	"$BUILD/holdfast-loader" --config "$T/etc/holdfast-loader.conf" --check
}

# What the images install is what the programs need.
@test "image: the packages of deploy/Dockerfile are the libraries that the programs link" {
	local library program stage seen=0
	stage_of() {
		awk -v name="$1" '/^FROM / { in_it = $NF == name } in_it' "$ROOT/deploy/Dockerfile"
	}
	for program in holdfastd holdfast holdfast-fapi holdfast-loader; do
		stage=holdfastd
		[[ $program != holdfast-loader ]] || stage=loader
		for library in libconfuse libcurl libjansson libmicrohttpd libseccomp libssl libyaml libtss2-sys \
			libtss2-fapi; do
			objdump -p "$(readlink -f "$BUILD/$program")" | grep -q "NEEDED *$library" || continue
			stage_of "$stage" | grep -q "[[:space:]]$library"
			seen=$((seen + 1))
		done
	done
	((seen >= 12))
}
